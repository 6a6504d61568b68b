"""Insight over features: what the page and the figures show of it, as plain numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from hearwhy.insight.features import N_SHOWN, Array, Features, Mean
from hearwhy.insight.rows import Snippet
from hearwhy.report import words
from hearwhy.report.insight_drawing import short
from hearwhy.report.summary import UNITS
from hearwhy.report.waterfall import MIN_GAP, MOST, Step, Waterfall

# Paul Tol's muted scheme, told apart by every kind of colour vision, and a grey; the page has lighter ones for the dark.
CLASS_COLOURS = (
    "#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499", "#5f6b73",
)  # fmt: skip
LOW, HIGH = "#5b3fb0", "#e0a100"  # own values
Z95 = 1.959964
EDGE = 5  # percent of the snippets beyond which own values share a colour: one outlier would take the colour of all others
N_BINS = 40  # of a bee-swarm: snippets in one stand beside each other
MAX_NUMBERS = 250_000  # values that the script is given, and as many standard errors: about 3 MB
MAX_FEATURES, MAX_CLASSES, MAX_COLUMNS = 40, 60, 24


def palette(features: Features) -> dict[str, int]:
    """Return the number of a colour for each class; of too many only for those that count most, the others share one."""
    n = len(CLASS_COLOURS)
    if len(features.targets) <= n:
        return {target: i for i, target in enumerate(features.targets)}
    first = np.sort(np.argsort(-features.parts.sum(axis=1), kind="stable")[: n - 1])
    return {features.targets[i]: place for place, i in enumerate(first)}


def place_of(own: Array) -> Array:
    """Return where own values lie between low (0) and high (1), without the outermost 5 % of the snippets."""
    low, high = np.percentile(own, [EDGE, 100 - EDGE])
    if high <= low:
        return np.full(len(own), 0.5)
    return np.clip((own - low) / (high - low), 0, 1)


def swarm(values: Array) -> Array:
    """Return how far each dot stands off the line of its feature, -1 to 1: the wider, the more lie beside it."""
    span = float(np.ptp(values)) or 1.0
    bins = np.minimum(((values - values.min()) / span * N_BINS).astype(int), N_BINS - 1)
    most = max(Counter(bins.tolist()).values())
    off, seen = np.zeros(len(values)), Counter[int]()
    for i, at in enumerate(bins.tolist()):
        step = (seen[at] + 1) // 2 * (1 if seen[at] % 2 else -1)
        off[i] = 2 * step / max(most, 6)
        seen[at] += 1
    return off


def fall_of(features: Features, target: str, row: int) -> Waterfall:
    """Return how features lead from the score of what is usual to that of one row of a class's view, the strongest first."""
    view = features.classes[target].view
    explanation, own = view.explanations[row], view.own[row]
    values, errors = view.values[row], Z95 * view.stderr[row]
    strongest = [int(i) for i in np.argsort(-np.abs(values), kind="stable")]
    groups = [(f"{short(features.names[i])} = {own[i]:.3g}", [i]) for i in strongest[:MOST]]
    if rest := strongest[MOST:]:
        groups.append((f"{len(rest)} others", rest))
    at, steps = explanation.base, []
    for name, mine in groups:
        error = float(np.linalg.norm(errors[mine])) if explanation.stderr is not None else None
        steps.append(Step(name, at, at + float(values[mine].sum()), error))
        at = steps[-1].stop
    if abs(explanation.score - at) >= MIN_GAP:
        steps.append(Step("what the values miss", at, explanation.score))
    return Waterfall(explanation.base, tuple(steps), explanation.score)


def typical(features: Features) -> list[tuple[str, int]]:
    """Return of each class the row whose explanation is nearest to the mean of those that are (rightly) taken for it.

    Classes that are predicted most often come first; where none is, the row with the highest score.
    """
    found = []
    for target, one in features.classes.items():
        said = [i for i, label in enumerate(one.view.predictions) if label == target]
        said = [i for i in said if one.view.right[i]] or said
        if said:
            away = np.linalg.norm(one.view.values[said] - one.view.values[said].mean(axis=0), axis=1)
            found.append((len(said), target, said[int(away.argmin())]))
        else:
            found.append((0, target, int(np.argmax([e.score for e in one.view.explanations]))))
    return [(target, row) for _, target, row in sorted(found, key=lambda one: -one[0])]


