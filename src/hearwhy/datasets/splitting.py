"""Splitting: which recordings are learned from and which are tested on, a source never on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hearwhy.datasets.groups import groups_of
from hearwhy.datasets.items import Dataset, Item

Parts = dict[str, list[Item]]
PRECEDENCE = ("train", "test", "validation")  # who gets a class that has too few sources for everybody


def split(
    dataset: Dataset, *, test: float = 0.2, validation: float = 0.0, seed: int = 42, groups: str | Path | None = None
) -> Parts:
    """Return the items of a dataset as "train", "test" and, where it is asked for, "validation".

    All items of a group are in one part. Groups are handed out one by one, big ones first and chance (`seed`) among equals,
    each to the part that brings all parts nearest to the shares asked for (squared differences, summed over classes and
    parts, a class counting as one whole); so every class is divided by these shares as nearly as its groups allow. Then a
    class that a part lacks gets its smallest group from a part that has another one: where groups are of one class, each
    class with as many groups as there are parts is in all of them, and one with two is in "train" and "test". The same
    items, shares and seed give the same parts, in whatever order the items come. `shares` says what was achieved.

    Parameters
    ----------
    dataset
        What to divide. Items without a label count as one class.
    test, validation
        Shares of each class, between 0 and 1; the rest is for training.
    seed
        The only source of chance.
    groups
        Which items were cut from one source: None for `Item.group`, or a table or an expression as in
        `hearwhy.datasets.groups.groups_of`.

    Raises
    ------
    ValueError
        The shares leave nothing to train on, there are fewer groups than parts, or `groups` does not fit.

    Examples
    --------
    >>> from pathlib import Path
    >>> from hearwhy.datasets.files import SoundFile
    >>> from hearwhy.datasets.headers import Header
    >>> clip = lambda n: SoundFile(Path(), Header(8000, 8000, 1), name=f"{n}.wav", group=f"{n % 5}", label="ab"[n % 2])
    >>> parts = split(Dataset("files", tuple(map(clip, range(20)))), test=0.2)
    >>> shares(parts)["test"]
    {'a': 0.2, 'b': 0.2}
    """
    wanted = {"train": 1 - test - validation, "test": test} | ({"validation": validation} if validation else {})
    if not all(0 < share < 1 for share in wanted.values()):
        raise ValueError(f"test and validation are shares that leave some for training; got {test:g} and {validation:g}.")
    table = _table(dataset.items, groups_of(dataset.items, groups))
    if len(table.names) < len(wanted):
        raise ValueError(
            f"{len(dataset.items)} recordings from {len(table.names)} sources cannot be divided into {', '.join(wanted)}; "
            "a source is never on two sides: bring recordings of more sources, or say with groups what one source is."
        )
    part_of = _handed_out(table, np.array(list(wanted.values())), np.random.default_rng(seed))
    _complete(table, part_of, list(wanted))
    found: Parts = {part: [] for part in wanted}
    for item, group in zip(dataset.items, table.group_of_item, strict=True):
        found[list(wanted)[part_of[group]]].append(item)
    return found


def shares(parts: Mapping[str, Sequence[Item]]) -> dict[str, dict[str, float]]:
    """Return what share of each class is in each part: part to label to a number from 0 to 1."""
    counts = {part: Counter(item.label or "" for item in items) for part, items in parts.items()}
    total = sum(counts.values(), Counter[str]())
    return {part: {label: round(count[label] / total[label], 4) for label in sorted(total)} for part, count in counts.items()}


@dataclass(frozen=True, eq=False)
class _Groups:
    """Groups in the order of their names: how many items of each class, (group, class), and the group of every item."""

    names: list[str]
    counts: np.ndarray
    group_of_item: list[int]


def _table(items: Sequence[Item], groups: Sequence[str]) -> _Groups:
    names = sorted(set(groups))
    labels = sorted({item.label or "" for item in items})
    place, column = {name: i for i, name in enumerate(names)}, {label: i for i, label in enumerate(labels)}
    counts = np.zeros((len(names), len(labels)))
    for item, group in zip(items, groups, strict=True):
        counts[place[group], column[item.label or ""]] += 1
    return _Groups(names, counts, [place[group] for group in groups])


def _handed_out(table: _Groups, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    counts, total = table.counts, table.counts.sum(axis=0)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    part_of = np.full(len(counts), -1)
    missing = wanted[:, None] * total  # (part, class)
    for group in order:
        change = (((missing - counts[group]) / total) ** 2 - (missing / total) ** 2).sum(axis=1)
        part_of[group] = int(change.argmin())
        missing[part_of[group]] -= counts[group]
    return part_of


def _complete(table: _Groups, part_of: np.ndarray, parts: list[str]) -> None:
    """Move groups, in place, so that every class is in every part as far as it has groups for that."""
    counts = table.counts
    ranked = [parts.index(name) for name in PRECEDENCE if name in parts]
    for rank, part in enumerate(ranked):
        for label in range(counts.shape[1]):
            if counts[part_of == part, label].any():
                continue
            movable = [
                group for group in np.flatnonzero(counts[:, label])
                if part_of[group] in ranked[rank + 1 :] or _leaves_something(counts, part_of, group)
            ]  # fmt: skip
            if movable:
                sizes = [counts[group].sum() for group in movable]
                part_of[movable[int(np.argmin(sizes))]] = part


def _leaves_something(counts: np.ndarray, part_of: np.ndarray, group: np.integer) -> bool:
    """Return whether every class of a group is in its part without it, too."""
    others = part_of == part_of[group]
    others[group] = False
    return bool((counts[others].sum(axis=0)[counts[group] > 0] > 0).all())
