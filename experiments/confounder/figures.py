"""Figure 2: the confusion matrix, coloured by the most important part; figure 3: the same of untrained networks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from counting import entropy
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from rows import Row, groups, where
from setting import FIGURE_2, VERSIONS
from untrained import snippets_of_figure_3

COLOURS = {
    "bass": "#0072b2", "drums": "#d55e00", "guitar": "#009e73", "piano": "#f0e442", "strings": "#cc79a7",
    "residual": "#56b4e9", "none": "#555555", "tie": "#bbbbbb",
}  # fmt: skip
"""Okabe and Ito's colours, told apart by every kind of colour vision; everywhere the same for a part."""
SPOKEN = {"none": "nothing speaks for it", "tie": "a tie", "residual": "residual"}
LABELS = ("guitar", "piano")
TEST_SETS = ("t_dr-gtr", "t_dr-pno")


def confusion(rows: list[Row], file: Path) -> None:
    """Draw figure 2 for both versions of the mixes, with true stems and with Cerberus; run 0, published LIME."""
    figure = Figure(figsize=(9.6, 10.4), dpi=110, layout="constrained", facecolor="white")
    axes = figure.subplots(len(VERSIONS) * len(FIGURE_2), len(TEST_SETS), squeeze=False)
    mine = where(rows, kind="confounded", run=0, origin="trained", method="lime")
    shown: set[str] = set()
    for i, (version, how) in enumerate((version, how) for version in VERSIONS for how in FIGURE_2):
        for axis, test_set in zip(axes[i], TEST_SETS, strict=True):
            some = [r for r in where(mine, version=version, separation=how, test_set=test_set) if r["rest"] != "drop"]
            shown |= {row["top"] for row in some}
            _matrix(axis, some)
            axis.set_title(f"{test_set}, {version}, {'true stems' if how == 'oracle' else 'Cerberus + residual'}", fontsize=10)
    _legend(figure, shown)
    figure.savefig(file)


def _matrix(axis: Any, rows: list[Row]) -> None:
    """Four cells, each with a bar as long as its snippets are many, cut by the most important part."""
    cells = groups(rows, lambda row: (row["label"], row["predicted"]))
    most = max(map(len, cells.values()), default=1)
    for y, label in enumerate(reversed(LABELS)):
        for x, predicted in enumerate(LABELS):
            some = cells.get((label, predicted), [])
            axis.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor="#1b2126", linewidth=0.8))
            axis.text(x + 0.05, y + 0.8, f"{len(some)} snippets", fontsize=9, va="center")
            _bar(axis, (x + 0.05, y + 0.18), 0.9 / most, 0.42, Counter(row["top"] for row in some))
    axis.set_xlim(-0.01, 2.01)
    axis.set_ylim(-0.01, 2.01)
    axis.set_xticks([0.5, 1.5], [f"says {label}" for label in LABELS])
    axis.set_yticks([0.5, 1.5], [f"is {label}" for label in reversed(LABELS)], rotation=90, va="center")
    axis.tick_params(length=0, labelsize=9)
    for side in axis.spines.values():
        side.set_visible(False)


def _bar(axis: Any, at: tuple[float, float], unit: float, height: float, counts: Counter[str]) -> None:
    x, y = at
    for name in COLOURS:
        width = counts[name] * unit
        if width:
            axis.add_patch(Rectangle((x, y), width, height, facecolor=COLOURS[name], edgecolor="white", linewidth=0.4))
            if width > 0.09:
                ink = "white" if name in ("bass", "none", "drums", "guitar") else "#1b2126"
                axis.text(x + width / 2, y + height / 2, counts[name], ha="center", va="center", fontsize=8, color=ink)
        x += width


def _legend(figure: Figure, shown: set[str]) -> None:
    handles = [Patch(facecolor=COLOURS[name], label=SPOKEN.get(name, name)) for name in COLOURS if name in shown]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles) or 1, fontsize=9, frameon=False,
                  title="most important for what the network says", title_fontsize=9)  # fmt: skip


def untrained_networks(rows: list[Row], file: Path) -> None:
    """Draw figure 3: a bar for every untrained network and every confounded one, on the same snippets."""
    figure = Figure(figsize=(9.6, 5.2), dpi=110, layout="constrained", facecolor="white")
    shown: set[str] = set()
    for axis, version in zip(figure.subplots(1, len(VERSIONS)), VERSIONS, strict=True):
        sides = zip(("untrained", "confounded"), snippets_of_figure_3(rows, version), strict=True)
        bars = [(f"{name} {run}", some) for name, side in sides for run, some in groups(side, lambda row: row["run"]).items()]
        most = max((len(some) for _, some in bars), default=1)
        for y, (_, some) in enumerate(bars):
            tops = [row["top"] for row in some]
            shown |= set(tops)
            _bar(axis, (0, y - 0.38), 1 / most, 0.76, Counter(tops))
            axis.text(1.02, y, f"{entropy(tops):.2f}", fontsize=8, va="center")
        axis.text(1.02, -0.95, "nats", fontsize=8, va="center")
        axis.set_yticks(range(len(bars)), [name for name, _ in bars], fontsize=8)
        axis.set_xticks([0, 1], ["0", f"{most} snippets"], fontsize=8)
        axis.set_xlim(0, 1.14)
        axis.set_ylim(len(bars) - 0.5, -1.3)
        axis.set_title(f"{version}, true stems", fontsize=10)
        for side in ("top", "right", "bottom", "left"):
            axis.spines[side].set_visible(False)
        axis.tick_params(length=0)
    _legend(figure, shown)
    figure.savefig(file)
