"""Rows: every number that was found, one row for each clip, method, mask and control; and the published ones."""

from __future__ import annotations

import csv
import gzip
import io
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from asking import ROUNDS, Round

from hearwhy.evaluate.reading import Results
from hearwhy.metrics import SEVEN

Row = dict[str, Any]
KEYS = ("features", "protocol", "fold", "condition", "method", "clip", "category", "source", "mask", "control")
LIMIT_BYTES = 2_000_000
_THEIRS = {"ff": "FF", "ai": "AI", "ad": "AD", "ag": "AG", "fid_in": "FidIn", "sps": "SPS", "comp": "COMP"}


def read_rows(out: Path) -> list[Row]:
    """Return the rows of all rounds that were run."""
    return [row for a_round in ROUNDS if a_round.file(out).exists() for row in _of_round(a_round, a_round.file(out))]


def _of_round(a_round: Round, file: Path) -> Iterator[Row]:
    with Results(file) as results:
        groups = list(results.groups())
        named = _clips(file)
        for group in groups:
            method = group.about["method"].partition("(")[0]
            for one in results.measured(group, SEVEN):
                for i, place in enumerate(one.places):
                    name, category = named[group.units[place]]
                    where = (a_round.features, a_round.protocol, a_round.fold, group.about["condition"], method, name, category)
                    told = zip(KEYS, (*where, group.source[place], one.mask, one.control), strict=True)
                    yield dict(told) | {metric: float(one.metrics[metric][i]) for metric in SEVEN}


def _clips(file: Path) -> dict[int, tuple[str, str]]:
    """Return name and category of the clip of every unit."""
    with closing(sqlite3.connect(file)) as held:
        found = held.execute("SELECT units.id, name, category FROM units JOIN recordings ON recordings.id = units.recording")
        return {unit: (name, category) for unit, name, category in found}


def write_rows(rows: list[Row], folder: Path) -> Path:
    """Write the rows as CSV, compressed where they are over 2 MB, and return the file."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow((*KEYS, *SEVEN))
    table.writerows([*(row[key] for key in KEYS), *(f"{row[metric]:.6g}" for metric in SEVEN)] for row in rows)
    data = text.getvalue().encode()
    for name in ("rows.csv", "rows.csv.gz"):
        (folder / name).unlink(missing_ok=True)
    if len(data) <= LIMIT_BYTES:
        (folder / "rows.csv").write_bytes(data)
        return folder / "rows.csv"
    (folder / "rows.csv.gz").write_bytes(gzip.compress(data, mtime=0))
    return folder / "rows.csv.gz"


def read_published(path: Path) -> list[Row]:
    """Return the published rows, each a mean over 400 clips, with our names of metrics."""
    with path.open(newline="", encoding="utf-8") as file:
        held = list(csv.DictReader(file))
    return [
        {"features": row["features"].removesuffix("_db"), **{key: row[key] for key in ("condition", "method", "mask")}}
        | {metric: float(row[theirs]) for metric, theirs in _THEIRS.items()}
        for row in held
    ]


def means(rows: Iterable[Row], *keys: str) -> dict[tuple[Any, ...], Row]:
    """Return the means over clips of the seven metrics, by the keys."""
    together: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        together[tuple(row[key] for key in keys)].append(row)
    return {
        place: dict(zip(keys, place, strict=True)) | {m: float(np.mean([row[m] for row in some])) for m in SEVEN}
        for place, some in together.items()
    }
