"""Counting: medians with ranges, ranks that agree, features that are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from working import Rows

MAX_REFERENCE_STDERR = 0.01
"""Relative standard error of a reference from which on nothing is measured against it."""


@dataclass(frozen=True)
class Spread:
    """A median with what lies around it."""

    median: float
    low: float
    high: float
    least: float
    most: float
    n: int

    @staticmethod
    def of(values: Iterable[float]) -> Spread:
        """Return the median, tenth and ninetieth percentile, lowest and highest of values."""
        found = np.array(list(values), dtype=float)
        median, low, high = np.percentile(found, [50, 10, 90])
        return Spread(float(median), float(low), float(high), float(found.min()), float(found.max()), len(found))


def where(rows: Rows, **wanted: Any) -> Rows:
    """Return the rows in which every key has the value that is wanted."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def groups(rows: Rows, key: Callable[[dict[str, Any]], Any]) -> dict[Any, Rows]:
    """Return rows together that have the same key, in the order in which they come."""
    found: dict[Any, Rows] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def counted(errors: Rows) -> Rows:
    """Return the errors against references that are known to under 1 %."""
    return [row for row in errors if row["reference_stderr"] < MAX_REFERENCE_STDERR]


def wins(errors: Rows, ours: str, theirs: Sequence[str]) -> tuple[int, int]:
    """Return in how many clips the median error of `ours`, over classes and seeds, is below all of theirs, and of how many."""
    by_clip = groups(errors, lambda row: row["clip"]).values()
    won = [_median(where(rows, method=ours)) < min(_median(where(rows, method=other)) for other in theirs) for rows in by_clip]
    return sum(won), len(won)


def _median(rows: Rows) -> float:
    return float(np.median([row["error"] for row in rows]))


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the rank correlation."""
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)


def shared_top(first: Sequence[float], second: Sequence[float], n: int) -> float:
    """Return which share of the `n` features with the largest sizes is the same."""
    tops = [set(np.argsort(-np.abs(np.asarray(values)), kind="stable")[:n].tolist()) for values in (first, second)]
    return len(tops[0] & tops[1]) / n


def local_agreement(rows: Rows, first: str, second: str) -> tuple[Spread, Spread]:
    """Return rank correlation and share of the top five that two methods have in common, over clips.

    A method with itself: over pairs of seeds. Two methods: seed by seed, which are other masks. The mean over those, clip by
    clip.
    """
    ranks, tops = [], []
    for of_clip in groups(rows, lambda row: row["clip"]).values():
        pairs = _pairs(of_clip, first, second, "local")
        ranks.append(np.mean([spearman(*pair) for pair in pairs]))
        tops.append(np.mean([shared_top(*pair, 5) for pair in pairs]))
    return Spread.of(ranks), Spread.of(tops)


def global_agreement(rows: Rows, first: str, second: str) -> dict[str, Spread]:
    """Return the same of the ranking over all clips (mean sizes), over seeds, and the share of the top twenty."""
    means = mean_sizes(rows)
    told = [{"method": method, "seed": seed, "global": sizes} for (method, seed), sizes in means.items()]
    pairs = _pairs(told, first, second, "global")
    return {
        "spearman": Spread.of(spearman(*pair) for pair in pairs),
        "top 5": Spread.of(shared_top(*pair, 5) for pair in pairs),
        "top 20": Spread.of(shared_top(*pair, 20) for pair in pairs),
    }


def mean_sizes(rows: Rows) -> dict[tuple[str, int], np.ndarray]:
    """Return the mean size of every feature's values over clips and classes, by method and seed."""
    by = groups(rows, lambda row: (row["method"], row["seed"]))
    return {key: np.mean([row["global"] for row in some], axis=0) for key, some in by.items()}


def _pairs(rows: Rows, first: str, second: str, what: str) -> list[tuple[Any, Any]]:
    mine = {row["seed"]: row[what] for row in where(rows, method=first)}
    other = {row["seed"]: row[what] for row in where(rows, method=second)}
    if first == second:
        return [(mine[a], mine[b]) for a, b in combinations(sorted(mine), 2)]
    return [(mine[seed], other[seed]) for seed in sorted(mine)]
