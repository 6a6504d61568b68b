"""Working: units done by several processes side by side, each of which ends with its parent."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context, parent_process
from typing import Any

import torch

Kind = Callable[[Any], Callable[[Any], None]]
"""What a process sets up once, from the job, and then does with every unit."""

_worker: Callable[[Any], None] | None = None  # what this process does with a unit


def _begin(kind: Kind, job: Any) -> None:
    global _worker
    torch.set_num_threads(1)
    parent = parent_process()
    if parent is not None:  # a run that is killed takes its processes along

        def wait() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=wait, daemon=True).start()
    _worker = kind(job)


def _do(unit: Any) -> None:
    assert _worker is not None
    _worker(unit)


def do_all(kind: Kind, job: Any, units: Sequence[Any], workers: int, what: str) -> None:
    """Do all units, so many at a time, and say after each how long the rest will take."""
    started = time.perf_counter()
    for done, _ in enumerate(_each(kind, job, units, min(workers, len(units))), start=1):
        seconds = (time.perf_counter() - started) / done * (len(units) - done)
        say(f"{done} of {len(units)} {what}, about {seconds / 60:.1f} minutes left")


def _each(kind: Kind, job: Any, units: Sequence[Any], workers: int) -> Iterator[None]:
    if workers <= 1:
        worker = kind(job) if units else None
        for unit in units:
            assert worker is not None
            worker(unit)
            yield
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (kind, job)) as pool:
        try:
            for future in as_completed([pool.submit(_do, unit) for unit in units]):
                future.result()
                yield
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def say(text: str) -> None:
    """Write a line on standard error at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
