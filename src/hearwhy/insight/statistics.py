"""Statistics: what many explanations say together: shares, profiles, faithfulness, and how far energy alone would get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from hearwhy.insight.views import Insight, View
from hearwhy.metrics.statistics import bootstrap_mean

N_RESAMPLES = 2000
MIN_POINTS = 3  # of a recording that gets a correlation of its own


@dataclass(frozen=True)
class Share:
    """A mean with its 95 % interval over groups; None where there are fewer than two groups."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class Profile:
    """What each component adds to one target, on average.

    Parameters
    ----------
    target, n, n_groups
        What was explained, how often, and of how many groups of recordings.
    mean, low, high
        Mean value of every component with its 95 % interval; NaN where no snippet has it, ends also where one group has it.
    n_present
        In how many of them each component is there.
    """

    target: str
    n: int
    n_groups: int
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_present: NDArray[np.int64]


@dataclass(frozen=True)
class Cell:
    """One cell of the confusion matrix: how often each component counted most, and how often each was the loudest.

    `true` is None where the label is not known.
    """

    true: str | None
    predicted: str
    tops: Counter[str]
    loudest: Counter[str]

    @property
    def n(self) -> int:
        """Snippets in it."""
        return sum(self.tops.values())


@dataclass(frozen=True)
class Energy:
    """How far an answer that only knows levels agrees with the explanations.

    Parameters
    ----------
    agreement
        Share of snippets whose most important component is also the loudest.
    by_chance
        Share that would agree if the two answers had nothing to do with each other but were given as often as they are.
    random
        Share that a component drawn at random would agree with.
    """

    agreement: Share
    by_chance: float
    random: float

    @property
    def kappa(self) -> float:
        """Cohen's kappa: 1 where they always agree, 0 where only as often as by chance."""
        return (self.agreement.mean - self.by_chance) / (1 - self.by_chance) if self.by_chance < 1 else 1.0


@dataclass(frozen=True)
class Faithful:
    """How well the additive explanation follows the model, over some snippets.

    Parameters
    ----------
    name
        The recording, or "" for all.
    n
        Snippets.
    r
        Pearson's correlation of the model's score with base plus values, over the recordings themselves; None for too few.
    r_fresh
        The same over fresh masks.
    """

    name: str
    n: int
    r: float | None
    r_fresh: float | None


def share(hits: Sequence[bool], groups: Sequence[str], *, seed: int = 0) -> Share:
    """Return how often something is true, with a 95 % interval from resampling whole groups."""
    return _mean(torch.tensor(hits, dtype=torch.float64), groups, seed)


def _mean(values: torch.Tensor, groups: Sequence[str], seed: int) -> Share:
    mean = float(values.mean())
    if len(set(groups)) < 2:
        return Share(mean, None, None)
    found = bootstrap_mean(values, groups, n_resamples=N_RESAMPLES, seed=seed)
    return Share(mean, float(found.low), float(found.high))


def top_shares(view: View) -> dict[str, Share]:
    """Return how often each component, or nothing present, counts most; the most frequent first."""
    ranked = Counter(view.tops).most_common()
    return {name: share([top == name for top in view.tops], view.groups) for name, _ in ranked}


def confusion(view: View) -> list[Cell]:
    """Return the cells that are not empty: by true and predicted label, where the true one is known of any snippet."""
    known = any(snippet.label is not None for snippet in view.snippets)
    held: dict[tuple[str | None, str], list[int]] = {}
    for i, (snippet, predicted) in enumerate(zip(view.snippets, view.predictions, strict=True)):
        held.setdefault((snippet.label if known else None, predicted), []).append(i)
    return [
        Cell(*key, Counter(view.tops[i] for i in rows), Counter(name for i in rows if (name := view.loudest[i]) is not None))
        for key, rows in sorted(held.items(), key=lambda pair: (pair[0][0] or "", -len(pair[1])))
    ]


def energy(view: View) -> Energy | None:
    """Return how often the most important component is the loudest; None where components have no level."""
    pairs = [
        (top, loudest, group)
        for top, loudest, group in zip(view.tops, view.loudest, view.groups, strict=True)
        if loudest is not None
    ]
    if not pairs:
        return None
    agreement = share([top == loudest for top, loudest, _ in pairs], [group for *_, group in pairs])
    first, second = Counter(top for top, *_ in pairs), Counter(loudest for _, loudest, _ in pairs)
    by_chance = sum(first[name] * second[name] for name in first) / len(pairs) ** 2
    return Energy(agreement, by_chance, float(np.mean(1 / view.present.sum(axis=1).clip(1))))


def profiles(insight: Insight, *, most: int | None = None) -> list[Profile]:
    """Return the profile of every target, the most frequently explained first; at most `most`."""
    return [_profile(view) for view in list(insight.by_target.values())[:most]]


def _profile(view: View) -> Profile:
    values = view.values
    counted = np.isfinite(values)
    mean, low, high = (np.full(values.shape[1], np.nan) for _ in range(3))
    for pattern in np.unique(counted.T, axis=0):  # components that the same snippets have are resampled at once
        columns = np.flatnonzero((pattern == counted.T).all(axis=1))
        groups = [group for group, kept in zip(view.groups, pattern, strict=True) if kept]
        if pattern.any():
            mean[columns] = values[np.ix_(pattern, columns)].mean(axis=0)
        if len(set(groups)) >= 2:
            found = bootstrap_mean(torch.from_numpy(values[np.ix_(pattern, columns)]), groups, n_resamples=N_RESAMPLES)
            low[columns], high[columns] = found.low.numpy(), found.high.numpy()
    return Profile(view.name, len(view), len(set(view.groups)), mean, low, high, view.present.sum(axis=0))


def faithfulness(view: View) -> list[Faithful]:
    """Return the correlation over all snippets, then of every group's own, in the order in which they stand."""
    rows: dict[str, list[int]] = {"": list(range(len(view)))}
    for i, group in enumerate(view.groups):
        rows.setdefault(group, []).append(i)
    return [_faithful(view, name, of_group) for name, of_group in rows.items()]


def _faithful(view: View, name: str, rows: list[int]) -> Faithful:
    whole = np.array([(view.explanations[i].score, view.explanations[i].surrogate) for i in rows])
    fresh = np.array([pair for i in rows for pair in view.explanations[i].checks])
    return Faithful(name, len(rows), correlation(whole), correlation(fresh))


def correlation(pairs: Float[np.ndarray, "point 2"]) -> float | None:
    """Return Pearson's r of two columns; None of fewer than three points, or where a column does not vary."""
    if len(pairs) < MIN_POINTS or (np.ptp(pairs, axis=0) <= 1e-9 * np.abs(pairs).max()).any():
        return None
    return float(np.corrcoef(pairs.T)[0, 1])


def separation(insight: Insight) -> dict[str, tuple[float, float, int]]:
    """Return the mean SI-SDR in dB of every separated source, by how much it is better than the mix, and of how many."""
    held: dict[str, list[tuple[float, float]]] = {}
    for snippet in insight.snippets:
        for name, apart, mixed in zip(snippet.names, snippet.si_sdr_db, snippet.si_sdr_mix_db, strict=True):
            if apart is not None and mixed is not None:
                held.setdefault(name, []).append((apart, apart - mixed))
    means = {name: np.mean(pairs, axis=0) for name, pairs in held.items()}
    return {name: (float(mean[0]), float(mean[1]), len(held[name])) for name, mean in means.items()}
