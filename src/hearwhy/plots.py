"""Plots: an attribution as a figure for print, and as a fragment for notebooks."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hearwhy.report import sound, spectrogram, words
from hearwhy.report.bars import axis
from hearwhy.report.case import Case, top
from hearwhy.report.caveats import findings
from hearwhy.report.html import environment
from hearwhy.report.panels import UNITS
from hearwhy.report.summary import components
from hearwhy.report.verdict import verdict
from hearwhy.result import Attribution

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, INK = "#0b67b0", "#d55e00", "#1b2126"  # told apart by every kind of colour vision, and in grey
MAX_BARS = 16  # more would not be read; the figure says how many are left out
MAX_FRAGMENT_BYTES = 1_500_000  # of sound in one notebook cell


def plot(attribution: Attribution, *, target: int = 0, path: str | Path | None = None) -> Figure:
    """Return a figure: signed values with 95 % intervals of the sampling error, above the log-mel spectrogram.

    Drawn without pyplot, so that no global state changes and no window opens.

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
        With two axes, values and spectrogram.
    """
    from matplotlib.figure import Figure

    case = Case(attribution, target)
    rows = _rows(case)
    figure = Figure(figsize=(7.2, 2.9 + 0.3 * len(rows)), dpi=160, layout="constrained", facecolor="white")
    values, picture = figure.subplots(2, 1, height_ratios=[0.3 * len(rows) + 0.5, 1.8])
    _draw_values(values, case, rows)
    _draw_picture(picture, case)
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


def _rows(case: Case) -> list[dict[str, Any]]:
    rows = components(case)
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
    names = [row["name"] + (" (absent)" if row["absent"] else "") for row in rows]
    axes.set_yticks(list(places), names, parse_math=False)
    left_out = len(case.values) - len(rows)
    axes.set_title(f"{left_out} weaker components are not drawn" if left_out else "", fontsize=7, loc="right")
    axes.set_xlabel(f"adds to {case.aim} ({UNITS[case.setting('scale', 'log_odds')]})", fontsize=8, parse_math=False)
    _plain(axes)
    axes.tick_params(axis="y", length=0)


def _draw_picture(axes: Axes, case: Case) -> None:
    picture = spectrogram.picture(case.attribution.recording)
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
    case = Case(attribution)
    rows = sorted(components(case), key=lambda row: (row["absent"], -row["value"]))
    if len(rows) > MAX_BARS:
        strongest = sorted(rows, key=lambda row: -abs(row["value"]))[:MAX_BARS]
        rows = [row for row in rows if row in strongest]
    ends = axis(rows)
    return environment().get_template("fragment.html.j2").render(
        case=case,
        verdict=verdict(case),
        findings=[finding for finding in findings(case) if finding[1] != "passed"],
        rows=[(row, ends.bar(row)) for row in rows],
        left_out=len(case.values) - len(rows),
        zero=ends.percent(0),
        unit=UNITS[case.setting("scale", "log_odds")],
        audio=_fragment_audio(attribution),
    )  # fmt: skip


def _fragment_audio(attribution: Attribution) -> str | None:
    recording = attribution.recording
    if recording.audio.numel() * 2 > MAX_FRAGMENT_BYTES:
        return None
    bank = sound.fit([sound.Bank((sound.Track("recording", recording.audio),), recording.sample_rate, 0, 1.0)])[0]
    return sound.encode(bank.tracks[0].audio, bank.sample_rate, sound.common_gain(bank))
