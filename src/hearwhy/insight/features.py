"""Features: what many explanations of values say together: which values count, for which class, and how it hangs on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from hearwhy.insight.statistics import N_RESAMPLES
from hearwhy.insight.views import Insight, View
from hearwhy.metrics.statistics import bootstrap_mean

Array = NDArray[np.float64]

N_SHOWN = 20  # features that the tutorial's summary plot shows
LEAST_CLIPS = 12  # from which on it is asked which other feature goes with a value
N_SHUFFLES = 200
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Mean:
    """A mean over clips, one a feature, and how far it may be off.

    Parameters
    ----------
    mean
        The mean.
    low, high
        Its 95 % interval from resampling whole recordings, which holds the error of sampling masks, too; NaN for fewer than
        two recordings.
    sampling
        The standard error that comes of sampling masks alone: what more masks would take away; 0 where values are exact.
    """

    mean: Array
    low: Array
    high: Array
    sampling: Array

    @staticmethod
    def of(values: Array, stderr: Array, groups: list[str]) -> Mean:
        """Return the mean of rows (clip, feature) whose standard errors from sampling masks are known."""
        sampling = np.sqrt(np.square(stderr).sum(axis=0)) / len(stderr)  # every clip has masks of its own
        if len(set(groups)) < 2:
            unknown = np.full(values.shape[1], np.nan)
            return Mean(values.mean(axis=0), unknown, unknown, sampling)
        found = bootstrap_mean(torch.from_numpy(values), groups, n_resamples=N_RESAMPLES)
        return Mean(values.mean(axis=0), found.low.numpy(), found.high.numpy(), sampling)


@dataclass(frozen=True, eq=False)
class Importance:
    """How much each feature counts for one class, over the clips that were explained for it.

    Parameters
    ----------
    view
        Those clips.
    size
        Of |value|: how much a feature moves the score, to whichever side.
    sign
        Of the values themselves: whether it speaks for the class or against it.
    """

    view: View
    size: Mean
    sign: Mean


@dataclass(frozen=True)
class Partner:
    """The feature whose value goes with how another one's value counts.

    Parameters
    ----------
    feature
        Its number.
    r
        Correlation of (own - mean) * (partner - mean) with what a parabola in the own value leaves of its effect.
    by_chance
        What the largest |r| of all features stays under in 95 % of shufflings of the clips.
    """

    feature: int
    r: float
    by_chance: float

    @property
    def stands_out(self) -> bool:
        """Whether it is more than chance gives the best of so many."""
        return abs(self.r) > self.by_chance


@dataclass(frozen=True, eq=False)
class Features:
    """An insight whose components are values of features.

    Parameters
    ----------
    insight
        What was found; `hearwhy.insight.views.Insight.of_values` says whether its components are values.
    """

    insight: Insight

    @property
    def names(self) -> tuple[str, ...]:
        """The features."""
        return self.insight.names

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """What was explained, in the order of the model's labels."""
        place = {label: i for i, label in enumerate(self.insight.labels)}
        return tuple(sorted(self.insight.by_target, key=lambda target: place.get(target, len(place))))

    @cached_property
    def classes(self) -> dict[str, Importance]:
        """How much each feature counts for each class."""
        return {target: _importance(self.insight.by_target[target]) for target in self.targets}

    @cached_property
    def parts(self) -> Array:
        """(class, feature): what each class adds to `total`; the pieces of the summary plot's bars."""
        return np.stack([np.abs(self.classes[target].view.values).sum(axis=0) for target in self.targets]) / len(self._rows)

    @cached_property
    def total(self) -> Mean:
        """Mean over all clips of |value|, summed over the classes that a clip was explained for.

        Classes are explained from the same masks, so that their errors may go together: `sampling` takes them to do so fully,
        which is the most it can be.
        """
        sums, errors = np.zeros((2, len(self._rows), len(self.names)))
        for one in self.classes.values():
            rows = [self._rows[snippet.key] for snippet in one.view.snippets]
            sums[rows] += np.abs(one.view.values)
            errors[rows] += one.view.stderr
        return Mean.of(sums, errors, [snippet.group for snippet in self.insight.snippets])

    @cached_property
    def ranked(self) -> list[int]:
        """Features, the one that counts most first."""
        return [int(i) for i in np.argsort(-self.total.mean, kind="stable")]

    @cached_property
    def sampling(self) -> float | None:
        """Median over all explanations of the sampling error, relative to the values; None where they are exact.

        ``|stderr| / |values|``, Euclidean lengths over the features. Explanations in which nothing counts are left out.
        """
        found = [
            float(np.linalg.norm(e.stderr) / np.linalg.norm(e.values))
            for snippet in self.insight.snippets
            for e in snippet.explanations
            if e.stderr is not None and np.any(e.values)
        ]
        return float(np.median(found)) if found else None

    def partner(self, target: str, feature: int) -> Partner | None:
        """Return what goes with how a feature counts for a class; None of too few clips, or where nothing varies."""
        view = self.classes[target].view
        return partner(view.own, view.values[:, feature], feature)

    @cached_property
    def _rows(self) -> dict[tuple[str, str, int], int]:
        return {snippet.key: i for i, snippet in enumerate(self.insight.snippets)}


def _importance(view: View) -> Importance:
    size = Mean.of(np.abs(view.values), view.stderr, view.groups)
    return Importance(view, size, Mean.of(view.values, view.stderr, view.groups))


def partner(own: Array, values: Array, feature: int) -> Partner | None:
    """Return the feature with which the effect of another one changes most.

    Where a score holds a product of two values, the one's Shapley value holds the product of how far both lie from what is
    usual. So what a parabola in the own value leaves of the effect is held against that product, for every other feature.

    Parameters
    ----------
    own
        Values of the features, (clip, feature).
    values
        What the one feature adds to the score, (clip,).
    feature
        Its number.

    References
    ----------
    shap's ``approximate_interactions`` serves the same end with correlations within bins of the own value. Deviations: one fit
    over all clips, since few clips fill no bins, and a bar that chance seldom reaches.
    """
    if len(own) < LEAST_CLIPS or own.shape[1] < 2:
        return None
    x = _scaled(own[:, [feature]])
    design = np.hstack([np.ones_like(x), x, x**2])
    left = _unit(_without(design, _scaled(values[:, None])))
    products = _unit(_without(design, x * _scaled(own)))
    products[:, feature] = 0
    r = (left.T @ products)[0]
    best = int(np.abs(r).argmax())
    if r[best] == 0:
        return None
    shuffled = np.random.default_rng(0).permuted(np.tile(left[:, 0], (N_SHUFFLES, 1)), axis=1)
    largest = np.abs(shuffled @ products).max(axis=1)
    return Partner(best, float(r[best]), float(np.quantile(largest, LEVEL)))


def _scaled(columns: Array) -> Array:
    """Columns of mean 0 and standard deviation 1; zeros where one does not vary."""
    centred, spread = columns - columns.mean(axis=0), columns.std(axis=0)
    return np.where(spread > 1e-9 * np.abs(columns).max(initial=0), centred / np.where(spread > 0, spread, 1), 0.0)


def _without(design: Array, columns: Array) -> Array:
    return columns - design @ np.linalg.lstsq(design, columns, rcond=None)[0]


def _unit(columns: Array) -> Array:
    """Columns of length 1; zeros where nothing but rounding is left."""
    length = np.linalg.norm(columns, axis=0)
    return np.where(length > 1e-6 * np.sqrt(len(columns)), columns / np.where(length > 0, length, 1), 0.0)
