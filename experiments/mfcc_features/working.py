"""Working: units by several processes, each written when it is done, so that the same command goes on where it was stopped."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Unit:
    """One file of rows: which function makes it, and what of."""

    name: str
    make: Callable[[], dict[str, Rows]]

    def file(self, out: Path) -> Path:
        """Return where its rows are."""
        return out / "units" / f"{self.name}.json"


def do_all(units: Sequence[Unit], out: Path, workers: int) -> None:
    """Do what is lacking, so many units at a time, and say after each how many are left."""
    lacking = [unit for unit in units if not unit.file(out).exists()]
    for done, name in enumerate(_each(lacking, out, workers), start=1):
        say(f"{name}: {done} of {len(lacking)} units done, {len(units) - len(lacking)} from before")


def read_all(units: Sequence[Unit], out: Path) -> dict[str, Rows]:
    """Return the rows of the units that are done, by kind."""
    found: dict[str, Rows] = {}
    for unit in units:
        if unit.file(out).exists():
            for kind, rows in json.loads(unit.file(out).read_text(encoding="utf-8")).items():
                found.setdefault(kind, []).extend(rows)
    return found


def _each(units: Sequence[Unit], out: Path, workers: int) -> Any:
    if workers <= 1 or len(units) <= 1:
        yield from map(partial(_do, out=out), units)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        try:
            for future in as_completed([pool.submit(_do, unit, out) for unit in units]):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _do(unit: Unit, out: Path) -> str:
    rows = unit.make()
    file = unit.file(out)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(rows), encoding="utf-8")
    unfinished.replace(file)
    return unit.name


def say(text: str) -> None:
    """Write a line on standard error at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
