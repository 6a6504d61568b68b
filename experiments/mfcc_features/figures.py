"""Figures: the error curve, the learning curves, LIME beside SHAP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from counting import Spread, counted, local_agreement, mean_sizes, where
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from setting import OURS, SCALES, SHAP
from trained import NETWORKS
from working import Rows

from hearwhy.training.learning_curve import draw_learning_curve

INK = "#1b2126"
LOOKS = {
    "kernel_shap": ("#0072b2", "o", "-"), "regression_adjusted": ("#009e73", "s", "-"), "permutation": ("#56b4e9", "^", "-"),
    "shap": ("#d55e00", "X", "--"), "shap, no l1": ("#e69f00", "D", "--"), "lime": ("#d55e00", "X", "--"),
    "lime (paper)": ("#e69f00", "D", "--"),
}  # fmt: skip
"""Okabe and Ito's colours with a marker each, told apart by every kind of colour vision and in grey."""
SPOKEN = {"shap": "shap.KernelExplainer (default)", "shap, no l1": "shap.KernelExplainer (l1_reg=False)"}
UNITS = {"probability": "probabilities", "log_odds": "log-odds"}
N_SHOWN = 20  # features, as in the tutorial's summary plot


def error_curve(errors: Rows, file: Path) -> None:
    """Draw the median error by masks, with bars from the tenth to the ninetieth percentile over clips, classes and seeds."""
    figure = _figure(10.4, 4.8)
    known = counted(errors)
    panels = figure.subplots(1, 2, sharey=True)
    for axis, scale in zip(panels, SCALES, strict=True):
        for i, method in enumerate((*OURS, *SHAP)):
            _line(axis, where(known, scale=scale, method=method), method, 1.06 ** (i - 2))
        axis.axhline(1, color=INK, linewidth=0.8, linestyle=":")
        axis.set(xscale="log", yscale="log", xlabel="masks asked of the model", title=f"explained on {UNITS[scale]}")
        budgets = sorted({row["masks"] for row in errors})
        axis.set_xticks(budgets, [str(n) for n in budgets])
        axis.minorticks_off()
        _bare(axis)
    ticks = [0.01, 0.03, 0.1, 0.3, 1, 3]
    panels[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panels[0].set_ylabel("relative L2 error of 40 Shapley values")
    panels[0].annotate("answering zero", (0.98, 1), xycoords=("axes fraction", "data"), fontsize=8, ha="right", va="bottom")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.savefig(file)


def _line(axis: Axes, rows: Rows, method: str, aside: float) -> None:
    budgets = sorted({row["masks"] for row in rows})
    if not budgets:
        return
    found = [Spread.of(row["error"] for row in where(rows, masks=n)) for n in budgets]
    _bars(axis, [n * aside for n in budgets], found, method, SPOKEN.get(method, f"hearwhy {method}"))


def _bars(axis: Axes, x: list[float], found: list[Spread], looks: str, label: str) -> None:
    colour, marker, style = LOOKS[looks]
    median = [spread.median for spread in found]
    reach = [[s.median - s.low for s in found], [s.high - s.median for s in found]]
    axis.errorbar(x, median, yerr=reach, color=colour, marker=marker, linestyle=style, markersize=6, elinewidth=1, capsize=2.5,
                  label=label)  # fmt: skip


def learning_curves(curves: dict[str, dict[str, Any]], file: Path) -> None:
    """Draw the learning curves of all networks beside each other."""
    figure = _figure(11, 4.8)
    axes = figure.subplots(2, len(curves), sharey="row", sharex="col", height_ratios=[3, 2])
    for i, (name, about) in enumerate(curves.items()):
        curve = [(row["train_loss"], row["validation_accuracy"], row["validation_loss"]) for row in about["curve"]]
        held_out = "test" if name == "paper" else "validation"
        draw_learning_curve((axes[0, i], axes[1, i]), curve, kept=about["epoch"], held_out=held_out)
        axes[0, i].set_title(NETWORKS[name], fontsize=10)
        axes[0, i].legend(frameon=False, fontsize=8)
    axes[0, 0].set_ylabel("cross-entropy (nats)")
    axes[1, 0].set_ylabel("clips right (%)")
    figure.savefig(file)


def lime_vs_shap(rows: Rows, file: Path) -> None:
    """Draw the global ranking by both, on probabilities, and how rankings of one clip agree, on both scales."""
    figure = _figure(11, 6.2)
    ranking, agreement = figure.subplots(1, 2, width_ratios=[1, 1.15])
    most = max(row["masks"] for row in rows)
    _ranking(ranking, where(rows, scale="probability", masks=most), most)
    _agreement(agreement, rows)
    figure.savefig(file)


def _ranking(axis: Axes, rows: Rows, masks: int) -> None:
    """Mean sizes of the features that SHAP ranks first, with the standard error over clips."""
    means = mean_sizes(rows)
    size = {m: np.mean([v for (name, _), v in means.items() if name == m], axis=0) for m in ("shap", "lime")}
    order = np.argsort(-size["shap"])[:N_SHOWN]
    for method, aside in (("shap", -0.14), ("lime", 0.14)):
        some = where(rows, method=method)
        clips = sorted({row["clip"] for row in some})
        by_clip = np.array([np.mean([row["global"] for row in where(some, clip=clip)], axis=0) for clip in clips])
        spread = by_clip.std(axis=0, ddof=1) / len(clips) ** 0.5
        colour, marker, _ = LOOKS["kernel_shap" if method == "shap" else "lime"]
        axis.errorbar(size[method][order], np.arange(len(order)) + aside, xerr=spread[order], color=colour, marker=marker,
                      linestyle="", markersize=5, elinewidth=1, label=f"{method.upper()}, {masks} masks")  # fmt: skip
    axis.set_yticks(np.arange(len(order)), [f"MFCC {i}" for i in order], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlim(left=0)
    axis.set_xlabel("mean |value| over clips and classes (probability)")
    axis.set_title("which coefficients matter: all clips\n(bars: standard error over clips)", fontsize=10)
    axis.legend(frameon=False, fontsize=9, loc="lower right")
    _bare(axis)


def _agreement(axis: Axes, rows: Rows) -> None:
    """Rank correlation of one clip's values: between the two, and of each with itself."""
    pairs = {"SHAP, other masks": ("shap", "shap"), "LIME, other masks": ("lime", "lime"),
             "LIME as published,\nother masks": ("lime (paper)", "lime (paper)"), "LIME and SHAP": ("lime", "shap"),
             "LIME as published\nand SHAP": ("lime (paper)", "shap")}  # fmt: skip
    cases = [(scale, n) for scale in SCALES for n in sorted({row["masks"] for row in rows})]
    looks = ("lime (paper)", "shap", "permutation", "kernel_shap")
    for i, (scale, n) in enumerate(cases):
        found = [local_agreement(where(rows, scale=scale, masks=n), *pair)[0] for pair in pairs.values()]
        y = np.arange(len(pairs)) + (i - (len(cases) - 1) / 2) * 0.16
        colour, marker, _ = LOOKS[looks[i % len(looks)]]
        reach = [[s.median - s.low for s in found], [s.high - s.median for s in found]]
        axis.errorbar([s.median for s in found], y, xerr=reach, color=colour, marker=marker, linestyle="", markersize=5,
                      elinewidth=1, capsize=2, label=f"{UNITS[scale]}, {n} masks")  # fmt: skip
    axis.set_yticks(np.arange(len(pairs)), list(pairs), fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(right=1.01)
    axis.set_xlabel("rank correlation of 40 signed values (Spearman)")
    axis.set_title("do explanations of one clip agree?\n(median over clips; bars: 10 to 90 %)", fontsize=10)
    axis.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=2)
    _bare(axis)


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")


def _bare(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
