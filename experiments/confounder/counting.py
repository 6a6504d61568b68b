"""Counting: shares, how they vary over networks, agreement of separations, and trained against untrained networks."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from explaining import COMPONENTS
from rows import Row, groups
from scipy.stats import rankdata

from hearwhy.datasets.band.presets import STEMS
from hearwhy.metrics.statistics import Interval, bootstrap_mean

N_RESAMPLES = 10_000


@dataclass(frozen=True)
class Share:
    """A share in per cent: its mean over networks, its standard deviation (None: one network), and how many rows it is of."""

    mean: float
    deviation: float | None
    n_networks: int
    n_rows: int

    def __str__(self) -> str:
        if not self.n_rows:
            return "(none)"
        spread = "" if self.deviation is None else f" ±{self.deviation:.2f}"
        return f"{self.mean:.2f}{spread} ({self.n_rows})"


def share(rows: Iterable[Row], key: str, value: object) -> Share:
    """Return in how many of the rows `key` has that value, counted network by network."""
    by_network = groups(rows, lambda row: (row["kind"], row["origin"], row["run"]))
    each = [100 * float(np.mean([row[key] == value for row in some])) for some in by_network.values()]
    deviation = float(np.std(each, ddof=1)) if len(each) > 1 else None
    return Share(float(np.mean(each)) if each else float("nan"), deviation, len(each), sum(map(len, by_network.values())))


def over_songs(values: Sequence[float], rows: Sequence[Row]) -> Interval | None:
    """Return the mean of a value a row, with an interval from drawing songs; None where there are fewer than two."""
    songs = [row["song"] for row in rows]
    if len(set(songs)) < 2:
        return None
    return bootstrap_mean(torch.tensor(values, dtype=torch.float64), songs)


def paired(rows: Sequence[Row], first: tuple[str, str], second: tuple[str, str]) -> list[tuple[Row, Row]]:
    """Return the rows of two separations, (name, residual), of the same snippet, network and method."""

    def key(row: Row) -> tuple[object, ...]:
        return tuple(row[name] for name in ("test_set", "version", "song", "snippet", "kind", "origin", "run", "method"))

    found = [{key(row): row for row in rows if (row["separation"], row["rest"]) == how} for how in (first, second)]
    return [(row, found[1][at]) for at, row in found[0].items() if at in found[1]]


def rank_agreement(first: Row, second: Row) -> float:
    """Return Spearman's correlation of the values of the instruments that have one in both; 0 where one side is constant."""
    names = [name for name in STEMS if first[name] is not None and second[name] is not None]
    ranks = [rankdata([row[name] for name in names]) for row in (first, second)]
    centred = [rank - rank.mean() for rank in ranks]
    size = float(np.linalg.norm(centred[0]) * np.linalg.norm(centred[1]))
    return float(centred[0] @ centred[1]) / size if size else 0.0


def residual_share(row: Row) -> float:
    """Return the residual's share of all absolute values, in per cent."""
    sizes = {name: abs(row[name]) for name in COMPONENTS if row[name] is not None}
    total = sum(sizes.values())
    return 100 * sizes.get("residual", 0.0) / total if total else 0.0


def entropy(tops: Iterable[str]) -> float:
    """Return the entropy of the most important components, in nats."""
    counts = np.array(list(Counter(tops).values()), dtype=float)
    p = counts / counts.sum()
    return float(-(p * np.log(p)).sum()) + 0.0


@dataclass(frozen=True)
class Comparison:
    """Shares of trained against untrained networks: the difference of the means, its interval, and the p value."""

    difference: float
    low: float
    high: float
    p: float


def permutation(trained: Sequence[float], untrained: Sequence[float], *, seed: int = 0) -> Comparison:
    """Return whether networks that learnt differ from networks that did not; one number a network.

    The p value is two-sided and exact: the share of all ways to call so many of the networks trained whose means differ at
    least as much. The interval draws networks with replacement on each side (percentiles, 95 %).
    """
    every, k = np.array([*trained, *untrained]), len(trained)
    seen = np.mean(trained) - np.mean(untrained)
    ways = list(itertools.combinations(range(len(every)), k))
    sums = np.array([every[list(way)].sum() for way in ways])
    differences = sums / k - (every.sum() - sums) / (len(every) - k)
    rng = np.random.default_rng(seed)
    means = [rng.choice(np.array(side), (N_RESAMPLES, len(side))).mean(axis=1) for side in (trained, untrained)]
    low, high = np.percentile(means[0] - means[1], [2.5, 97.5])
    p = float((np.abs(differences) >= abs(seen) - 1e-12).mean())
    return Comparison(float(seen), float(low), float(high), p)
