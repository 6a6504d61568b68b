"""Question: what is asked of every recording, the same for all engines."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hearwhy.attribution import METHODS, Entry
from hearwhy.datasets.esc50 import Clip, Esc50
from hearwhy.evaluate.conditions import Condition, parse_conditions
from hearwhy.masks import ALL_MASKS, PAPER_MASKS, ProtocolName, parse_mask
from hearwhy.masks.checking import check_protocol
from hearwhy.one_line import parse_call, split_list
from hearwhy.types import Scale

OF_THE_UNIT = -1
"""A seed that stands for the unit's own."""
OF_BACKGROUND = frozenset({"deep_shap", "gradient_shap"})
"""Methods whose values are relative to other recordings."""
PER_MASK = ("random", "energy")
"""Controls of equal area, one for each mask; identity and empty are asked once a recording."""


@dataclass(frozen=True)
class MethodLine:
    """A method as it was asked for: what tables call it, its function's name and every option."""

    line: str
    name: str
    options: tuple[tuple[str, Any], ...]

    @property
    def entry(self) -> Entry:
        """What is known about the method."""
        return METHODS[self.name]

    def seeded(self, seed: int) -> dict[str, Any]:
        """Return the options, with the unit's own seed unless the line names one."""
        return {key: seed if key == "seed" and value == OF_THE_UNIT else value for key, value in self.options}


@dataclass(frozen=True)
class Question:
    """What is asked of every recording.

    Parameters
    ----------
    methods
        Names and options, as in ``"lime(n_samples=1000),grad_cam"``.
    masks
        ``"all"``, or names as ``hearwhy list masks`` shows them, separated by commas.
    conditions
        ``"clean"``, and noises as in ``"white=FILE@3.52dB"``.
    protocol
        "corrected": log-odds (the logit, for methods that look inside), silence where a cell is removed. "paper": as
        published, with masks applied by arithmetic; lime explains the probability, over cells filled with their own mean.
    seed
        With the unit, seeds everything that is drawn.
    heard
        Ask about the sound of what each mask keeps and removes as well.
    controls
        Masks of equal area that are asked beside each mask: "random", "energy", both or none.
    background
        Recordings of each class that deep_shap and gradient_shap compare with, of the folds that train (all but the last two).
    components
        What methods that only ask switch off.

    Raises
    ------
    ValueError
        Something of it is not known, or stands twice.
    """

    methods: str = "lime,grad_cam"
    masks: str = "all"
    conditions: str = "clean"
    protocol: ProtocolName = "corrected"
    seed: int = 0
    heard: bool = False
    controls: tuple[str, ...] = PER_MASK
    background: int = 2
    components: str = "cells:quickshift"

    def __post_init__(self) -> None:
        check_protocol(self.protocol)
        for made in (self.method_lines, self.mask_lines, self.parsed_conditions):
            made()
        if not set(self.controls) <= set(PER_MASK):
            raise ValueError(f"Controls of equal area are {' and '.join(PER_MASK)}; got {', '.join(self.controls)}.")
        if self.background < 1 or not 0 <= self.seed < 2**63:
            raise ValueError(
                f"background is at least 1 recording a class, and a seed 0 to 2**63 - 1; got {self.background} and {self.seed}."
            )
        if self.components.partition(":")[0] != "cells" or " * " in self.components:
            raise ValueError(f"Maps are made over cells of the spectrogram, as in cells:quickshift; got {self.components!r}.")

    def method_lines(self) -> tuple[MethodLine, ...]:
        """Return the methods, parsed."""
        found = tuple(_method(line, self.protocol) for line in split_list(self.methods))
        return _once(found, [method.line for method in found], "method", self.methods)

    def mask_lines(self) -> dict[str, str]:
        """Return the masks' lines by the names that tables call them."""
        if self.masks.strip() == "all":
            return dict(ALL_MASKS)
        items = split_list(self.masks)
        names = [item if item in ALL_MASKS else _short(item, *parse_mask(item)[:2]) for item in items]
        _once(names, names, "mask", self.masks)
        return {name: PAPER_MASKS.get(item, item) for name, item in zip(names, items, strict=True)}

    def parsed_conditions(self) -> tuple[Condition, ...]:
        """Return the conditions, parsed."""
        return parse_conditions(self.conditions)

    def scale(self, method: MethodLine, activation: str) -> Scale:
        """Return the scale on which a method explains a model."""
        if activation == "probability" or (self.protocol == "paper" and method.entry.asks != "network"):
            return "probability"
        return method.entry.scale or "log_odds"

    def rows(self) -> list[tuple[str, str]]:
        """Return every (mask, control) that is asked; control "" is the mask itself."""
        return [(mask, control) for mask in self.mask_lines() for control in ("", *self.controls)]