def shown_of(features: Features) -> dict[str, Any]:
    """Return what the template draws by itself: the summary plot, and the two heat maps."""
    colour = palette(features)
    shown = features.ranked[:MAX_FEATURES]
    return {
        "legend": [{"name": t, "colour": _colour(colour, t)} for t in features.targets if t in colour],
        "n_others": len(features.targets) - len(colour),
        "bars": [_bar(features, i, colour) for i in shown[:N_SHOWN]],
        "columns": features.targets[:MAX_COLUMNS],
        "n_columns_left_out": max(0, len(features.targets) - MAX_COLUMNS),
        "n_features_left_out": len(features.names) - len(shown),
        "n_first": N_SHOWN,
        "names": features.targets[:MAX_CLASSES],
        "left_out": _left_out(features, len(shown)),
        "heats": {"size": _heat(features, "size", shown), "sign": _heat(features, "sign", shown)},
    }


def _colour(colour: dict[str, int], target: str) -> str:
    return f"k{colour[target]}" if target in colour else "other"


def _bar(features: Features, i: int, colour: dict[str, int]) -> dict[str, Any]:
    """One bar of the summary plot; places are percent of the longest interval."""
    total = features.total
    ends = np.nan_to_num(total.high, nan=0.0)
    full = float(max(total.mean.max(), ends.max(), (total.mean + Z95 * total.sampling).max())) or 1.0
    at, pieces = 0.0, []
    for target, part in zip(features.targets, features.parts[:, i].tolist(), strict=True):
        pieces.append({"name": target, "value": _plain(part), "x": 100 * at / full, "width": 100 * part / full,
                       "colour": _colour(colour, target)})  # fmt: skip
        at += part
    low, high = (None if np.isnan(end[i]) else 100 * float(end[i]) / full for end in (total.low, total.high))
    noise = 100 * Z95 * float(total.sampling[i]) / full
    middle = 100 * float(total.mean[i]) / full
    return {
        "name": features.names[i], "value": _plain(float(total.mean[i])), "pieces": pieces,
        "told": _told(total, i, signed=False),
        "low": low, "high": high, "middle": middle, "noise": (middle - noise, 2 * noise) if noise else None,
    }  # fmt: skip


def _plain(value: float) -> str:
    """Three digits, zeros at the end too."""
    return f"{value:#.3g}".removesuffix(".")


def _told(mean: Mean, i: int, *, signed: bool) -> str:
    """The interval of a mean, and what of it comes of sampling masks, in words."""
    number = words.significant if signed else _plain
    told = [] if np.isnan(mean.low[i]) else [f"95 % {number(float(mean.low[i]))} to {number(float(mean.high[i]))}"]
    if mean.sampling[i] > 0:
        told.append(f"of sampling ±{Z95 * float(mean.sampling[i]):.2g}")
    return ", ".join(told)


def _heat(features: Features, what: str, shown: list[int]) -> list[dict[str, Any]]:
    """Rows of a heat map: a name, and a field a class."""
    means: list[Mean] = [getattr(features.classes[target], what) for target in features.targets[:MAX_COLUMNS]]
    full = max(float(np.abs(mean.mean[shown]).max()) for mean in means) or 1.0
    return [{"name": features.names[i], "fields": [_field(mean, i, full, what == "sign") for mean in means]} for i in shown]


def _field(mean: Mean, i: int, full: float, sided: bool) -> dict[str, Any]:
    value = float(mean.mean[i])
    step, side = round(10 * abs(value) / full), "p" if value > 0 else "n"
    low, high = float(mean.low[i]), float(mean.high[i])
    number = words.signed if sided else lambda x: f"{x:.2f}"
    return {
        "mean": number(value),
        "interval": None if np.isnan(low) else f"{number(low)} … {number(high)}",
        "heat": f"{side if sided else 's'}{step}" if step else "",
        "told": _told(mean, i, signed=sided),
        "sure": sided and (low > 0 or high < 0),
    }


