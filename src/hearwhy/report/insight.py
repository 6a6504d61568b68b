"""The page of an insight: many explanations as one picture of the model, self-contained, usable with a keyboard."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from hearwhy import audio
from hearwhy.insight.clusters import Cluster
from hearwhy.insight.rows import Snippet
from hearwhy.insight.statistics import Cell, Profile
from hearwhy.insight.views import NOTHING, Insight, View
from hearwhy.report import html, insight_words, sound, words
from hearwhy.report.insight_feature_words import fill, mixes, outcome, usual
from hearwhy.report.insight_features import drawn_of, shown_of
from hearwhy.report.insight_words import Findings
from hearwhy.report.summary import UNITS
from hearwhy.types import Recording

Hear = Callable[[Snippet, str | None], Mapping[str, Recording]]
"""Return the sound of a snippet ("") and of one component alone, by name."""

MAX_NUMBERS = 600_000  # values that the script is given: about 4 MB
MAX_AXES = 40  # components that are drawn
MAX_TARGETS = 24  # rows or columns of the table of profiles
MAX_CELLS = 12  # cells of the confusion matrix that are drawn
MAX_COLOURS = 7  # components with a colour of their own; the others share one
MAX_SONGS = 200  # recordings whose correlation is told
MAX_PROBLEMS = 50
N_BARS = 6  # components in the picture of a cluster
SOUND_RATE, SOUND_S = 16_000, 8.0  # of an example on the page


def report_insight(found: Findings, path: str | Path, *, hear: Hear | None = None) -> Path:
    """Write one self-contained HTML file of an insight.

    Parallel coordinates of all explanations, which can be filtered and coloured; how well they follow the model; what counts
    most in each cell of the confusion matrix, beside what is loudest; a profile of every label; and clusters with examples to
    hear. It needs no network, and no mouse.

    Parameters
    ----------
    found
        What to show.
    path
        The file to write, whole or not at all.
    hear
        Gives the sound of examples; None: without sound.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        `path` is a folder.
    """
    return html.write(path, lambda: page(found, hear))


def page(found: Findings, hear: Hear | None = None) -> str:
    """Return the page as a string."""
    tracks: list[str] = []
    clusters = [_cluster(cluster, hear, tracks) for cluster in found.clustering.clusters]
    insight, features = found.insight, found.features
    more = ("insight_features",) if features is not None else ()
    style = "".join(html.text(f"{name}.css") for name in ("page", "insight", *more))
    script = "".join(html.text(f"{name}.js") for name in ("insight", *more))
    data, drawn = html.safe_json(_data(found)), html.safe_json({} if features is None else drawn_of(features))
    return html.environment().get_template("insight.html.j2").render(
        title=insight_words.title(insight), style=Markup(style), script=Markup(script), policy=html.policy(style, script),
        data=data, tracks=tracks, verdict=insight_words.verdict(found), findings=insight_words.findings(found),
        clusters=clusters, clustering=found.clustering, cells=_cells(found), table=_table(found), songs=_songs(found),
        legend=_legend(found), unit=UNITS[insight.scale], views=[view.name for view in insight.views], view=found.view,
        features=None if features is None else shown_of(features), drawn=drawn, thing="feature" if more else "component",
        mixes=mixes(insight), usual=usual(insight), nothing=outcome(insight, NOTHING),
        found=found, how=_how(found), problems=insight.problems[:MAX_PROBLEMS],
        size=words.megabytes(len(data) + len(drawn) + len(style) + len(script) + sum(map(len, tracks))),
    )  # fmt: skip


def axes(found: Findings) -> list[int]:
    """Return which components are drawn: all, or the strongest of very many, these in the order of strength."""
    strength = np.nan_to_num(np.abs(np.stack([np.nan_to_num(profile.mean) for profile in found.profiles])).max(axis=0))
    if len(strength) <= MAX_AXES // 3:
        return list(range(len(strength)))
    return [int(i) for i in (-strength).argsort(kind="stable")[:MAX_AXES]]


def _data(found: Findings) -> dict[str, Any]:
    """What the script draws: columns of numbers, names once."""
    view, shown = found.view, axes(found)
    n_views = max(1, int(MAX_NUMBERS / max(1, len(view) * (len(shown) + 2))))
    columns = {
        "item": [snippet.item for snippet in view.snippets],
        "condition": [snippet.condition for snippet in view.snippets],
        "predicted": view.predictions,
        "true": [snippet.label or "not known" for snippet in view.snippets],
        "cluster": [f"cluster {number + 1}" for number in found.clustering.number],
    }
    return {
        "names": [view.names[i] for i in shown],
        "unit": UNITS[found.insight.scale],
        "columns": {name: _coded(column) for name, column in columns.items()},
        "start": [round(snippet.start_s, 2) for snippet in view.snippets],
        "p": [round(max(snippet.chances), 4) for snippet in view.snippets],
        "exact": found.exact,
        "views": [_drawn(one, shown) for one in found.insight.views[:n_views]],
    }


def _coded(column: Sequence[str]) -> dict[str, Any]:
    """Names once, the most frequent first, and a number a row."""
    names = sorted(set(column), key=lambda name: (-column.count(name), name))
    place = {name: i for i, name in enumerate(names)}
    return {"names": names, "rows": [place[name] for name in column]}


def _drawn(view: View, shown: list[int]) -> dict[str, Any]:
    values = view.values[:, shown]
    return {
        "name": view.name,
        "top": _coded([outcome(view.insight, top) for top in view.tops]),
        "values": [[None if math.isnan(x) else _short(x) for x in row] for row in values.tolist()],
        "whole": [[_short(e.score), _short(e.surrogate)] for e in view.explanations],
        "fresh": [[[_short(a), _short(b)] for a, b in e.checks] for e in view.explanations],
    }


def _short(x: float) -> float:
    return float(f"{x:.4g}")


def _legend(found: Findings) -> dict[str, int]:
    """A colour for each outcome: the components that count most most often; nothing, and all the others, are grey."""
    named = [name for name in found.tops if name != NOTHING]
    loud = [name for cell in found.cells for name, _ in cell.loudest.most_common() if name not in named]
    return {name: i for i, name in enumerate(list(dict.fromkeys([*named, *loud]))[:MAX_COLOURS])}


def _cells(found: Findings) -> list[dict[str, Any]]:
    """The fullest cells of the confusion matrix as bars of two kinds."""
    legend = _legend(found)
    fullest = sorted(found.cells, key=lambda cell: -cell.n)[:MAX_CELLS]
    return [
        {"cell": cell, "bars": _bars(cell, legend, found.insight), "how": _how_right(cell, found.insight.labels)}
        for cell in found.cells if cell in fullest
    ]  # fmt: skip


def _how_right(cell: Cell, labels: Sequence[str]) -> str:
    if cell.true is None or cell.true not in labels:
        return "unknown"
    return "right" if cell.true == cell.predicted else "wrong"


def _bars(cell: Cell, legend: dict[str, int], insight: Insight) -> list[dict[str, Any]]:
    rows = []
    for title, counts in (("counts most", cell.tops), ("is loudest", cell.loudest)):
        at, pieces = 0.0, []
        total = sum(counts.values())
        for name, n in sorted(counts.items(), key=lambda pair: (legend.get(pair[0], 90 + (pair[0] == NOTHING)), pair[0])):
            colour = "nothing" if name == NOTHING else f"c{legend[name]}" if name in legend else "other"
            called = outcome(insight, name)
            pieces.append({"name": called, "n": n, "share": n / total, "x": at, "width": 100 * n / total, "colour": colour})
            at += 100 * n / total
        if pieces:
            rows.append({"title": title, "pieces": pieces})
    return rows


def _table(found: Findings) -> dict[str, Any]:
    """Labels x components, the larger of the two downwards: mean, interval and a step of colour in each field."""
    profiles, shown = found.profiles[:MAX_TARGETS], axes(found)
    full = max((abs(float(p.mean[i])) for p in profiles for i in shown if not math.isnan(p.mean[i])), default=0.0) or 1.0
    fields = [[_field(profile, i, full) for i in shown] for profile in profiles]
    targets = [{"name": p.target, "about": f"{p.n} from {p.n_groups}"} for p in profiles]
    components = [{"name": found.insight.names[i], "about": ""} for i in shown]
    turned = len(components) > len(targets)
    return {
        "rows": components if turned else targets,
        "columns": targets if turned else components,
        "fields": [list(row) for row in zip(*fields, strict=True)] if turned else fields,
        "n_left_out": len(found.profiles) - len(profiles),
    }


def _field(profile: Profile, i: int, full: float) -> dict[str, Any] | None:
    mean, low, high = (float(column[i]) for column in (profile.mean, profile.low, profile.high))
    if math.isnan(mean):
        return None
    step = round(10 * abs(mean) / full)
    told = None if math.isnan(low) else f"{words.signed(low)} … {words.signed(high)}"
    return {"mean": words.signed(mean), "interval": told, "heat": f"{'p' if mean > 0 else 'n'}{step}" if step else ""}


def _songs(found: Findings) -> dict[str, Any]:
    rows = found.faithful
    return {"all": rows[0], "each": rows[1 : MAX_SONGS + 1], "n_left_out": max(0, len(rows) - 1 - MAX_SONGS)}


def _cluster(cluster: Cluster, hear: Hear | None, tracks: list[str]) -> dict[str, Any]:
    means, other = cluster.means, cluster.elsewhere
    strongest = [int(i) for i in np.argsort(-np.nan_to_num(np.abs(means)), kind="stable")[:N_BARS] if not math.isnan(means[i])]
    numbers = [0.0, *means[strongest], *(x for x in other[strongest] if not math.isnan(x))]
    low, high = min(numbers), max(numbers)
    span = (high - low) or 1.0

    def place(x: float) -> float:
        return round(100 * (float(x) - low) / span, 2)

    bars = [
        {
            "name": cluster.of.view.names[i], "value": words.signed(float(means[i]), 1), "positive": means[i] > 0,
            "x": min(place(0), place(means[i])), "width": abs(place(means[i]) - place(0)),
            "other": None if math.isnan(other[i]) else place(other[i]),
        }
        for i in strongest
    ]  # fmt: skip
    return {
        "number": cluster.number + 1, "strange": cluster.strange, "words": insight_words.describe(cluster), "bars": bars,
        "zero": place(0), "examples": [_example(cluster.of.view, row, hear, tracks) for row in cluster.examples],
    }  # fmt: skip


def _example(view: View, row: int, hear: Hear | None, tracks: list[str]) -> dict[str, Any]:
    snippet, top = view.snippets[row], view.tops[row]
    heard = {} if hear is None else hear(snippet, None if top == NOTHING else top)
    plays = [{"track": len(tracks) + i, "name": name} for i, name in enumerate(heard)]
    tracks += _encoded([_small(recording) for recording in heard.values()])
    where = f"{snippet.item}, {words.seconds(snippet.start_s)}"
    if snippet.condition:
        where += f" ({snippet.condition})"
    return {"where": where, "says": view.predictions[row], "p": max(snippet.chances), "true": snippet.label, "plays": plays}


def _encoded(heard: Sequence[Recording]) -> list[str]:
    """All under one gain: a quiet component stays as quiet as it is."""
    loudest = sound.Bank(tuple(sound.Track("", recording.audio) for recording in heard), 1, 0, 1.0)
    return [sound.encode(recording.audio, recording.sample_rate, sound.common_gain(loudest)) for recording in heard]


def _small(recording: Recording) -> Recording:
    """Mono, at most 16 kHz and 8 s: what fits on a page many times."""
    rate = max(min(recording.sample_rate, SOUND_RATE), sound.RATE_LIMITS[0])
    mono = audio.resample(audio.remix(recording.audio, 1), recording.sample_rate, rate)
    return Recording(mono[:, : round(SOUND_S * rate)], rate, recording.name)


def _how(found: Findings) -> list[tuple[str, str]]:
    about, insight = found.insight.about, found.insight
    clusters, calls = found.clustering, sum(snippet.n_calls for snippet in insight.snippets)
    notes = list(dict.fromkeys(note for snippet in insight.snippets for note in snippet.notes))
    tried = ", ".join(f"{k}: {height:.2f}" for k, height in clusters.silhouettes.items())
    conditions = list(dict.fromkeys(snippet.condition for snippet in insight.snippets if snippet.condition))
    told = [
        ("model", str(about["model"])),
        ("data", f"{about['data']} ({about['layout']}), {about['n_items']} recordings"),
        ("stems mixed", "; ".join(conditions)),
        ("components", str(about["components"])),
        ("method", f"{about['asked']}, seed {about['seed']}"),
        ("target", ", ".join(about["targets"])),
        ("scale", f"{UNITS[insight.scale]}; removed is replaced by {fill(insight)}"),
        ("clusters", f"k-means on values of length 1; silhouette of {tried}" if tried else "too few snippets to look for any"),
        ("work", f"{calls} forward passes in {words.seconds(insight.seconds)}"),
        ("sound", "; ".join(notes[:6]) + (f"; {len(notes) - 6} more" if len(notes) > 6 else "")),
        ("versions", ", ".join(f"{name} {version}" for name, version in about["versions"].items())),
    ]
    return [(name, text) for name, text in told if text]
