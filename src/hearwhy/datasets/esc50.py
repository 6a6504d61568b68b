"""Datasets in ESC-50's layout: ``meta/esc50.csv`` and ``audio/``; ESC-50 itself, ESC-10, or recordings of one's own."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hearwhy import audio as sound
from hearwhy.datasets.files import SoundFile
from hearwhy.datasets.headers import read_header
from hearwhy.datasets.items import Dataset
from hearwhy.types import Recording

COLUMNS = ("filename", "fold", "target", "category")
HOW = "ESC-50's layout is DATA/meta/esc50.csv with the columns filename, fold, target and category, and DATA/audio"


@dataclass(frozen=True)
class Clip:
    """One clip of the dataset.

    Parameters
    ----------
    path
        Its sound file.
    fold
        Which fold it belongs to; clips of one source recording are all in one fold.
    category
        What is heard in it.
    source
        The recording that it was cut from (ESC's clip id): clips of one source are alike, and counted together.
    """

    path: Path
    fold: int
    category: str
    source: str

    @property
    def name(self) -> str:
        """Name of its sound file."""
        return self.path.name

    def load(self) -> Recording:
        """Return the clip as it is stored; ValueError or FileNotFoundError names a file that cannot be read."""
        return sound.load(self.path)


@dataclass(frozen=True)
class Esc50:
    """A dataset in ESC-50's layout.

    Parameters
    ----------
    clips
        In the order of the table.
    categories
        What there is to tell apart, in the order of their ``target`` numbers.
    """

    clips: tuple[Clip, ...]
    categories: tuple[str, ...]

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds that there are, in order."""
        return tuple(sorted({clip.fold for clip in self.clips}))

    def of_folds(self, *folds: int) -> tuple[Clip, ...]:
        """Return the clips of these folds, in the order of the table.

        Raises
        ------
        ValueError
            There is no clip in one of them.
        """
        missing = [fold for fold in folds if fold not in self.folds]
        if missing:
            raise ValueError(f"There is no clip in fold {missing[0]}; the dataset has folds {', '.join(map(str, self.folds))}.")
        return tuple(clip for clip in self.clips if clip.fold in folds)


def read_esc50(data: str | Path, *, missing: Literal["error", "keep"] = "error") -> Esc50:
    """Return the clips of a folder in ESC-50's layout; no sound is decoded yet.

    `Clip.source` is the column ``src_file``; where there is none, the second field of
    the file's name (``1-100032-A-0.wav``: 100032); where the name has no such fields, the file's own name.

    Parameters
    ----------
    data
        The folder that holds ``meta/esc50.csv`` and ``audio/``.
    missing
        What becomes of clips whose file is not there: an error, or they stay in the list for whoever reads them to name.

    Raises
    ------
    FileNotFoundError
        There is no table, or (with `missing` "error") sound files that it lists are not there: the message names them.
    ValueError
        The table is empty, lacks a column, has a fold or target that is no number, or gives one target two categories.
    """
    root = Path(data)
    table = root / "meta" / "esc50.csv"
    if not table.is_file():
        raise FileNotFoundError(f"There is no {table}. {HOW}.")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError(f"{table} lists no clip. {HOW}.")
    lacking = [column for column in COLUMNS if column not in rows[0]]
    if lacking:
        raise ValueError(f"{table} has no column {' and no '.join(lacking)}. {HOW}.")
    clips = tuple(_clip(root, table, number, row) for number, row in enumerate(rows, start=2))
    absent = [clip.name for clip in clips if not clip.path.is_file()]
    if absent and missing == "error":
        shown = f"{', '.join(absent[:3])}{' and others' if len(absent) > 3 else ''}"
        raise FileNotFoundError(
            f"{len(absent)} of {len(clips)} sound files that {table} lists are not in {root / 'audio'}: "
            f"{shown}. Bring them, or take their rows out of the table."
        )
    return Esc50(clips, _categories(table, rows))


def esc50_items(data: str | Path, *, fold: str | None = None) -> Dataset:
    """Return the clips of a fold, or all, as items: the label is the category, the group the source recording.

    Files that are missing or damaged are left out, and named.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_esc50`; or there is no such fold.
    """
    table = read_esc50(data, missing="keep")
    if fold is not None and not fold.isdecimal():
        raise ValueError(f"a split of ESC-50's layout is a fold, one of {', '.join(map(str, table.folds))}; got {fold!r}.")
    items: list[SoundFile] = []
    problems: list[tuple[str, str]] = []
    for clip in table.clips if fold is None else table.of_folds(int(fold)):
        try:
            items.append(SoundFile(clip.path, read_header(clip.path), clip.name, clip.source, clip.category))
        except (ValueError, OSError) as error:
            problems.append((clip.name, str(error)))
    return Dataset("esc50", tuple(items), tuple(problems))


def _clip(root: Path, table: Path, number: int, row: dict[str, str]) -> Clip:
    name = row["filename"] or ""
    try:
        fold, _ = int(row["fold"]), int(row["target"])
    except (TypeError, ValueError):
        raise ValueError(
            f"{table}, line {number}: fold and target are whole numbers; got {row['fold']!r} and {row['target']!r}."
        ) from None
    if not name or Path(name).name != name:
        raise ValueError(f"{table}, line {number}: filename is the name of a file in audio/; got {name!r}.")
    fields = Path(name).stem.split("-")
    source = row.get("src_file") or (fields[1] if len(fields) >= 3 else name)
    return Clip(root / "audio" / name, fold, row["category"], source)


def _categories(table: Path, rows: list[dict[str, str]]) -> tuple[str, ...]:
    named: dict[int, str] = {}
    for row in rows:
        known = named.setdefault(int(row["target"]), row["category"])
        if known != row["category"]:
            raise ValueError(f"{table}: target {row['target']} is both {known!r} and {row['category']!r}; give each one name.")
    categories = tuple(named[target] for target in sorted(named))
    twice = sorted({category for category in categories if categories.count(category) > 1})
    if twice or "" in categories:
        raise ValueError(f"{table}: each target needs a category of its own; got {', '.join(twice) or 'an empty name'}.")
    return categories