def drawn_of(features: Features) -> dict[str, Any]:
    """Return what the script draws: names once, then columns of numbers, no more than a page can bear."""
    shown = features.ranked[:MAX_FEATURES]
    targets, snippets = _room(features, len(shown))
    keys = {snippet.key: i for i, snippet in enumerate(snippets)}
    colour = palette(features)
    label = {name: i for i, name in enumerate(features.insight.labels)}
    return {
        "names": [features.names[i] for i in shown],
        "unit": UNITS[features.insight.scale],
        "nShown": N_SHOWN,
        "nSteps": MOST,
        "leastGap": MIN_GAP,
        "labels": list(features.insight.labels),
        "colours": [colour.get(name, -1) for name in features.insight.labels],
        "item": [_called(snippet) for snippet in snippets],
        "said": [snippet.predicted for snippet in snippets],
        "true": [snippet.label for snippet in snippets],
        "own": [[_round(snippet.own[i] or 0.0) for i in shown] for snippet in snippets],
        "known": [label.get(snippet.label or "", -1) for snippet in snippets],
        "classes": [_class(features, target, shown, keys) for target in targets],
        "start": "as usual" if features.insight.about.get("background") else f"with {features.insight.about['fill']}",
        "nMore": len(features.names) - len(shown),
        "first": _first(features, targets, keys),
    }


def _first(features: Features, targets: tuple[str, ...], keys: dict[tuple[str, str, int], int]) -> tuple[int, int]:
    """The class and the snippet that are shown first: a typical one."""
    for target, row in typical(features):
        key = features.classes[target].view.snippets[row].key
        if target in targets and key in keys:
            return targets.index(target), keys[key]
    return 0, 0


def _left_out(features: Features, n_features: int) -> str:
    """What the pictures of single snippets do without."""
    targets, snippets = _room(features, n_features)
    n_all = len(features.insight.snippets)
    told = [f"{len(snippets)} of {n_all} snippets" * (len(snippets) < n_all),
            f"{len(targets)} of {len(features.targets)} classes" * (len(targets) < len(features.targets))]  # fmt: skip
    if not any(told):
        return ""
    return f"The pictures of single snippets show {' and '.join(filter(None, told))}; all stand in shap_values.csv."


def _room(features: Features, n_features: int) -> tuple[tuple[str, ...], list[Snippet]]:
    """As many classes and, spread evenly, snippets as there is room for."""
    n, most = len(features.insight.snippets), MAX_NUMBERS // n_features
    targets = features.targets[:MAX_CLASSES]
    explained = sum(len(features.classes[target].view) for target in targets)
    kept = n if explained <= most else max(1, n * most // explained)
    return targets, [features.insight.snippets[i * n // kept] for i in range(kept)]


def _class(features: Features, target: str, shown: list[int], keys: dict[tuple[str, str, int], int]) -> dict[str, Any]:
    one = features.classes[target]
    rows = [(keys[snippet.key], i) for i, snippet in enumerate(one.view.snippets) if snippet.key in keys]
    mates = [features.partner(target, i) for i in shown[:N_SHOWN]]
    place = {i: at for at, i in enumerate(shown)}
    exact = not one.view.stderr.any()
    taken = [i for _, i in rows]
    return {
        "name": target,
        "rows": [row for row, _ in rows],
        "values": [[_round(x) for x in line] for line in one.view.values[np.ix_(taken, shown)].tolist()],
        "stderr": None if exact else [[_round(x, 2) for x in line] for line in one.view.stderr[np.ix_(taken, shown)].tolist()],
        "rest": [_round(float(line.sum())) for line in np.delete(one.view.values[taken], shown, axis=1)],
        "base": [_round(one.view.explanations[i].base) for i in taken],
        "score": [_round(one.view.explanations[i].score) for i in taken],
        "mean": [[_round(float(column[i])) if np.isfinite(column[i]) else None
                  for column in (one.sign.mean, one.sign.low, one.sign.high)] for i in shown],
        "mates": [None if mate is None or mate.feature not in place else
                  [place[mate.feature], round(mate.r, 2), mate.stands_out] for mate in mates],
    }  # fmt: skip


def _called(snippet: Snippet) -> str:
    return f"{snippet.item}{f' ({snippet.condition})' if snippet.condition else ''}" + (
        f", {snippet.start_s:.1f} s" if snippet.start_s or snippet.number else ""
    )


def _round(x: float, digits: int = 4) -> float:
    return float(f"{x:.{digits}g}")
