"""Figures of an insight over features, for print: summary, bee-swarms, waterfalls, heat maps and dependence plots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hearwhy.insight.features import N_SHOWN, Array, Features
from hearwhy.insight.views import View
from hearwhy.report.insight_drawing import COLOURS, INK, OTHER, blank, legend, plain, save, short
from hearwhy.report.insight_feature_words import usual
from hearwhy.report.insight_features import CLASS_COLOURS, HIGH, LOW, Z95, fall_of, palette, place_of, swarm, typical
from hearwhy.report.insight_words import title
from hearwhy.report.summary import UNITS
from hearwhy.report.waterfall import Waterfall
from hearwhy.report.words import signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "features"
N_PANELS = 12  # classes that a figure of one panel a class shows
N_SWARM = 12  # features of a bee-swarm
N_FALLS = 4
N_DEPENDENCES = 6
MAX_ROWS = 40
FOR, AGAINST = COLOURS[:2]


def write_feature_figures(features: Features, folder: Path) -> None:
    """Write ``summary``, ``beeswarm``, ``waterfall``, ``heat`` and ``dependence`` into ``features/``, as PNG and as PDF."""
    (folder / FOLDER).mkdir(exist_ok=True)
    for draw in (summary, beeswarm, waterfall, heat, dependence):
        figure = draw(features)
        for suffix in ("png", "pdf"):
            save(figure, folder / FOLDER / f"{draw.__name__}.{suffix}")
            figure.set_layout_engine("none")  # it is laid out now, and that takes longest


def summary(features: Features) -> Figure:
    """Return the summary plot: the features that count most, a bar each of mean |value|, in pieces by class.

    Thin lines: 95 % intervals of the whole bar from resampling recordings; thick ones: what of it comes of sampling masks.
    """
    shown, colour, total = features.ranked[:N_SHOWN], palette(features), features.total
    figure = blank(7.2, 1.3 + 0.24 * len(shown))
    drawn: Any = figure.subplots()
    rows, left = np.arange(len(shown), dtype=float)[::-1], np.zeros(len(shown))
    for target, part in zip(features.targets, features.parts, strict=True):
        told = short(target) if target in colour else None
        drawn.barh(rows, part[shown], left=left, height=0.72, color=_class(colour, target), label=told)
        left += part[shown]
    if len(colour) < len(features.targets):
        drawn.barh([0], [0], color=OTHER, label=f"{len(features.targets) - len(colour)} others")
    _interval(drawn, total.mean[shown], rows, Z95 * total.sampling[shown], lw=3.5, alpha=0.35)
    drawn.errorbar(
        total.mean[shown], rows, xerr=_ends(total.mean, total.low, total.high)[:, shown], fmt="none", color=INK, lw=0.9
    )
    drawn.set_yticks(rows, [short(features.names[i]) for i in shown], parse_math=False)
    drawn.set_ylim(-0.7, len(shown) - 0.3)
    drawn.set_xlabel(f"mean |SHAP value|, summed over the classes ({UNITS[features.insight.scale]})", fontsize=8)
    legend(drawn, place="lower right")
    plain(drawn, title(features.insight))
    return figure


def beeswarm(features: Features) -> Figure:
    """Return a bee-swarm for each class: a dot a snippet, coloured by the feature's own value; the mark is the mean."""
    targets = features.targets[:N_PANELS]
    across = min(3, len(targets))
    down = -(-len(targets) // across)
    figure = blank(1.2 + 3.3 * across, 0.7 + (0.75 + 0.16 * N_SWARM) * down)
    panels = figure.subplots(down, across, squeeze=False).flatten()
    for drawn, target in zip(panels, targets, strict=False):
        one = features.classes[target]
        shown = [int(i) for i in np.argsort(-one.size.mean, kind="stable")[:N_SWARM]]
        values, rows = one.view.values[:, shown], -np.arange(len(shown), dtype=float)
        off = np.stack([swarm(column) for column in values.T], axis=1)
        tints = np.stack([_tint(one.view.own[:, i]) for i in shown], axis=1)
        drawn.scatter(values, rows + 0.36 * off, c=tints.reshape(-1, 4), s=4, linewidths=0, alpha=0.85)
        ends = _ends(one.sign.mean, one.sign.low, one.sign.high)[:, shown]
        drawn.errorbar(one.sign.mean[shown], rows, xerr=ends, fmt="|", color=INK, lw=0.9, ms=5)
        drawn.axvline(0, color=OTHER, lw=0.6)
        drawn.set_yticks(rows, [short(features.names[i]) for i in shown], parse_math=False)
        plain(drawn, short(target))
    for drawn in panels[len(targets) :]:
        drawn.set_axis_off()
    figure.supxlabel(f"SHAP value ({UNITS[features.insight.scale]})", fontsize=8)
    _values_bar(figure, panels.tolist())
    return figure


def waterfall(features: Features) -> Figure:
    """Return how features lead from the score of what is usual to that of a snippet, of some typical snippets."""
    shown = typical(features)[:N_FALLS]
    across = min(2, len(shown))
    down = -(-len(shown) // across)
    figure = blank(0.6 + 3.7 * across, 0.5 + 3.0 * down)
    panels = figure.subplots(down, across, squeeze=False).flatten()
    for drawn, (target, row) in zip(panels, shown, strict=False):
        _draw_fall(drawn, fall_of(features, target, row))
        plain(drawn, f"{short(target)} in {short(features.classes[target].view.snippets[row].item)}")
    for drawn in panels[len(shown) :]:
        drawn.set_axis_off()
    figure.supxlabel(f"from {usual(features.insight)} to the snippet ({UNITS[features.insight.scale]})", fontsize=8)
    return figure


def _draw_fall(drawn: Any, fall: Waterfall) -> None:
    rows = range(len(fall.steps))
    for row, step in enumerate(fall.steps):
        drawn.barh(-row, step.value, left=step.start, height=0.66, color=FOR if step.value > 0 else AGAINST)
        drawn.errorbar(step.stop, -row, xerr=step.error, fmt="none", color=INK, lw=0.8, capsize=1.5)
        drawn.annotate(signed(step.value), (1, -row), xycoords=("axes fraction", "data"), fontsize=6, va="center")
        drawn.plot([step.stop] * 2, [-row - 0.33, -row - 1.33], color=OTHER, lw=0.6)
    drawn.plot([fall.base] * 2, [0.33, 0.9], color=OTHER, lw=0.6)
    drawn.use_sticky_edges = False  # the first bar would begin at the edge
    drawn.margins(x=0.05)
    drawn.set_yticks([-row for row in rows], [step.name for step in fall.steps], parse_math=False)
    told = f"{signed(fall.base)} to {signed(fall.score)}"
    drawn.set_xlabel(told, fontsize=7)


def heat(features: Features) -> Figure:
    """Return heat maps of features and classes: mean |value|, and mean value; a dot where its 95 % interval holds no 0."""
    shown, targets = features.ranked[:MAX_ROWS], features.targets[:MAX_ROWS]
    sizes, signs = (
        np.stack([getattr(features.classes[t], name).mean for t in targets])[:, shown].T for name in ("size", "sign")
    )
    figure = blank(2.4 + 0.6 * len(targets), 1.5 + 0.2 * len(shown))
    panels = figure.subplots(1, 2, sharey=True)
    from matplotlib.colors import LinearSegmentedColormap

    strong = LinearSegmentedColormap.from_list("size", ["white", "#2c6e63", INK])
    sided = LinearSegmentedColormap.from_list("contra-for", [AGAINST, "white", FOR])
    full = float(np.abs(signs).max()) or 1.0
    for drawn, cells, colours, low, told in (
        (panels[0], sizes, strong, 0.0, "mean |SHAP value|"), (panels[1], signs, sided, -full, "mean SHAP value"),
    ):  # fmt: skip
        image = drawn.imshow(cells, cmap=colours, vmin=low, vmax=float(sizes.max()) or 1.0 if low == 0 else full, aspect="auto")
        drawn.set_xticks(range(len(targets)), [short(t) for t in targets], rotation=60, ha="right", parse_math=False)
        bar = figure.colorbar(image, ax=drawn, pad=0.02, aspect=40)
        bar.ax.tick_params(labelsize=7)
        bar.outline.set_visible(False)
        plain(drawn, f"{told} ({UNITS[features.insight.scale]})")
    panels[0].set_yticks(range(len(shown)), [short(features.names[i]) for i in shown], parse_math=False)
    for column, target in enumerate(targets):
        sign = features.classes[target].sign
        sure = np.flatnonzero((sign.low[shown] > 0) | (sign.high[shown] < 0))
        panels[1].scatter(np.full(len(sure), column), sure, s=3, color=INK, linewidths=0)
    return figure


def dependence(features: Features) -> Figure:
    """Return how much a feature counts against its own value, for the strongest, each for the class it counts most for.

    Coloured by the feature that goes with it most, where one does so more than by chance; else by the predicted label. Bars:
    95 % intervals of the sampling error.
    """
    shown = features.ranked[:N_DEPENDENCES]
    across = min(3, len(shown))
    down = -(-len(shown) // across)
    figure = blank(0.6 + 3.2 * across, 0.4 + 2.6 * down)
    panels = figure.subplots(down, across, squeeze=False).flatten()
    for drawn, i in zip(panels, shown, strict=False):
        target = features.targets[int(features.parts[:, i].argmax())]
        view = features.classes[target].view
        _interval(drawn, view.own[:, i], view.values[:, i], Z95 * view.stderr[:, i], upright=True, lw=0.6, alpha=0.4)
        mate = features.partner(target, i)
        if mate is not None and mate.stands_out:
            drawn.scatter(view.own[:, i], view.values[:, i], c=_tint(view.own[:, mate.feature]), s=9, linewidths=0, zorder=3)
            told = f"colour: {short(features.names[mate.feature])}, low to high"
        else:
            _by_label(drawn, view, target, i)
            told = f"blue: taken for {short(target)}"
        drawn.axhline(0, color=OTHER, lw=0.6)
        drawn.set_xlabel(f"{short(features.names[i])}; {told}", fontsize=7, parse_math=False)
        drawn.set_ylabel(f"SHAP value ({UNITS[features.insight.scale]})", fontsize=7)
        plain(drawn, f"{short(features.names[i])} for {short(target)}")
    for drawn in panels[len(shown) :]:
        drawn.set_axis_off()
    return figure


def _by_label(drawn: Any, view: View, target: str, i: int) -> None:
    said = np.array([label == target for label in view.predictions])
    for rows, colour in ((~said, OTHER), (said, FOR)):
        drawn.scatter(view.own[rows, i], view.values[rows, i], color=colour, s=9, linewidths=0, zorder=3)


def _class(colour: dict[str, int], target: str) -> str:
    return CLASS_COLOURS[colour[target]] if target in colour else OTHER


def _ends(mean: Array, low: Array, high: Array) -> Array:
    """How far an interval reaches to either side, as matplotlib wants it; nothing where it is not known."""
    return np.nan_to_num(np.stack([mean - low, high - mean])).clip(0)


def _interval(drawn: Any, x: Array, y: Array, margin: Array, *, upright: bool = False, **style: Any) -> None:
    if (margin > 0).any():
        drawn.errorbar(x, y, **{"yerr" if upright else "xerr": margin}, fmt="none", color=INK, **style)


def _colours() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("low-high", [LOW, HIGH])


def _tint(own: Array) -> Any:
    return _colours()(place_of(own))


def _values_bar(figure: Figure, panels: list[Any]) -> None:
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(cmap=_colours()), ax=panels, pad=0.01, aspect=30, shrink=0.4)
    bar.set_ticks([0, 1], labels=["low", "high"])
    bar.set_label("the feature's own value", fontsize=8)
    bar.ax.tick_params(labelsize=7, length=0)
    bar.outline.set_visible(False)
