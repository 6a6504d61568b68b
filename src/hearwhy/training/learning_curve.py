"""The learning curve of a training, epoch by epoch, as a table and as a picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = Sequence[tuple[float, float, float]]
"""For every epoch the mean loss in training (nats), the share of clips held out that are right, and their mean loss."""
BLUE, ORANGE, INK = "#0b67b0", "#d55e00", "#1b2126"  # told apart by every kind of colour vision, and in grey


def write_learning_curve(curve: Curve, out: Path, *, kept: int, held_out: str = "validation") -> tuple[Path, Path]:
    """Write the curve beside the weights `out`, as ``OUT.curve.csv`` and ``OUT.curve.png``, and return both paths.

    Parameters
    ----------
    curve
        As of `hearwhy.training.fitting.Best`.
    out
        The weights, a ``.safetensors`` file.
    kept
        The epoch whose weights were kept, from 1 on.
    held_out
        What decided on it: "validation", or "test" where that leaked.
    """
    table, picture = out.with_suffix(".curve.csv"), out.with_suffix(".curve.png")
    out.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("epoch", "train_loss", f"{held_out}_loss", f"{held_out}_accuracy_percent", "kept"))
        for epoch, (learned, accuracy, loss) in enumerate(curve, start=1):
            rows.writerow((epoch, f"{learned:.5g}", f"{loss:.5g}", f"{100 * accuracy:.5g}", int(epoch == kept)))
    learning_curve_figure(curve, kept=kept, held_out=held_out).savefig(picture)
    return table, picture


def learning_curve_figure(curve: Curve, *, kept: int, held_out: str = "validation") -> Figure:
    """Return a figure of the curve: losses above, accuracy below, a line at the epoch that was kept."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.6), dpi=130, layout="constrained", facecolor="white")
    loss, accuracy = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    draw_learning_curve((loss, accuracy), curve, kept=kept, held_out=held_out)
    loss.set_ylabel("cross-entropy (nats)")
    accuracy.set_ylabel(f"{held_out} accuracy (%)")
    loss.legend(frameon=False, fontsize=9)
    return figure


def draw_learning_curve(axes: tuple[Axes, Axes], curve: Curve, *, kept: int, held_out: str = "validation") -> None:
    """Draw the curve onto two axes, losses and accuracy; the labels of the y axes and the legend are the caller's."""
    loss, accuracy = axes
    epochs = range(1, len(curve) + 1)
    learned, right, missed = zip(*curve, strict=True)
    marker = "o" if len(curve) == 1 else None
    loss.plot(epochs, learned, color=BLUE, linestyle="--", marker=marker, label="training, with dropout")
    loss.plot(epochs, missed, color=ORANGE, marker=marker, label=held_out)
    accuracy.plot(epochs, [100 * share for share in right], color=ORANGE, marker=marker)
    loss.set_ylim(bottom=0)
    accuracy.set_ylim(0, 100)
    accuracy.set_xlabel("epoch")
    for axis in axes:
        axis.axvline(kept, color=INK, linewidth=1, linestyle=":")
        axis.spines[["top", "right"]].set_visible(False)
    side = "right" if kept > len(curve) / 2 else "left"  # of the text, which stays within the axes
    accuracy.annotate(f"kept: epoch {kept}, {100 * right[kept - 1]:.1f} %", (kept, 4), xytext=(-4 if side == "right" else 4, 0),
                      color=INK, fontsize=9, ha=side, textcoords="offset points")  # fmt: skip
