"""Speed: how long a model takes for how many items at a time."""

from __future__ import annotations

import statistics
import time

import torch

from hearwhy.check.findings import Speed
from hearwhy.check.subject import Subject

SIZES = (1, 2, 4, 8, 16, 32)
REPEATS = 3
BUDGET_S = 8.0  # once so much has gone into timing, larger batches are left out
MAX_SAMPLES = 2**24  # 64 MiB of audio a batch


def speeds(subject: Subject) -> tuple[Speed, ...]:
    """Return milliseconds an item for growing batches: the median of three, until it takes too long or memory runs out."""
    found: list[Speed] = []
    began = time.perf_counter()
    for size in SIZES:
        if size > 1 and (time.perf_counter() - began > BUDGET_S or size * subject.clip.numel() > MAX_SAMPLES):
            break
        batch = subject.clip.repeat(size, 1, 1)
        try:
            subject.ask(batch)  # the first pass of a size warms up
            took = statistics.median(_seconds(subject, batch) for _ in range(REPEATS))
        except Exception:  # what it cannot take is reported by the checks
            break
        found.append(Speed(size, 1000 * took / size))
    return tuple(found)


def fastest(timed: tuple[Speed, ...]) -> Speed:
    """Return the smallest number of items at a time that is within a twentieth of the fastest."""
    least = min(one.ms for one in timed)
    return next(one for one in timed if one.ms <= 1.05 * least)


def _seconds(subject: Subject, batch: torch.Tensor) -> float:
    start = time.perf_counter()
    subject.ask(batch)  # its answers come back to the CPU, so nothing is left running
    return time.perf_counter() - start
