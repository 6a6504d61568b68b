"""Timeline: the page of a long recording: what is heard when and why at a glance, and its windows below to hear and ask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from hearwhy.report import heat, html, sound, values
from hearwhy.report.bars import axis
from hearwhy.report.overview import MINUTES_FROM_S, Course, clock, courses, headline, marked, span, state
from hearwhy.report.panels import MAX_PANELS
from hearwhy.report.rows import MAX_ROWS
from hearwhy.report.summary import UNITS, label_row, likeliest
from hearwhy.timeline import Timeline

MAX_WINDOWS = 24  # windows that can be heard: each brings its sounds along
MAX_TARGETS = 4  # targets that are drawn over time
N_SHOWN = 4  # labels of a prediction


def report_timeline(timeline: Timeline, path: str | Path) -> Path:
    """Write one self-contained HTML file of a timeline: a picture of all its windows, and panels of up to 24 of them.

    The picture shows how probable each target is over time, and what each component adds in every window that was
    explained. The explained windows in which the first target is most probable can be chosen in it, played and questioned;
    there are fewer than 24 of them where their sound would not find room. Attributions are read one at a time.

    Parameters
    ----------
    timeline
        At least one window of it explained; up to 4 targets are shown.
    path
        The file to write; its folder is made where it is missing. It is written whole or not at all.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        No window was explained, or `path` is a folder.

    Examples
    --------
    >>> timeline = hearwhy.explain("band", "hour.flac", per_window=True)  # doctest: +SKIP
    >>> report_timeline(timeline, "out/index.html")  # doctest: +SKIP
    PosixPath('out/index.html')
    """
    return html.write(path, lambda: page(timeline))


def page(timeline: Timeline) -> str:
    """Return the page as a string."""
    found, said = courses(timeline)
    shown = found[:MAX_TARGETS]
    heard = _heard(shown)
    sheets = html.Sheets()
    for i in heard:
        _add(sheets, shown, i, times=len(heard))
    sheets.left_out[:] = [str(course.case.name) for course in found[MAX_TARGETS:]]
    return html.render(timeline.name, sheets, _opening(shown, said, heard))


def _heard(shown: Sequence[Course]) -> list[int]:
    """Return the windows that get panels, in the order of time: the most probable ones, as many as there is room for."""
    first = shown[0]
    maps = first.case.attribution.spectrum is not None
    n_parts = sound.MAX_PLAYERS if maps else min(len(first.names), sound.MAX_PLAYERS)
    n_tracks = n_parts + 1 + len(sound.KEEPS) * len(shown)
    if first.case.attribution.vector is not None:
        n_tracks = 1 + 2 * values.MIN_PLAYERS
    seconds = max(stop - start for start, stop in first.timeline.spans_s)
    room = int(sound.MAX_SAMPLES / (n_tracks * seconds * sound.RATES[-1]))
    most = max(1, min(MAX_WINDOWS, MAX_PANELS // len(shown), room))
    return sorted(sorted(first.timeline.numbers, key=lambda i: -first.chances[i])[:most])


def _add(sheets: html.Sheets, shown: Sequence[Course], i: int, *, times: int) -> None:
    """Add the panels of one window; its attribution is read here and let go."""
    attribution = shown[0].timeline.attributions[i]
    assert attribution is not None
    tabs = iter([f"{span(course.timeline, i)}, {course.chance_words(i)}" for course in shown])
    sheets.add([attribution], most=len(shown), times=times, tab=lambda case: next(tabs))


def _opening(shown: Sequence[Course], said: dict[int, dict[str, Any]], heard: list[int]) -> html.Opening:
    timeline = shown[0].timeline
    steps = heat.Steps(timeline.spans_s)
    drawn = [_drawn(course, steps, said, heard) for course in shown]
    body = html.environment().get_template("timeline.html.j2").render(
        courses=drawn, name=timeline.name, ticks=_ticks(steps), n=len(timeline), n_explained=len(timeline.numbers),
        n_heard=len(heard), n_told=sum(not silent for silent in timeline.silent),
    )  # fmt: skip
    data = {
        "edges": np.round(100 * steps.edges, 3).tolist(),
        "heard": heard,
        "first": heard.index(max(heard, key=lambda i: shown[0].chances[i])),
        "words": [[_told(course, i, said) for i in range(len(timeline))] for course in shown],
    }
    style = html.text("timeline.css") + "".join(course["rule"] for course in drawn)
    return html.Opening(Markup(body), style, html.text("timeline.js"), data)


def _told(course: Course, i: int, said: dict[int, dict[str, Any]]) -> str:
    """Return what is read of a window when the pointer or the keyboard reaches it."""
    what = state(course, i)
    if what == "explained":
        what = str(said[i]["targets"][course.case.target]["verdict"])
    said_of_it = "" if what == "silent" else f": {course.chance_words(i)}"
    return f"{span(course.timeline, i)}{said_of_it} · {what}"


def _drawn(course: Course, steps: heat.Steps, said: dict[int, dict[str, Any]], heard: list[int]) -> dict[str, Any]:
    """Return what the template draws of one target."""
    timeline, number = course.timeline, course.case.target
    columns, states = steps.columns(timeline.numbers), [state(course, i) for i in range(len(timeline))]
    rows = _strongest(course)
    positive, negative, full = heat.masks(columns, course.values[:, rows]) if rows else (b"", b"", 0.0)
    urls = {"for": html.data_url(positive), "contra": html.data_url(negative)}
    line, area = heat.curve(steps, course.chances)
    return {
        "case": course.case,
        "headline": headline(course),
        "predictions": _predictions(course),
        "unit": UNITS[course.case.setting("scale", "log_odds")],
        "line": line,
        "area": area,
        "line_against": None if course.chances_against is None else heat.curve(steps, course.chances_against)[0],
        "silent": heat.runs(columns, [what == "silent" for what in states]),
        "unexplained": heat.runs(columns, [what == "not explained" for what in states]),
        "names": [course.names[i] for i in rows],
        "n_components": len(course.names),
        "same": course.same,
        "full": full,
        "rule": "".join(f".heat-{number}>.{name}{{--mask:{url}}}\n" for name, url in urls.items() if rows),
        "map": course.case.attribution.spectrum is not None,
        "marked": marked(course, said),
        "mean": _mean(course),
        "windows": [_window(course, steps, i) for i in heard],
        "table": [(span(timeline, i), course.chances[i], said[i]["targets"][number]["verdict"]) for i in timeline.numbers],
    }


def _strongest(course: Course) -> list[int]:
    """Return the components that get a row, in their own order: those with the largest mean size."""
    if not course.names:
        return []
    sizes = np.nanmean(np.abs(course.values[list(course.timeline.numbers)]), axis=0)
    return sorted(np.argsort(-sizes, kind="stable")[:MAX_ROWS].tolist())


def _window(course: Course, steps: heat.Steps, i: int) -> dict[str, Any]:
    left, width = steps.percent(i)
    label = f"{span(course.timeline, i, ' to ')}, {course.chance_words(i)}, explained"
    return {"x": left, "width": width, "middle": round(left + width / 2, 3), "label": label}


def _predictions(course: Course) -> dict[str, Any]:
    """Return the answer in the mean, and in the window where the target is highest; what is explained is among both."""
    timeline, i, parsed = course.timeline, course.highest, course.case.parsed

    def shown(row: Any) -> list[dict[str, Any]]:
        return label_row(row, timeline.labels, likeliest(row, [*parsed.plus, *parsed.minus])[:N_SHOWN])

    return {"mean": shown(timeline.prediction), "highest": shown(timeline.probabilities[i]), "where": span(timeline, i)}


def _mean(course: Course) -> dict[str, Any] | None:
    """Return the bars of the mean over the explained windows."""
    if course.mean is None:
        return None
    strongest = sorted(course.mean, key=lambda row: -abs(row["value"]))[:MAX_ROWS]
    rows = [row | {"ci95": None} for row in sorted(strongest, key=lambda row: -row["value"])]
    scale = axis(rows)
    return {"rows": [(row, scale.bar(row)) for row in rows], "axis": scale, "left_out": len(course.mean) - len(rows)}


def _ticks(steps: heat.Steps) -> list[tuple[float, str]]:
    """Return times to write below the picture, each with its place in percent."""
    if steps.stop_s > MINUTES_FROM_S:
        return [(x, clock(time)) for x, time in steps.ticks]
    return [(x, f"{time:g}") for x, time in steps.ticks]
