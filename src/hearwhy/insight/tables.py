"""Tables: everything that was found as CSV, one row a snippet, one row a value, and of features one row a class and feature."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hearwhy.insight.clusters import Clustering
from hearwhy.insight.features import Features, Mean
from hearwhy.insight.rows import Explanation, Snippet
from hearwhy.insight.statistics import correlation
from hearwhy.insight.views import Insight

N_LABELS = 5  # most probable labels that stand in a row
KEY = ("item", "group", "condition", "number", "start_s", "duration_s", "true", "predicted")


def write_tables(insight: Insight, folder: Path, clusters: Clustering | None = None) -> None:
    """Write ``snippets.csv``, one row a snippet and target, and ``values.csv``, one row a component of each.

    Of values of features ``shap_values.csv`` instead, and ``feature_importance.csv``, one row a class and feature: means over
    the clips with 95 % intervals from resampling whole recordings, and the part of their error that comes of sampling masks.
    ``own_value_r`` is the correlation of a feature's own value with what it adds: positive where high values speak for the
    class. An empty class stands for all of them together: |value| summed over the classes.
    """
    numbers = {} if clusters is None else dict(zip((s.key for s in clusters.view.snippets), clusters.number, strict=True))
    tops = {
        (snippet.key, explanation.target): top
        for view in insight.by_target.values()
        for snippet, explanation, top in zip(view.snippets, view.explanations, view.tops, strict=True)
    }
    pairs = [(snippet, explanation) for snippet in insight.snippets for explanation in snippet.explanations]
    rows = (
        (*_key(insight, s), *_likeliest(insight, s), *_numbers(e), tops[s.key, e.target], s.loudest,
         None if s.key not in numbers else int(numbers[s.key]) + 1, s.n_calls)
        for s, e in pairs
    )  # fmt: skip
    n_labels = min(N_LABELS, len(insight.labels))
    likeliest = [f"{what}_{i + 1}" for i in range(n_labels) for what in ("label", "probability")]
    found = ("target", "score", "surrogate", "base", "score_removed", "fidelity", "interaction_share")
    _write(
        folder / "snippets.csv", (*KEY, *likeliest, *found, "most_important", "loudest", "cluster", "n_calls"), rows
    )  # fmt: skip
    if insight.of_values:
        _write_features(Features(insight), folder)
        return
    columns = ("component", "value", "stderr", "level_db", "absent", "si_sdr_db", "si_sdr_mix_db")
    _write(folder / "values.csv", (*KEY, "target", *columns), (row for pair in pairs for row in _values(insight, *pair)))


def _key(insight: Insight, s: Snippet) -> tuple[Any, ...]:
    return s.item, s.group, s.condition, s.number, s.start_s, s.duration_s, s.label, insight.predicted(s)


def _likeliest(insight: Insight, s: Snippet) -> Iterator[Any]:
    ranked = sorted(range(len(s.chances)), key=lambda i: -s.chances[i])[:N_LABELS]
    for i in ranked:
        yield from (insight.labels[i], s.chances[i])


def _numbers(e: Explanation) -> tuple[Any, ...]:
    return e.target, e.score, e.surrogate, e.base, e.score_base, e.fidelity, e.interaction_share


def _values(insight: Insight, s: Snippet, e: Explanation) -> Iterator[tuple[Any, ...]]:
    stderr: Sequence[float | None] = e.stderr or [None] * len(s.names)
    columns = (s.names, e.values, stderr, s.levels_db, map(int, s.absent), s.si_sdr_db, s.si_sdr_mix_db)
    for row in zip(*columns, strict=True):
        yield (*_key(insight, s), e.target, *row)


def _write_features(features: Features, folder: Path) -> None:
    pairs = ((s, e) for s in features.insight.snippets for e in s.explanations)
    rows = (row for pair in pairs for row in _feature_values(features.insight, *pair))
    _write(folder / "shap_values.csv", (*KEY, "class", "feature", "value", "stderr", "own_value"), rows)
    means = [f"{what}{end}" for what in ("mean_abs", "mean") for end in ("", "_low", "_high", "_sampling_stderr")]
    counts = ("snippets", "recordings")
    _write(folder / "feature_importance.csv", ("class", "feature", *counts, *means, "own_value_r"), _importances(features))


def _feature_values(insight: Insight, s: Snippet, e: Explanation) -> Iterator[tuple[Any, ...]]:
    stderr: Sequence[float | None] = e.stderr or [None] * len(s.names)
    for row in zip(s.names, e.values, stderr, s.own, strict=True):
        yield (*_key(insight, s), e.target, *row)


def _importances(features: Features) -> Iterator[tuple[Any, ...]]:
    snippets = features.insight.snippets
    n_groups = len({snippet.group for snippet in snippets})
    for i in features.ranked:
        yield ("", features.names[i], len(snippets), n_groups, *_mean(features.total, i), *(None,) * 5)
    for target, one in features.classes.items():
        for i in features.ranked:
            counts = len(one.view), len(set(one.view.groups))
            r = correlation(np.stack([one.view.own[:, i], one.view.values[:, i]], axis=1))
            yield (target, features.names[i], *counts, *_mean(one.size, i), *_mean(one.sign, i), r)


def _mean(mean: Mean, i: int) -> tuple[float | None, ...]:
    columns = (mean.mean, mean.low, mean.high, mean.sampling)
    return tuple(None if np.isnan(column[i]) else float(column[i]) for column in columns)


def _write(path: Path, header: Sequence[str], rows: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
