"""Rows: every explanation and every separation, as tables that the rest counts in."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from explaining import COMPONENTS, Row
from models import accuracies
from units import Job, Unit

KEYS = (
    "test_set", "version", "song", "snippet", "label", "kind", "run", "origin", "separation", "rest", "method",
    "predicted", "p", "top", "loudest", "guess", *COMPONENTS,
)  # fmt: skip
SEPARATION_KEYS = (
    "test_set", "version", "song", "snippet", "label", "separation", "source", "si_sdr", "improvement", "residual_db",
)  # fmt: skip
ACCURACY_KEYS = ("kind", "run", "origin", "version", "test_set", "accuracy")


def read_units(units: Sequence[Unit], out: Path) -> tuple[list[Row], list[Row]]:
    """Return all explanations and all separations."""
    held = [json.loads(unit.file(out).read_text(encoding="utf-8")) for unit in units]
    return [row for one in held for row in one["explanations"]], [row for one in held for row in one["separations"]]


def read_accuracies(job: Job) -> list[Row]:
    """Return a row for each network and test set; everything was measured before."""
    rows = []
    for model in job.setting.models:
        if model.origin != "untrained":
            for name, figure in accuracies(model, (), job.setting, job.out).items():
                test_set, version = name.split()
                rows.append({"kind": model.kind, "run": model.run, "origin": model.origin, "version": version,
                             "test_set": test_set, "accuracy": figure})  # fmt: skip
    return rows


def write_csv(rows: Iterable[Row], keys: Sequence[str], file: Path) -> None:
    """Write rows as CSV, compressed where the name says so."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(keys)
    table.writerows([_cell(row.get(key)) for key in keys] for row in rows)
    data = text.getvalue().encode()
    file.write_bytes(gzip.compress(data, mtime=0) if file.suffix == ".gz" else data)


def _cell(value: Any) -> Any:
    return f"{value:.5g}" if isinstance(value, float) else value


def where(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    """Return the rows in which every key has the value that is wanted."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def groups(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """Return rows together that have the same key, in the order in which they come."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def is_confounded(row: Row) -> bool:
    """Whether the confounder made it a mistake: a piano with what went with the guitar in training, taken for a guitar."""
    return bool(row["test_set"].endswith("-pno") and row["label"] == "piano" and row["predicted"] == "guitar")
