"""Drawing: what all figures of an insight have in common."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0b67b0", "#d55e00", "#1c8a5f", "#a3407f", "#8a6d00", "#3a3fb5", "#177f95")  # as on the page
OTHER, INK = "#8b9197", "#1b2126"
MAX_NAME = 28  # letters


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the suffix says as what. The same figure gives the same bytes."""
    with warnings.catch_warnings():  # a name in a script that the font lacks is drawn as boxes, not a reason to fail
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(path, metadata={"CreationDate": None} if path.suffix == ".pdf" else None)


def short(name: str) -> str:
    """Return a name that leaves room for the picture."""
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def blank(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches, at most 16 x 14."""
    from matplotlib.figure import Figure

    return Figure(figsize=(min(width, 16), min(height, 14)), dpi=160, layout="constrained", facecolor="white")


def legend(drawn: Any, *, place: str = "best") -> None:
    """Draw the legend of axes; names are text and no formulas."""
    drawn.legend(fontsize=7, frameon=False, loc=place)
    for text in drawn.get_legend().get_texts():
        text.set_parse_math(False)
    for handle in drawn.get_legend().legend_handles:
        handle.set_alpha(1)


def plain(drawn: Any, told: str) -> None:
    """Leave of axes what is read, and give them a title."""
    for side in ("top", "right"):
        drawn.spines[side].set_visible(False)
    drawn.tick_params(labelsize=7)
    drawn.set_title(told, fontsize=8, loc="left", parse_math=False)