def _method(line: str, protocol: ProtocolName) -> MethodLine:
    functions = {name: entry.function for name, entry in METHODS.items()}
    joining = {"seed": OF_THE_UNIT, "protocol": protocol}
    name, options = parse_call(line, functions, what="method", example="lime(n_samples=500)", joining=joining)
    _, defaults = parse_call(name, functions, what="method", example="", joining=joining)
    changed = {key: value for key, value in options.items() if value != defaults[key]}
    return MethodLine(_short(name, name, changed), name, tuple(sorted(options.items())))


def _short(line: str, name: str, options: dict[str, Any]) -> str:
    told = ", ".join(f"{key}={value}" for key, value in options.items() if key in line or name == line)
    return f"{name}({told})" if told else name


def _once(found: Any, names: Sequence[str], what: str, text: str) -> Any:
    if not names or len(set(names)) < len(names):
        raise ValueError(f"Give one or more {what}s, each once, separated by commas; got {text!r}.")
    return found


@dataclass(frozen=True)
class Clips:
    """Which clips of a dataset are asked about.

    Parameters
    ----------
    folds
        Only these; empty: all.
    limit
        At most so many, the first of the table.
    per_class
        At most so many of each class in each fold, the first of the table.
    """

    folds: tuple[int, ...] = ()
    limit: int | None = None
    per_class: int | None = None

    def of(self, dataset: Esc50) -> tuple[Clip, ...]:
        """Return the clips, in the order of the table; ValueError where none is left."""
        clips = dataset.of_folds(*self.folds) if self.folds else dataset.clips
        for name, count in (("limit", self.limit), ("per_class", self.per_class)):
            if count is not None and count < 1:
                raise ValueError(f"{name} is at least 1; got {count}.")
        if self.per_class is not None:
            seen: dict[tuple[int, str], int] = {}
            kept = []
            for clip in clips:
                key = (clip.fold, clip.category)
                seen[key] = seen.get(key, 0) + 1
                kept += [clip] * (seen[key] <= self.per_class)
            clips = tuple(kept)
        return clips[: self.limit]


def background_clips(dataset: Esc50, question: Question) -> tuple[tuple[Clip, ...], ...]:
    """Return, class by class, the clips of the training folds in the order in which they serve as background.

    The training folds are all but the last two (ESC-50's 1 to 3), or the first where there are no more than two. The order
    hangs on seed and name only.
    """
    folds = dataset.folds[:-2] or dataset.folds[:1]
    clips = dataset.of_folds(*folds)
    ranked = sorted(clips, key=lambda clip: hashlib.sha256(f"{question.seed} {clip.name}".encode()).hexdigest())
    return tuple(tuple(c for c in ranked if c.category == category) for category in dataset.categories)


def unit_seed(seed: int, *unit: str) -> int:
    """Return the seed of a unit: it hangs on nothing but the question's seed and what the unit is called.

    Examples
    --------
    >>> unit_seed(0, "1-100032-A-0.wav", "clean") == unit_seed(0, "1-100032-A-0.wav", "clean")
    True
    """
    return int.from_bytes(hashlib.sha256("\n".join([str(seed), *unit]).encode()).digest()[:7], "big")


def dataset_hash(dataset: Esc50) -> str:
    """Return what tells two datasets apart: the names, folds, classes and sources of all clips, in their order."""
    told = "\n".join(f"{clip.name} {clip.fold} {clip.category} {clip.source}" for clip in dataset.clips)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def file_hash(path: Path) -> str:
    """Return what tells two files apart."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
