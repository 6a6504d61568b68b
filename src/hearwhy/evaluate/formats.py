"""Tables as text: Markdown and LaTeX as one reads them, CSV and Parquet with every number in a row of its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from hearwhy.classifiers.extras import need
from hearwhy.metrics import METRICS

Rows = Sequence[dict[str, Any]]
HEADS = {
    "ff": "FF",
    "ai": "AI",
    "ad": "AD",
    "ag": "AG",
    "fid_in": "Fid-In",
    "sps": "SPS",
    "comp": "COMP",
    "accuracy": "Accuracy",
}
TITLES = {
    "means": "Means over recordings (95 % interval from resampling sources)",
    "differences": "Mask less its control of equal area (* p < 0.05 after Holm's correction)",
    "best": "The best mask of each method",
    "accuracy": "Accuracy in per cent",
}
STUBS = {
    "means": ("mask",),
    "differences": ("mask", "control"),
    "best": ("method", "mask", "chosen_on", "rule"),
    "accuracy": ("model", "condition"),
}
OVER = {
    "means": ("model", "condition", "protocol", "method", "fold"),
    "differences": ("model", "condition", "protocol", "method", "fold"),
    "best": ("model", "condition", "protocol", "fold"),
    "accuracy": ("fold",),
}
TOLD = ("seed", "components", "background", "scale", "fingerprint")  # said only where it tells tables apart


def markdown(rows: Rows) -> str:
    """Return the tables in Markdown, the best of each column in bold, arrows saying which way is better."""
    blocks = []
    for title, head, body in _wide(rows, "**{}**", "↑", "↓"):
        lines = [" | ".join(cells) for cells in (head, ["---"] * len(head), *body)]
        blocks.append("\n".join([f"### {title}", "", *(f"| {line} |" for line in lines)]))
    return "\n\n".join(blocks) + "\n"


def latex(rows: Rows) -> str:
    """Return the tables in LaTeX, for the package booktabs."""
    blocks = []
    for title, head, body in _wide(rows, r"\textbf{{{}}}", r"$\uparrow$", r"$\downarrow$", _escaped):
        lines = [" & ".join(cells) + r" \\" for cells in body]
        n_stubs = sum(cell[0].islower() for cell in head)
        columns = "l" * n_stubs + "r" * (len(head) - n_stubs)
        blocks.append("\n".join([
            r"\begin{table}", rf"\caption{{{_escaped(title)}}}", rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule", " & ".join(head) + r" \\", r"\midrule", *lines, r"\bottomrule", r"\end{tabular}", r"\end{table}",
        ]))  # fmt: skip
    return "\n\n".join(blocks) + "\n"


def comma_separated(rows: Rows) -> str:
    """Return the rows as CSV, one number each."""
    file = io.StringIO()
    table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return file.getvalue()


def write_parquet(rows: Rows, path: Path) -> None:
    """Write the rows as Parquet, one number each.

    Raises
    ------
    ImportError
        pyarrow is not installed.
    """
    arrow = need("pyarrow", extra="parquet", what="A Parquet file")
    need("pyarrow.parquet", extra="parquet", what="A Parquet file").write_table(arrow.Table.from_pylist(list(rows)), path)


FORMATS: dict[str, Callable[[Rows], str] | None] = {"md": markdown, "csv": comma_separated, "latex": latex, "parquet": None}
"""Every format; None: it is written to a file only."""


def _wide(
    rows: Rows, bold: str, up: str, down: str, escape: Callable[[str], str] = str
) -> Iterable[tuple[str, list[str], list[list[str]]]]:
    """Title, head and body of every table: a column a metric, a row a mask."""
    differing = _differing(rows)
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        extra = differing if row["table"] in ("means", "differences") else []
        over = [name for name in (*OVER[row["table"]], *extra) if row[name] is not None]
        found.setdefault((row["table"], *(f"{name} {row[name]}" for name in over)), []).append(row)
    for (table, *over), some in found.items():
        metrics = list(dict.fromkeys(row["metric"] for row in some))
        arrows = [up if name not in METRICS or METRICS[name].higher_is_better else down for name in metrics]
        head = [
            *STUBS[table],
            *(f"{escape(HEADS.get(name, name))} {arrow}" for name, arrow in zip(metrics, arrows, strict=True)),
        ]
        yield ", ".join([TITLES[table], *over]), head, _body(table, some, metrics, bold, escape)


def _differing(rows: Rows) -> list[str]:
    """Return what else tells apart tables that are called alike."""
    seen: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in (row for row in rows if row["table"] == "means"):
        seen.setdefault(tuple(row[name] for name in OVER["means"]), []).append(row)
    return [name for name in TOLD if any(len({row[name] for row in some}) > 1 for some in seen.values())]


def _body(table: str, rows: Rows, metrics: list[str], bold: str, escape: Callable[[str], str]) -> list[list[str]]:
    lines: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
    for row in rows:
        lines.setdefault(tuple(_stub(row, name) for name in STUBS[table]), {})[row["metric"]] = row
    best = {name: _best_value(rows, name) for name in metrics} if table in ("means", "best") else {}
    body = []
    for stub, held in lines.items():
        cells = [escape(text) for text in stub]
        for name in metrics:
            if name not in held:
                cells.append("")
                continue
            text, row = _cell(held[name]), held[name]
            candidate = not row["control"] and name in best and row["value"] == best[name]
            cells.append(bold.format(text) if candidate else text)
        body.append(cells)
    return body


def _stub(row: dict[str, Any], name: str) -> str:
    if name == "mask" and row["table"] == "means" and row["control"]:
        return f"{row['control']}({row['mask']})" if row["mask"] else str(row["control"])
    return str(row[name])


def _best_value(rows: Rows, metric: str) -> float | None:
    values = [row["value"] for row in rows if row["metric"] == metric and not row["control"]]
    if not values:
        return None
    return max(values) if METRICS[metric].higher_is_better else min(values)


def _cell(row: dict[str, Any]) -> str:
    star = "*" if row["p_holm"] is not None and row["p_holm"] < 0.05 else ""
    coarse = row["metric"] not in METRICS or METRICS[row["metric"]].unit in ("%", "dB")
    value, *ends = (None if row[k] is None else f"{row[k]:.{1 if coarse else 3}f}" for k in ("value", "low", "high"))
    sign = "+" if row["table"] == "differences" and row["value"] > 0 else ""
    return f"{sign}{value}{star}" if None in ends else f"{sign}{value}{star} ({' to '.join(map(str, ends))})"


def _escaped(text: str) -> str:
    for sign in "&%_#":
        text = text.replace(sign, f"\\{sign}")
    return text
