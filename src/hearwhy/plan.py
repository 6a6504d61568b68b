"""Plan: what is asked besides the model and the recording, and a forecast of what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hearwhy.asking import EVERYTHING
from hearwhy.attribution import Entry
from hearwhy.components.cells import AnyParts
from hearwhy.trust import LEVELS_DB, MAX_SWITCHES, N_CHECKS
from hearwhy.types import Classifier, Scale
from hearwhy.windowing import Listening

MASKS_CHECKED = 18  # masks that the finite differences of a gradient take
MAX_WITHOUT = 64  # components up to which each is left out once

Progress = Callable[[int, int], None]
"""Told (forward passes made, forward passes expected)."""


@dataclass(frozen=True)
class Plan:
    """What is asked besides the model and the recording."""

    model: str
    method: str
    options: Mapping[str, Any]
    entry: Entry
    targets: tuple[str, ...]
    scale: Scale
    seed: int
    device: str
    batch_size: int | None
    listening: Listening = EVERYTHING
    spent: int = 0  # forward passes that went into finding the label
    mask: str | None = None  # of a spectrogram's map


class Meter:
    """Adds up forward passes and tells whoever wants to know."""

    def __init__(self, progress: Progress | None, expected: int) -> None:
        self.done, self.expected, self.progress = 0, expected, progress

    def advance(self, calls: int) -> None:
        """Note that so many forward passes were made."""
        self.done += calls
        if self.progress is not None:
            self.progress(self.done, max(self.done, self.expected))


def expected_calls(model: Classifier, parts: AnyParts, plan: Plan, other: AnyParts | None) -> int:
    """Forecast of the forward passes, for the progress bar only."""
    n = sum(not absent for absent in parts.absent)
    every = 2 ** min(n, 40)
    masks = min(plan.entry.n_masks(n, plan.options), every)
    extra = every - masks if len(parts.names) <= MAX_SWITCHES else min(n, MAX_WITHOUT) + N_CHECKS
    n_windows = len(plan.listening.windows(round(parts.recording.duration_s * model.sample_rate), model).starts)
    if plan.entry.asks != "score":
        extra += MASKS_CHECKED
    fills = (masks + extra) * len(parts.fills) + masks * (len(other.fills) if other else 0) + len(LEVELS_DB)
    return int(fills) * n_windows
