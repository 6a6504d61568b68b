"""Question: what is asked of every snippet, and which snippets of a dataset are asked about."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hearwhy.attribution.parsing import parse_method
from hearwhy.components import is_vector
from hearwhy.components.vectors import VECTOR_FILLS
from hearwhy.datasets import read
from hearwhy.datasets.items import Dataset, Item
from hearwhy.types import Classifier, Scale


@dataclass(frozen=True)
class Question:
    """What is asked of every snippet.

    Parameters
    ----------
    components
        A spec (``hearwhy list components``); ``"sources:stems"`` without a folder: the true sources of the dataset.
    method
        Name and options of a method that asks about masks.
    targets
        As `hearwhy.explain` takes them.
    fill, scale
        As `hearwhy.explain` takes them.
    seed
        With the snippet, seeds everything that is drawn.

    Raises
    ------
    ValueError
        The method looks inside the network, or the components differ from recording to recording.
    """

    components: str
    method: str = "kernel_shap"
    targets: tuple[str, ...] = ("top",)
    fill: str | None = None
    scale: Scale | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _, _, entry = parse_method(self.method)
        if entry.asks == "network":
            raise ValueError(f"{self.method} explains every bin of a spectrogram, and bins of many recordings have no common "
                             "axis; give a method that switches components off, such as shapley.")  # fmt: skip
        kind = self.components.strip().partition("=")[0]
        if kind == "features" or (kind.startswith("cells:") and kind != "cells:tiles"):
            raise ValueError(f"{self.components} makes other components of every recording, and they have no common axis; give "
                             "sources, bands, segments, tiles or cells:tiles=FxT.")  # fmt: skip
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed is a whole number from 0 to 2**63 - 1; got {self.seed}.")

    def absent(self, classifier: Classifier) -> dict[str, str | None]:
        """Return what stands where something was removed, and the background that knows it, where one does."""
        background = getattr(classifier, "background", None) if is_vector(self.components) else None
        fill = self.fill or ("silence" if background is None else "mean")
        if background is None or fill not in VECTOR_FILLS:
            return {"fill": fill, "background": None}
        digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in background.as_tensors().values()))
        return {"fill": fill, "background": f"{background.source} ({digest.hexdigest()[:8]})"}


@dataclass(frozen=True)
class Selection:
    """Which snippets are asked about.

    Parameters
    ----------
    stems
        Conditions: the stems that are mixed in each; none: recordings as they are.
    split
        Which part of the dataset.
    limit
        Only so many recordings, spread evenly over the dataset.
    per_item
        Snippets of a recording, spread evenly over it; None: all, one after the other.
    snippet_s
        Length of one in seconds; None: the model's window, or the whole recording where it has none.

    Raises
    ------
    ValueError
        A number is out of its range, or a condition stands twice.
    """

    stems: tuple[tuple[str, ...], ...] = ()
    split: str | None = None
    limit: int | None = None
    per_item: int | None = None
    snippet_s: float | None = None

    def __post_init__(self) -> None:
        for name, number in (("limit", self.limit), ("per_item", self.per_item)):
            if number is not None and number < 1:
                raise ValueError(f"{name} is at least 1; got {number}.")
        if self.snippet_s is not None and not 0 < self.snippet_s < math.inf:
            raise ValueError(f"A snippet lasts more than 0 seconds; got {self.snippet_s}.")
        if len({frozenset(names) for names in self.stems}) < len(self.stems):
            raise ValueError("Two conditions mix the same stems; give each once.")

    def conditions(self, data: str | Path | Dataset) -> dict[str, Dataset]:
        """Return the dataset under every condition, by the condition's name; "" where there is one only.

        Raises
        ------
        ValueError
            Stems are chosen of a dataset that was read before.
        """
        if isinstance(data, Dataset):
            if self.stems or self.split:
                raise ValueError("Stems and a split are chosen when a dataset is read; give its folder instead.")
            return {"": data}
        if not self.stems:
            return {"": read(data, split=self.split)}
        return {"+".join(names): read(data, split=self.split, stems=names) for names in self.stems}


@dataclass(frozen=True, eq=False)
class Unit:
    """One snippet of one recording under one condition."""

    item: Item
    condition: str
    number: int
    start_s: float
    duration_s: float

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from all others."""
        return self.item.name, self.condition, self.number


def units(conditions: dict[str, Dataset], selection: Selection, window_s: float | None) -> list[Unit]:
    """Return the snippets of a dataset; `window_s` is the model's window."""
    length_s = selection.snippet_s or window_s
    return [
        Unit(item, condition, number, start_s, duration_s)
        for condition, dataset in conditions.items()
        for item in _spread(dataset.items, selection.limit)
        for number, (start_s, duration_s) in enumerate(spans(item.duration_s, length_s, selection.per_item))
    ]


def _spread(items: tuple[Item, ...], limit: int | None) -> Iterator[Item]:
    """Every item, or so many of them, equally far apart: a folder for each class is not cut off after the first classes."""
    n = len(items) if limit is None else min(limit, len(items))
    return (items[i * len(items) // n] for i in range(n))


def spans(duration_s: float, length_s: float | None, n: int | None) -> list[tuple[float, float]]:
    """Return (start, duration) in seconds of `n` snippets spread evenly over a recording, or of all that fit into it.

    They never overlap, so that there may be fewer than `n`; a recording shorter than one snippet is one.

    Examples
    --------
    >>> spans(7.0, 2.0, None)
    [(0.0, 2.0), (2.0, 2.0), (4.0, 2.0)]
    >>> spans(7.0, 2.0, 2)
    [(0.75, 2.0), (4.25, 2.0)]
    """
    if length_s is None or duration_s <= length_s:
        return [(0.0, duration_s)]
    fitting = int(duration_s / length_s + 1e-9)
    if n is None:
        return [(round(i * length_s, 6), length_s) for i in range(fitting)]
    n = min(n, fitting)
    free_s = duration_s - n * length_s  # spread over the gaps before, between and after them, half as much at the ends
    return [(int(1e3 * ((i + 0.5) * free_s / n + i * length_s)) / 1e3, length_s) for i in range(n)]


def unit_seed(seed: int, unit: Unit) -> int:
    """Return the seed of a snippet: it hangs on nothing but the question's seed and what the snippet is called."""
    told = "\n".join(map(str, (seed, *unit.key)))
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:7], "big")


def dataset_hash(plan: list[Unit]) -> str:
    """Return what tells two sets of snippets apart: names, groups, labels and where they lie."""
    told = "\n".join(
        f"{unit.key} {unit.item.group} {unit.item.label} {unit.start_s:.6f} {unit.duration_s:.6f}" for unit in plan
    )
    return hashlib.sha256(told.encode()).hexdigest()[:16]
