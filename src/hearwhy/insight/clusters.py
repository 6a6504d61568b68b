"""Clusters: explanations that look alike, which is where hidden strategies of a model show."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from hearwhy.insight.views import NOTICEABLE, View

MOST = 8  # clusters that a reader can take in
MIN_SIZE = 5  # snippets for each cluster that is looked for
LEAST_SILHOUETTE = 0.25  # under it there is no structure worth naming: Kaufman & Rousseeuw 1990, table 2
SLACK = 0.05  # of silhouette: halving a good cluster often gains a little, and says nothing new
MAX_JUDGED = 2000  # snippets that a silhouette is computed over: it takes all pairs
N_EXAMPLES = 3


@dataclass(frozen=True, eq=False)
class Clustering:
    """Which explanations look alike.

    Parameters
    ----------
    view
        What was clustered.
    number
        Cluster of every row; 0 is the largest.
    silhouettes
        Mean silhouette by number of clusters that was tried; empty where there were too few snippets to try.
    energy
        Adjusted Rand index with clusters of the same number made of levels alone: 0 as by chance, 1 the same clusters.
    predictions, conditions
        The same with the predicted labels, and with the conditions.
    """

    view: View
    number: Int[np.ndarray, " row"]
    silhouettes: dict[int, float]
    energy: float | None
    predictions: float
    conditions: float

    @cached_property
    def shapes(self) -> Float[np.ndarray, "row component"]:
        """What was clustered: the direction of every explanation."""
        return shapes_of(self.view)

    @property
    def k(self) -> int:
        """How many clusters there are."""
        return int(self.number.max()) + 1

    @property
    def silhouette(self) -> float | None:
        """Of the clusters that there are; None of one."""
        return self.silhouettes.get(self.k)

    @cached_property
    def clusters(self) -> list[Cluster]:
        """Each cluster by itself, the largest first."""
        return [Cluster(self, number) for number in range(self.k)]


@dataclass(frozen=True, eq=False)
class Cluster:
    """One cluster and what sets it apart."""

    of: Clustering
    number: int

    @cached_property
    def rows(self) -> list[int]:
        """Rows of the view."""
        return [int(i) for i in np.flatnonzero(self.of.number == self.number)]

    @property
    def n_groups(self) -> int:
        """From how many groups of recordings they come."""
        return len({self.of.view.groups[i] for i in self.rows})

    @cached_property
    def predictions(self) -> Counter[str]:
        """How often each label is predicted."""
        return Counter(self.of.view.predictions[i] for i in self.rows)

    @cached_property
    def tops(self) -> Counter[str]:
        """How often each component counts most."""
        return Counter(self.of.view.tops[i] for i in self.rows)

    @property
    def n_known(self) -> int:
        """Snippets of which is known whether the model gets them right."""
        return sum(self.of.view.right[i] is not None for i in self.rows)

    @property
    def n_wrong(self) -> int:
        """Snippets that the model gets wrong."""
        return sum(self.of.view.right[i] is False for i in self.rows)

    @property
    def top_is_loudest(self) -> float:
        """Share whose most important component is the loudest."""
        view = self.of.view
        return float(np.mean([view.tops[i] == view.loudest[i] for i in self.rows]))

    @cached_property
    def means(self) -> Float[np.ndarray, " component"]:
        """Mean value of each component over the snippets that have it; NaN where none has."""
        return column_means(self.of.view.values[self.rows])

    @cached_property
    def elsewhere(self) -> Float[np.ndarray, " component"]:
        """The same over all other snippets."""
        return column_means(np.delete(self.of.view.values, self.rows, axis=0))

    @cached_property
    def apart(self) -> int | None:
        """The component whose share of the explanation differs most from the other clusters; None of a single cluster."""
        if self.of.k == 1:
            return None
        shapes = self.of.shapes
        difference = shapes[self.rows].mean(axis=0) - np.delete(shapes, self.rows, axis=0).mean(axis=0)
        return int(np.abs(difference).argmax())

    @property
    def strange(self) -> bool:
        """Whether it deserves a look: mostly wrong, or a label that is a component itself, told by another component."""
        label, n = self.predictions.most_common(1)[0]
        top, n_top = self.tops.most_common(1)[0]
        other = label in self.of.view.names and top != label and top in self.of.view.names
        mostly = 2 * min(n, n_top) > len(self.rows)
        return 2 * self.n_wrong > self.n_known > 0 or (other and mostly)

    @cached_property
    def examples(self) -> list[int]:
        """The rows nearest to its middle, each of another group where there are enough."""
        shapes = self.of.shapes[self.rows]
        nearest = [self.rows[i] for i in np.linalg.norm(shapes - shapes.mean(axis=0), axis=1).argsort(kind="stable")]
        seen: dict[str, int] = {}
        for row in nearest:
            seen.setdefault(self.of.view.groups[row], row)
        return sorted([*seen.values(), *(row for row in nearest if row not in seen.values())][:N_EXAMPLES], key=nearest.index)


def clustering(view: View, *, seed: int = 0) -> Clustering:
    """Return clusters of explanations that look alike, as many as stand apart best.

    k-means on the direction of each explanation (its values divided by their Euclidean length; what is absent or missing
    counts 0), so that it is the recipe that counts and not how sure the model is. From 2 to 8 clusters are tried; the
    smallest number whose mean silhouette is within 0.05 of the best wins, and one cluster stays where the best is under 0.25.

    Parameters
    ----------
    view
        What is clustered.
    seed
        Of the starting points.

    References
    ----------
    S. Lapuschkin et al., Unmasking Clever Hans predictors, Nature Communications 2019 (spectral clustering of maps there; here
    k-means of a few named values). P. Rousseeuw, Silhouettes, 1987.
    """
    shapes = shapes_of(view)
    found, silhouettes = _best(shapes, seed)
    k = int(found.max()) + 1
    levels = None if np.isnan(view.levels_db).all() or k == 1 else _fit(directions(10 ** (view.levels_db / 20)), k, seed)
    return Clustering(
        view, found, silhouettes, None if levels is None else _same(found, levels), _same(found, view.predictions),
        _same(found, [snippet.condition for snippet in view.snippets]),
    )  # fmt: skip


def shapes_of(view: View) -> Float[np.ndarray, "row component"]:
    """Return the direction of every explanation; zeros where no value is noticeable."""
    return directions(view.values, NOTICEABLE[view.insight.scale])


def directions(values: Float[np.ndarray, "row component"], least: float = 0.0) -> Float[np.ndarray, "row component"]:
    """Return rows of length 1; NaN counts 0, and a row with nothing over `least` becomes zeros: it points nowhere."""
    filled = np.nan_to_num(values)
    filled[np.abs(filled).max(axis=1) <= least] = 0
    lengths = np.linalg.norm(filled, axis=1, keepdims=True)
    return filled / np.where(lengths > 0, lengths, 1)


def column_means(values: Float[np.ndarray, "row component"]) -> Float[np.ndarray, " component"]:
    """Return the mean of each column over what is not NaN; NaN where all is."""
    counted = np.isfinite(values)
    n = counted.sum(axis=0)
    return np.where(n > 0, np.nan_to_num(values).sum(axis=0) / n.clip(1), np.nan)


def _best(shapes: Float[np.ndarray, "row component"], seed: int) -> tuple[Int[np.ndarray, " row"], dict[int, float]]:
    from sklearn.metrics import silhouette_score

    different = len(np.unique(shapes.round(6), axis=0))
    most = min(MOST, len(shapes) // MIN_SIZE, different - 1)
    fits = {k: _fit(shapes, k, seed) for k in range(2, most + 1)}
    size = min(MAX_JUDGED, len(shapes))
    silhouettes = {k: float(silhouette_score(shapes, fit, sample_size=size, random_state=seed)) for k, fit in fits.items()}
    best = max(silhouettes.values(), default=0.0)
    if best < LEAST_SILHOUETTE:
        return np.zeros(len(shapes), dtype=np.int64), silhouettes
    return _by_size(fits[min(k for k, height in silhouettes.items() if height >= best - SLACK)]), silhouettes


def _fit(shapes: Float[np.ndarray, "row component"], k: int, seed: int) -> Int[np.ndarray, " row"]:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    k = min(k, len(np.unique(shapes.round(6), axis=0)))
    with threadpool_limits(1):  # sums in one order, so that the clusters are the same everywhere; and so small is faster
        return KMeans(k, n_init=10, random_state=seed % 2**32).fit_predict(shapes).astype(np.int64)


def _by_size(found: Int[np.ndarray, " row"]) -> Int[np.ndarray, " row"]:
    """Number clusters anew, the largest first."""
    order = np.bincount(found).argsort(kind="stable")[::-1]
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[found]


def _same(first: Int[np.ndarray, " row"], second: object) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(first, second))
