"""Plots: an attribution as a figure for print, and as a fragment for notebooks."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hearwhy.report import layers, spectrogram, values, words
from hearwhy.report.bars import axis
from hearwhy.report.case import Case, top
from hearwhy.report.fragment import MAX_BARS, fragment
from hearwhy.report.grid import Grid
from hearwhy.report.summary import UNITS, components, unit
from hearwhy.report.waterfall import Waterfall, label
from hearwhy.result import Attribution
from hearwhy.spectrum import Masked

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRENGTH = 0.8  # of the map over the spectrogram, which must still be seen
BLUE, ORANGE, INK = "#0b67b0", "#d55e00", "#1b2126"  # told apart by every kind of colour vision, and in grey
SCATTERED = 0.5  # edges for each bin that a mask keeps: patches of a few bins have more


def plot(attribution: Attribution, *, target: int = 0, path: str | Path | None = None) -> Figure:
    """Return a figure: signed values with 95 % intervals of the sampling error, above the log-mel spectrogram.

    Of vectors each name has the feature's value beside it, and the spectrogram is of what the model hears. Of a spectrogram
    the map over it, with a line around what its mask keeps (of a soft one, at one half). Drawn without pyplot, so that no
    global state changes and no window opens.

    Parameters
    ----------
    attribution
        What to draw.
    target
        Which target of it.
    path
        Where to write it as well; the suffix says as what (.png, .pdf, .svg).

    Returns
    -------
    matplotlib.figure.Figure
        With two axes, values and spectrogram; of a map with the spectrogram and its colour bar.
    """
    case = Case(attribution, target)
    figure = _components_figure(case) if attribution.spectrum is None else _map_figure(case)
    return _finished(figure, attribution, path)


def waterfall(attribution: Attribution, *, target: int = 0, path: str | Path | None = None) -> Figure:
    """Return a figure of the way from the score with everything switched off to that of the recording, a component a step.

    The strongest components come first, the others follow as one; each step begins where the last one ended, with its 95 %
    interval of the sampling error. What values of a method that does not promise it miss of the score is a step of its own.

    Parameters
    ----------
    attribution
        What to draw: signed values of parts, cells or features.
    target
        Which target of it.
    path
        Where to write it as well; the suffix says as what (.png, .pdf, .svg).

    Returns
    -------
    matplotlib.figure.Figure
        With one axis.

    Raises
    ------
    ValueError
        The values have no sign, or are those of a method that looks inside: they add up to no score.
    """
    from matplotlib.figure import Figure

    case = Case(attribution, target)
    found = Waterfall.of(case)
    figure = Figure(figsize=(7.2, 1.5 + 0.3 * len(found.steps)), dpi=160, layout="constrained", facecolor="white")
    _draw_steps(figure.subplots(), case, found)
    return _finished(figure, attribution, path)


def write_figures(attribution: Attribution, folder: Path) -> None:
    """Write ``plot.png`` of the first target, and of features ``waterfall.png`` where their values add up to a score."""
    plot(attribution, path=folder / "plot.png")
    if attribution.vector is not None and Case(attribution).signed:
        waterfall(attribution, path=folder / "waterfall.png")


def _finished(figure: Figure, attribution: Attribution, path: str | Path | None) -> Figure:
    """The figure with its title, written where it should be."""
    said = attribution.labels[top(attribution.probabilities)]
    p = words.probability(float(attribution.probabilities.max()))
    figure.suptitle(
        f"{attribution.recording.name}: {said}, {p}", fontsize=10, fontweight="bold", x=0.01, ha="left", parse_math=False
    )
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():  # a name in a script that the font lacks is drawn as boxes, not a reason to fail
            warnings.filterwarnings("ignore", message="Glyph")
            figure.savefig(path)
    return figure


def _draw_steps(axes: Axes, case: Case, found: Waterfall) -> None:
    """Draw the steps from the top down, each with its number, and a thin line from one to the next."""
    last = len(found.steps) - 1
    for place, step in enumerate(found.steps):
        axes.barh(place, step.value, left=step.start, color=BLUE if step.value > 0 else ORANGE, height=0.62)
        if step.error is not None:
            axes.errorbar(step.stop, place, xerr=step.error, color=INK, capsize=2.5, lw=1)
        axes.vlines(step.stop, place, place + (1 if place < last else 0.6), color=INK, lw=0.6)
    ends = found.axis
    axes.set_xlim(ends.low, ends.high)
    axes.set_ylim(last + 0.7, -0.7)
    axes.vlines(found.base, -0.7, 0, color=INK, lw=0.6)
    axes.set_yticks(range(last + 1), [step.name for step in found.steps], parse_math=False)
    numbers = axes.secondary_yaxis("right")
    numbers.set_yticks(range(last + 1), [words.signed(step.value) for step in found.steps])
    numbers.tick_params(length=0, labelsize=8)
    numbers.spines["right"].set_visible(False)
    base, score = (words.signed(end).lstrip("+") for end in (found.base, found.score))
    axes.set_title(f"{case.lacking_all}: {base}, this recording: {score}", fontsize=8, loc="left", parse_math=False)
    axes.set_xlabel(f"score for {case.aim} ({UNITS[case.setting('scale', 'log_odds')]})", fontsize=8, parse_math=False)
    _plain(axes)
    axes.tick_params(axis="y", length=0)


def _components_figure(case: Case) -> Figure:
    from matplotlib.figure import Figure

    rows = _rows(case)
    figure = Figure(figsize=(7.2, 2.9 + 0.3 * len(rows)), dpi=160, layout="constrained", facecolor="white")
    bars, picture = figure.subplots(2, 1, height_ratios=[0.3 * len(rows) + 0.5, 1.8])
    _draw_values(bars, case, rows)
    _draw_picture(picture, case)
    return figure


def _map_figure(case: Case) -> Figure:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure

    drawn = case.attribution.map(case.target)
    figure = Figure(figsize=(7.2, 3.4), dpi=160, layout="constrained", facecolor="white")
    axes = figure.subplots()
    full = layers.full_colour(drawn)
    _draw_map(axes, case, drawn.double().numpy() / full)
    colours = LinearSegmentedColormap.from_list("contra-for", [ORANGE, "white", BLUE])
    bar = figure.colorbar(ScalarMappable(Normalize(-full, full), colours), ax=axes, pad=0.02, aspect=30)
    bar.set_label(f"for {case.aim} ({unit(case)})", fontsize=8, parse_math=False)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return figure


def _draw_map(axes: Axes, case: Case, shares: NDArray[np.float64]) -> None:
    """Draw the spectrogram in grey, values over it as opaque as they are large, and a line around what the mask keeps."""
    from matplotlib.colors import to_rgb

    spectrum, grid, masked = case.attribution.spectrum, case.grid, case.masked
    assert spectrum is not None and grid is not None
    extent = (float(grid.edges_s[0]), float(grid.edges_s[-1]), 0.0, float(grid.n_rows))
    grey = 1 - 0.6 * layers.loudness(spectrum.features.double().numpy())
    axes.imshow(grey, origin="lower", aspect="auto", cmap="gray", extent=extent, vmin=0, vmax=1, interpolation="nearest")
    for colour, part in ((BLUE, shares), (ORANGE, -shares)):
        laid = np.empty((*part.shape, 4))
        laid[..., :3], laid[..., 3] = to_rgb(colour), STRENGTH * part.clip(0, 1)
        axes.imshow(laid, origin="lower", aspect="auto", extent=extent, interpolation="nearest")
    if masked is not None:
        _draw_mask(axes, masked, grid)
    axes.set_xlim(0, grid.duration_s)
    axes.set_ylim(0, grid.n_rows)
    if grid.ticks:
        axes.set_yticks([height * grid.n_rows for height, _ in grid.ticks], [f"{hz:g}" for _, hz in grid.ticks])
    axes.set_xlabel("time (s)", fontsize=8)
    axes.set_ylabel("frequency (Hz)" if grid.ticks else "row of the features", fontsize=8)
    _plain(axes)


def _draw_mask(axes: Axes, masked: Masked, grid: Grid) -> None:
    """Draw a line around what is kept, unless it is so scattered that the lines would hide the map."""
    kept = (masked.mask > 0.5).numpy()
    n_edges = sum(int(np.count_nonzero(np.diff(kept, axis=axis))) for axis in (0, 1))
    if kept.all() or not kept.any():
        told = f"{masked.line} keeps {'everything' if kept.all() else 'nothing'}"
    elif n_edges > SCATTERED * kept.sum():
        told = f"{masked.line} keeps {words.share(float(masked.mask.mean()))}, too scattered to be outlined"
    else:
        told = f"inside the line: {masked.line}"
        middles = (grid.edges_s[:-1] + grid.edges_s[1:]) / 2
        axes.contour(middles, np.arange(grid.n_rows) + 0.5, masked.mask.numpy(), levels=[0.5], colors=INK, linewidths=0.7)
    axes.set_title(told, fontsize=7, loc="right", parse_math=False)


def _rows(case: Case) -> list[dict[str, Any]]:
    rows = [row | {"number": i} for i, row in enumerate(components(case))]
    kept = sorted(rows, key=lambda row: (row["absent"], -abs(row["value"])))[:MAX_BARS]
    return sorted(kept, key=lambda row: (not row["absent"], row["value"]))  # drawn upwards: the most positive on top


def _draw_values(axes: Axes, case: Case, rows: list[dict[str, Any]]) -> None:
    places = range(len(rows))
    colours = [BLUE if row["value"] > 0 else ORANGE for row in rows]
    axes.barh(places, [row["value"] for row in rows], color=colours, height=0.62)
    for place, row in zip(places, rows, strict=True):
        if row["ci95"] is not None and not row["absent"]:
            axes.errorbar(row["value"], place, xerr=(row["ci95"][1] - row["ci95"][0]) / 2, color=INK, capsize=2.5, lw=1)
    ends = axis(rows)
    axes.set_xlim(ends.low, ends.high)
    axes.axvline(0, color=INK, lw=0.8)
    names = [label(case, row["number"]) + (" (absent)" if row["absent"] else "") for row in rows]
    axes.set_yticks(list(places), names, parse_math=False)
    left_out = len(case.values) - len(rows)
    axes.set_title(f"{left_out} weaker {case.thing}s are not drawn" if left_out else "", fontsize=7, loc="right")
    axes.set_xlabel(f"adds to {case.aim} ({UNITS[case.setting('scale', 'log_odds')]})", fontsize=8, parse_math=False)
    _plain(axes)
    axes.tick_params(axis="y", length=0)


def _draw_picture(axes: Axes, case: Case) -> None:
    attribution = case.attribution
    picture = spectrogram.picture(attribution.recording if attribution.vector is None else values.as_heard(attribution))
    axes.imshow(
        picture.db,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0, picture.duration_s, 0, 1),
        vmin=-spectrogram.RANGE_DB,
        vmax=0,
    )
    axes.set_yticks([height for height, _ in picture.ticks], [f"{hz:g}" for _, hz in picture.ticks])
    axes.set_xlabel("time (s)", fontsize=8)
    axes.set_ylabel("frequency (Hz, mel)", fontsize=8)
    _plain(axes)


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8)


def html_fragment(attribution: Attribution) -> str:
    """Return the verdict, what limits it, the bars and the sound of the recording as one small piece of HTML.

    For notebooks: no script, no outer style, at most 2 MB; the sound is left out where it would be more.
    """
    return fragment(attribution, picture=None if attribution.spectrum is None else _fragment_picture(attribution))


def _fragment_picture(attribution: Attribution) -> str:
    """The figure as base64 of a PNG."""
    held = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        plot(attribution).savefig(held, format="png", dpi=110)
    return base64.b64encode(held.getvalue()).decode()
