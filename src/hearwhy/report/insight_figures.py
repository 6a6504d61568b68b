"""Figures of an insight for print: parallel coordinates, faithfulness and profiles, as in audioLIME's figure 4."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hearwhy.insight.views import PREDICTED
from hearwhy.report.insight import axes
from hearwhy.report.insight_drawing import COLOURS, INK, OTHER, blank, legend, plain, save, short
from hearwhy.report.insight_feature_figures import write_feature_figures
from hearwhy.report.insight_feature_words import mixes
from hearwhy.report.insight_words import Findings, title
from hearwhy.report.summary import UNITS
from hearwhy.report.words import signed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_SONGS = 7  # recordings that get a colour and a line of the legend; more share one
MAX_ROWS = 40


def write_figures(found: Findings, folder: Path) -> None:
    """Write ``figure_4a.png``, ``figure_4b.png`` and ``profiles.png``; of features a folder instead of the last."""
    figures = {"figure_4a": coordinates(found), "figure_4b": faithful(found)}
    if found.features is None:
        figures["profiles"] = profile_map(found)
    else:
        write_feature_figures(found.features, folder)
    for name, figure in figures.items():
        save(figure, folder / f"{name}.png")


def coordinates(found: Findings) -> Figure:
    """Return parallel coordinates: one axis a component, one line a snippet, coloured by the predicted label."""
    view, shown = found.view, axes(found)
    figure = blank(max(5.0, 1.2 + 0.9 * len(shown)), 3.6)
    drawn: Any = figure.subplots()
    order = np.random.default_rng(0).permutation(len(view))  # so that no label lies on top only because it comes last
    colour = _colours(view.predictions)
    for row in order:
        drawn.plot(range(len(shown)), view.values[row, shown], color=colour.get(view.predictions[row], OTHER), lw=0.6,
                   alpha=max(0.08, min(0.8, 60 / len(view))), marker=".", ms=1.5)  # fmt: skip
    for name, code in colour.items():
        drawn.plot([], [], color=code, label=short(name))
    drawn.axhline(0, color=INK, lw=0.8)
    for place in range(len(shown)):
        drawn.axvline(place, color=INK, lw=0.5, alpha=0.5)
    many = len(shown) > 8
    names = [short(view.names[i]) for i in shown]
    drawn.set_xticks(range(len(shown)), names, rotation=60 * many, ha="right" if many else "center", parse_math=False)
    what = "the predicted label" if view.name == PREDICTED else view.name
    drawn.set_ylabel(f"adds to {what} ({UNITS[found.insight.scale]})", fontsize=8, parse_math=False)
    legend(drawn)
    plain(drawn, title(found.insight))
    return figure


def faithful(found: Findings) -> Figure:
    """Return the model's score against the explanation's, coloured by recording, with the correlation of each.

    Of methods whose values add up to the score by construction the points are fresh masks, of others the snippets.
    """
    view, figure = found.view, blank(4.6, 4.2)
    drawn: Any = figure.subplots()
    colour = _colours(view.groups, MAX_SONGS)
    r = {row.name: row.r_fresh if found.exact else row.r for row in found.faithful}
    sets: dict[str, list[tuple[float, float]]] = {}
    for group, explanation in zip(view.groups, view.explanations, strict=True):
        pairs = explanation.checks if found.exact else [(explanation.score, explanation.surrogate)]
        sets.setdefault(group if group in colour else "", []).extend(pairs)
    for name, pairs in sorted(sets.items(), key=lambda pair: pair[0] != ""):
        told = short(name) or ("all" if len(sets) == 1 else "the others")
        value = r.get(name) if name else None
        label = told if value is None else f"{told}: r = {value:.2f}"
        drawn.scatter(*np.array(pairs).T, s=5, alpha=0.6, color=colour.get(name, OTHER), label=label, linewidths=0)
    ends = [min(drawn.get_xlim()[0], drawn.get_ylim()[0]), max(drawn.get_xlim()[1], drawn.get_ylim()[1])]
    drawn.plot(ends, ends, color=INK, lw=0.8)
    drawn.set_xlabel(f"the model ({UNITS[found.insight.scale]})", fontsize=8)
    drawn.set_ylabel("the explanation", fontsize=8)
    legend(drawn)
    total = "" if r[""] is None else f", all: r = {r['']:.2f}"
    plain(drawn, f"{mixes(found.insight) if found.exact else 'snippets'}{total}")
    return figure


def profile_map(found: Findings) -> Figure:
    """Return a heat map of the mean value of each component for each label."""
    profiles, shown = found.profiles[:MAX_ROWS], axes(found)
    means = np.ma.masked_invalid(np.stack([profile.mean[shown] for profile in profiles]))
    full = float(np.abs(means).max()) or 1.0
    figure = blank(2.2 + 0.62 * len(shown), 1.4 + 0.34 * len(profiles))
    drawn: Any = figure.subplots()
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("contra-for", [COLOURS[1], "white", COLOURS[0]])
    drawn.set_facecolor("#e4e4e4")  # no snippet has it
    image = drawn.imshow(means, cmap=colours, vmin=-full, vmax=full, aspect="auto")
    drawn.set_xticks(
        range(len(shown)), [short(found.insight.names[i]) for i in shown], rotation=45, ha="right", parse_math=False
    )
    drawn.set_yticks(range(len(profiles)), [f"{short(p.target)} ({p.n})" for p in profiles], parse_math=False)
    for row, column in zip(*np.nonzero(~np.ma.getmaskarray(means)), strict=True) if means.size <= 200 else ():
        ink = "white" if abs(means[row, column]) > 0.6 * full else INK
        drawn.text(column, row, signed(means[row, column], 1), ha="center", va="center", fontsize=7, color=ink)
    bar = figure.colorbar(image, ax=drawn, pad=0.02)
    bar.set_label(UNITS[found.insight.scale], fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    plain(drawn, title(found.insight))
    return figure


def _colours(names: list[str], most: int = len(COLOURS)) -> dict[str, str]:
    """A colour for each of the most frequent names; none at all where the colours would not suffice by far."""
    ranked = sorted(set(names), key=lambda name: (-names.count(name), name))
    return dict(zip(ranked[:most], COLOURS, strict=False))
