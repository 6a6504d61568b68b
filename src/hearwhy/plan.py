"""Plan: what is asked besides the model and the recording, and a forecast of what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hearwhy.answers import Answers
from hearwhy.asking import EVERYTHING
from hearwhy.attribution import Entry
from hearwhy.components.cells import AnyParts
from hearwhy.components.parts import Parts
from hearwhy.trust import LEVELS_DB, MAX_SWITCHES, N_CHECKS
from hearwhy.types import Classifier, Scale
from hearwhy.windowing import Listening

MASKS_CHECKED = 18  # masks that the finite differences of a gradient take
MAX_WITHOUT = 64  # components up to which each is left out once

Progress = Callable[[int, int], None]
"""Told (forward passes made, forward passes expected); one that has ``note(text)`` is also told in words what goes on."""


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
    n_interactions: int | None = None  # masks for the interactions where they are not free
    enumerate_s: float = 0.0  # seconds that asking about all masks may be forecast to take; 0: the clock has no say
    forecast_s: float | None = None  # and what they were forecast to take
    time_budget_s: float | None = None  # seconds after which a method that asks in rounds ends
    cache: Answers | None = None  # what the model said before


class Meter:
    """Adds up forward passes and tells whoever wants to know."""

    def __init__(self, progress: Progress | None, expected: int) -> None:
        self.done, self.expected, self.progress = 0, expected, progress

    def advance(self, calls: int) -> None:
        """Note that so many forward passes were made."""
        self.done += calls
        if self.progress is not None:
            self.progress(self.done, max(self.done, self.expected))

    def revise(self, calls: int, why: str = "") -> None:
        """Expect so many forward passes more, or fewer, and tell in words what goes on."""
        self.expected += calls
        note = getattr(self.progress, "note", None)
        if note is not None:
            note(why)


def groups_of(parts: AnyParts) -> tuple[int, ...]:
    """Return for every present component the number of the part that it is a piece of; each its own where none was split."""
    groups = parts.groups if isinstance(parts, Parts) else None
    numbers = range(len(parts.names)) if groups is None else groups
    return tuple(number for number, absent in zip(numbers, parts.absent, strict=True) if not absent)


def grouped(options: Mapping[str, Any], parts: AnyParts) -> dict[str, Any]:
    """Return a method's options with the groups of the components, where it asks which belong together."""
    return {**options, "groups": groups_of(parts)} if "groups" in options else dict(options)


def with_groups(plan: Plan, groups: tuple[int, ...]) -> Plan:
    """Return the plan with the groups of the components, where its method asks which belong together."""
    return replace(plan, options={**plan.options, "groups": groups}) if "groups" in plan.options else plan


def expected_calls(model: Classifier, parts: AnyParts, plan: Plan, other: AnyParts | None) -> int:
    """Forecast of the forward passes, for the progress bar only."""
    groups = groups_of(parts)
    n, n_parents = len(groups), len(set(groups))
    plan = with_groups(plan, groups)
    every = 2 ** min(n, 40)
    masks = min(plan.entry.n_masks(n, plan.options), every)
    extra = every - masks if len(parts.names) <= MAX_SWITCHES else min(n, MAX_WITHOUT) + N_CHECKS
    n_windows = len(plan.listening.windows(round(parts.recording.duration_s * model.sample_rate), model).starts)
    if plan.entry.asks != "score":
        extra += MASKS_CHECKED
    if len(parts.names) > MAX_SWITCHES:
        extra += min(plan.n_interactions or 0, every)
        extra += min(plan.entry.n_masks(n_parents, plan.options), 2 ** min(n_parents, 40)) if n_parents < n else 0
    fills = (masks + extra) * len(parts.fills) + masks * (len(other.fills) if other else 0) + len(LEVELS_DB)
    return int(fills) * n_windows
