"""Reporting: rows as CSV, tables and figures of what was found."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

from curve import errors
from figures import error_curve, learning_curves, lime_vs_shap
from tables import all_tables
from trained import Place, curves
from working import Rows, Unit, read_all

FILES = {
    "scores": "scores.csv", "references": "references.csv", "anchors": "anchors.csv", "beside": "lime_beside_shap.csv.gz",
    "fills": "fills.csv", "costs": "costs.csv",
}  # fmt: skip


def write_all(place: Place, units: Sequence[Unit], out: Path) -> None:
    """Write rows, tables and figures of the units that are done."""
    found = read_all(units, place.out)
    for kind, name in FILES.items():
        if kind in found:
            write_csv(found[kind], out / name)
    missed = errors(found.get("references", []), found.get("estimates", []))
    told = curves(place)
    if missed:
        write_csv(missed, out / "errors.csv.gz")
        error_curve(missed, out / "error_curve.png")
    if "beside" in found:
        lime_vs_shap(found["beside"], out / "lime_vs_shap.png")
    learning_curves(told, out / "learning_curve.png")
    (out / "tables.md").write_text(all_tables(found, told, missed), encoding="utf-8")


def write_csv(rows: Rows, file: Path) -> None:
    """Write rows as CSV, compressed where the name says so; lists as numbers with spaces between."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(rows[0])
    table.writerows([_cell(value) for value in row.values()] for row in rows)
    data = text.getvalue().encode()
    file.write_bytes(gzip.compress(data, mtime=0) if file.suffix == ".gz" else data)


def _cell(value: object) -> object:
    if isinstance(value, list):
        return " ".join(f"{number:.4g}" for number in value)
    return f"{value:.4g}" if isinstance(value, float) else value
