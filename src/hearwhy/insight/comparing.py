"""Comparing: whether two ways of asking give the same answers, as of true and of separated sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hearwhy.insight.rows import Explanation, Snippet
from hearwhy.insight.statistics import Share, correlation, share
from hearwhy.insight.views import Insight, View


@dataclass(frozen=True)
class Alike:
    """How alike the values of one component are: Pearson's r (None: it cannot be told), and the mean of each side."""

    name: str
    n: int
    r: float | None
    mean: float
    mean_beside: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """How alike two insights are.

    Parameters
    ----------
    beside
        The other one.
    n
        Explanations of the same target of the same snippet that both have.
    same_top
        How often both name the same component as the most important, or nothing.
    components
        Those that both have, by name.
    """

    beside: Insight
    n: int
    same_top: Share
    components: tuple[Alike, ...]


def compare(first: Insight, beside: Insight) -> Comparison:
    """Return how alike two insights are on the snippets, targets and components that they share.

    Parameters
    ----------
    first, beside
        Of the same dataset, cut into the same snippets.

    Raises
    ------
    ValueError
        They share no explanation.
    """
    others = {(s.key, e.target): (s, e) for s in beside.snippets for e in s.explanations}
    pairs = [
        ((s, e), others[s.key, e.target])
        for s in first.snippets
        for e in s.explanations
        if (s.key, e.target) in others and s.start_s == others[s.key, e.target][0].start_s
    ]
    if not pairs:
        raise ValueError(
            f"Nothing of {first.about['data']} was asked in both, so they cannot be compared; ask about the same snippets "
            "and targets of the same dataset."
        )
    own, other = _view(first, [pair[0] for pair in pairs]), _view(beside, [pair[1] for pair in pairs])
    same = share([a == b for a, b in zip(own.tops, other.tops, strict=True)], own.groups)
    shared = [name for name in own.names if name in other.names]
    return Comparison(beside, len(pairs), same, tuple(_alike(own, other, name) for name in shared))


def _view(insight: Insight, rows: list[tuple[Snippet, Explanation]]) -> View:
    return View(insight, "what both were asked", tuple(s for s, _ in rows), tuple(e for _, e in rows))


def _alike(own: View, other: View, name: str) -> Alike:
    columns = [view.values[:, view.names.index(name)] for view in (own, other)]
    pairs = np.stack(columns, axis=1)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    means = pairs.mean(axis=0) if len(pairs) else (np.nan, np.nan)
    return Alike(name, len(pairs), correlation(pairs), float(means[0]), float(means[1]))
