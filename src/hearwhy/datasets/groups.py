"""Groups: which recordings were cut from one source, as their names or a table say."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from hearwhy.datasets.items import Item

ESC50 = re.compile(r"\d+-(\w+)-[A-Z]-\d+")  # fold-SOURCE-take-class
TAKE = re.compile(r"(.*\w)[-_ ](?:\d{1,4}|[A-Za-z])")  # SOURCE_01, SOURCE-b


def groups_by_name(names: Sequence[str], labels: Sequence[str | None]) -> list[str]:
    """Return the group of every recording, as far as its name tells.

    ``1-100032-A-0`` was cut from 100032, as ESC-50 names its clips; ``kitchen_01`` and ``kitchen-b`` are takes of
    ``kitchen``, whatever their class, for one session must not be learned from and tested on. Where that would
    make a whole class one source (``dog_001`` to ``dog_200``), the numbers count recordings, and each is a group of its own.
    Every other name is a group of its own.

    Parameters
    ----------
    names
        Paths within the dataset, no two the same.
    labels
        The class of each, the folder in which it lies; None: not known.

    Examples
    --------
    >>> groups_by_name(["dog/yard_1.wav", "dog/yard_2.wav", "dog/hall_1.wav"], ["dog"] * 3)
    ['yard', 'yard', 'hall']
    >>> groups_by_name(["dog/dog_1.wav", "dog/dog_2.wav", "dog/dog_3.wav"], ["dog"] * 3)
    ['dog/dog_1.wav', 'dog/dog_2.wav', 'dog/dog_3.wav']
    """
    sources = [_source(name) for name in names]
    counted = {label for label in set(labels) if _counts_recordings(names, labels, label)}
    known = {source for source, label in zip(sources, labels, strict=True) if source and label not in counted}
    found = []
    for name, label, source in zip(names, labels, sources, strict=True):
        whole = PurePosixPath(name).stem
        own = whole if whole in known else name
        found.append(source if source and label not in counted else own)
    return found


def _source(name: str) -> str | None:
    stem = PurePosixPath(name).stem
    match = ESC50.fullmatch(stem) or TAKE.fullmatch(stem)
    return match[1] if match else None


def _counts_recordings(names: Sequence[str], labels: Sequence[str | None], label: str | None) -> bool:
    stems = [PurePosixPath(name).stem for name, other in zip(names, labels, strict=True) if other == label]
    takes = {match[1] if (match := TAKE.fullmatch(stem)) else None for stem in stems}
    return len(stems) > 1 and len(takes) == 1 and None not in takes


def groups_of(items: Sequence[Item], groups: str | Path | None = None) -> list[str]:
    """Return the group of every item, by the user's rule where there is one.

    Parameters
    ----------
    items
        The recordings.
    groups
        None: `Item.group`. A file that ends in ``.csv``: a table with the columns ``filename`` and ``group``; a file
        name is an item's name, or its last part where only one item has it. Anything else: a regular expression that
        is searched in the item's name; its first bracket, or else all that it matches, is the group.

    Raises
    ------
    FileNotFoundError
        There is no such table.
    ValueError
        The table lacks a column or gives one file two groups, an item is not in it, or a name does not match the expression.
    """
    if groups is None:
        return [item.group for item in items]
    if str(groups).endswith(".csv"):
        return _from_table(items, Path(groups))
    try:
        pattern = re.compile(str(groups))
    except re.error as error:
        raise ValueError(f"groups is a .csv file or a regular expression; {str(groups)!r} is none ({error}).") from None
    matches = [pattern.search(item.name) for item in items]
    missed = [item.name for item, match in zip(items, matches, strict=True) if match is None]
    if missed:
        raise ValueError(f"{_first(missed)} of {len(items)} do not match {str(groups)!r}; give an expression that all match.")
    return [match[1 if pattern.groups else 0] or "" for match in matches if match is not None]


def _from_table(items: Sequence[Item], table: Path) -> list[str]:
    if not table.is_file():
        raise FileNotFoundError(f"There is no {table}; groups is a table with the columns filename and group.")
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if not {"filename", "group"} <= set(reader.fieldnames or ()):
            raise ValueError(f"{table} has the columns {reader.fieldnames}; it needs filename and group.")
        group_of: dict[str, str] = {}
        for row in reader:
            if group_of.setdefault(row["filename"], row["group"]) != row["group"]:
                raise ValueError(f"{table}, line {reader.line_num}: {row['filename']} has two groups; leave one.")
    short = [PurePosixPath(item.name).name for item in items]
    keys = [
        item.name if item.name in group_of or short.count(last) > 1 else last for item, last in zip(items, short, strict=True)
    ]
    missed = [key for key in keys if not group_of.get(key)]
    if missed:
        raise ValueError(f"{table} gives no group to {_first(missed)} of {len(items)} recordings; add a line for each.")
    return [group_of[key] for key in keys]


def _first(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} ({shown})"
