"""How sure a table is: intervals and tests over source recordings, not over clips, and Holm's correction.

Clips cut from one source recording are alike, so it is the source (ESC's clip id) that is drawn or flipped, with all its clips.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.attribution.sampling import seeded

N_RESAMPLES = 10_000
_MAX_CELLS = 2**22  # of resamples x groups at a time: 32 MiB


@dataclass(frozen=True, eq=False)
class Interval:
    """A mean over recordings, and how far it may be off.

    Parameters
    ----------
    mean
        Mean over all units, one a column.
    low, high
        Ends of the percentile interval.
    p
        Two-sided p value from the resamples that the true mean is 0.
    n_groups
        How many groups were resampled.
    """

    mean: Float[Tensor, "*column"]
    low: Float[Tensor, "*column"]
    high: Float[Tensor, "*column"]
    p: Float[Tensor, "*column"]
    n_groups: int


def bootstrap_mean(
    values: Float[Tensor, " unit *column"],
    groups: Sequence[Hashable],
    *,
    n_resamples: int = N_RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean over units with a percentile interval from resampling whole groups.

    Each resample draws as many groups as there are, with replacement, and takes the mean over all their units. All columns
    share their draws, so they may be subtracted. ``p = 2 (1 + min(#{mean* <= 0}, #{mean* >= 0})) / (1 + n_resamples)``, at most
    1. Cost: n_resamples x groups numbers, in chunks. The percentile interval is a little narrow below some 20 groups.

    Parameters
    ----------
    values
        One row a unit, any columns, finite.
    groups
        The group of each unit, such as its source recording; at least two different ones.
    n_resamples
        How many resamples.
    confidence
        Share of the resampled means between `low` and `high`.
    seed
        The same seed gives the same interval, to the bit.

    Returns
    -------
    Interval
        float64, one value a column.

    Raises
    ------
    ValueError
        Values are not finite, or there are fewer than two groups, or not one a unit.

    References
    ----------
    Efron & Tibshirani 1993, chapter 13; resampling clusters, Davison & Hinkley 1997, section 3.8.

    Examples
    --------
    >>> interval = bootstrap_mean(torch.tensor([1.0, 2.0, 3.0, 4.0]), ["a", "b", "c", "d"])
    >>> interval.mean, interval.low, interval.high
    (tensor(2.5000, dtype=torch.float64), tensor(1.5000, dtype=torch.float64), tensor(3.5000, dtype=torch.float64))
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, such as 0.95; got {confidence!r}.")
    sums, sizes = _by_group(values, groups)
    counts = _draws(len(sizes), n_resamples, seed)
    means = torch.cat([(drawn @ sums) / (drawn @ sizes)[:, None] for drawn in counts])
    tail = (1 - confidence) / 2
    low, high = torch.quantile(means, torch.tensor([tail, 1 - tail], dtype=torch.float64), dim=0)
    beyond = torch.minimum((means <= 0).sum(0), (means >= 0).sum(0))
    p = (2 * (1 + beyond.to(torch.float64)) / (1 + n_resamples)).clamp(max=1)
    column = values.shape[1:]
    return Interval(values.to(torch.float64).mean(0), low.reshape(column), high.reshape(column), p.reshape(column), len(sizes))


def bootstrap_difference(
    first: Float[Tensor, " unit *column"],
    second: Float[Tensor, " unit *column"],
    groups: Sequence[Hashable],
    *,
    n_resamples: int = N_RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of first minus second over the same units, with a paired interval: see `bootstrap_mean`.

    Parameters
    ----------
    first, second
        One row a unit, the same units in the same order.
    groups, n_resamples, confidence, seed
        As in `bootstrap_mean`.

    Returns
    -------
    Interval
        float64, one value a column.

    Raises
    ------
    ValueError
        Shapes differ; or as `bootstrap_mean`.

    Examples
    --------
    >>> bootstrap_difference(torch.tensor([3.0, 5.0]), torch.tensor([1.0, 3.0]), ["a", "b"]).mean
    tensor(2., dtype=torch.float64)
    """
    if first.shape != second.shape:
        raise ValueError(
            f"A paired difference needs the same units on both sides; got {tuple(first.shape)} and {tuple(second.shape)}."
        )
    difference = first.to(torch.float64) - second.to(torch.float64)
    return bootstrap_mean(difference, groups, n_resamples=n_resamples, confidence=confidence, seed=seed)


def sign_flip_p(
    differences: Float[Tensor, " unit *column"], groups: Sequence[Hashable], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> Float[Tensor, "*column"]:
    """Two-sided p value of a mean paired difference, from flipping the sign of whole groups.

    If neither side is better, a group's differences are as likely with the other sign: the p value is the share of sign
    patterns whose mean is at least as far from 0 as the one seen. All 2**groups patterns where those are at most
    `n_resamples`, exactly; otherwise ``(1 + #{as far}) / (1 + n_resamples)`` of random ones. The smallest p value is
    2**(1 - groups) or 1 / (1 + n_resamples). Differences that are all 0 give 1.

    Parameters
    ----------
    differences
        One row a unit, any columns, finite.
    groups
        The group of each unit; at least two different ones.
    n_resamples
        How many patterns to draw where not all are tried.
    seed
        The same seed gives the same p value, to the bit.

    Returns
    -------
    Tensor
        One p value a column, float64.

    Raises
    ------
    ValueError
        Values are not finite, or there are fewer than two groups, or not one a unit.

    References
    ----------
    Fisher 1935; scipy ``permutation_test(permutation_type="samples")`` with one unit a group.

    Examples
    --------
    >>> sign_flip_p(torch.tensor([1.0, 1.0, 1.0]), ["a", "b", "c"])  # only + + + and - - - are as far: 2 of 8
    tensor(0.2500, dtype=torch.float64)
    """
    sums, sizes = _by_group(differences, groups)
    n, exact = len(sizes), 2 ** len(sizes) <= n_resamples
    seen, slack = sums.sum(0).abs(), 1e-12 * sums.abs().sum(0)  # sums in another order differ by a rounding
    as_far = torch.zeros(sums.shape[1], dtype=torch.float64)
    total = 2**n if exact else n_resamples
    generator = seeded(seed)
    for first, rows in _chunks(total, n):
        if exact:
            bits = (torch.arange(first, first + rows)[:, None] >> torch.arange(n)) & 1
        else:
            bits = torch.randint(2, (rows, n), generator=generator)
        as_far += (((1 - 2 * bits).to(torch.float64) @ sums).abs() >= seen - slack).sum(0)
    p = as_far / total if exact else (1 + as_far) / (1 + total)
    return p.reshape(differences.shape[1:])


def holm(p: Float[Tensor, " test"]) -> Float[Tensor, " test"]:
    """P values corrected for how many there are, so that all of them together err at the level of one.

    Sorted upwards, the i-th of m (from 0) is multiplied by m - i, never below the one before it, never above 1. Needs no
    independence; never weaker than Bonferroni's.

    Parameters
    ----------
    p
        P values of one family of tests, (test,).

    Returns
    -------
    Tensor
        Corrected p values in the order given, float64.

    Raises
    ------
    ValueError
        A p value is not from 0 to 1.

    References
    ----------
    Holm 1979.

    Examples
    --------
    >>> holm(torch.tensor([0.01, 0.04, 0.03], dtype=torch.float64))
    tensor([0.0300, 0.0600, 0.0600], dtype=torch.float64)
    """
    p = torch.as_tensor(p).to(torch.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"Holm's correction takes a list of p values from 0 to 1; got {p.tolist()}.")
    if not len(p):
        return p
    order = p.argsort(stable=True)
    stepped = (p[order] * torch.arange(len(p), 0, -1)).cummax(0).values.clamp(max=1)
    return torch.empty_like(p).scatter_(0, order, stepped)


def _by_group(values: Tensor, groups: Sequence[Hashable]) -> tuple[Tensor, Tensor]:
    """Sums (group, column) and sizes (group,), float64, in the order in which groups first appear."""
    names = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    if not values.ndim or len(groups) != len(values) or len(names) < 2:
        raise ValueError(
            f"Resampling needs one group a unit and at least 2 different ones; got {len(groups)} group names, {len(names)} of "
            f"them different, for values {tuple(values.shape)}."
        )
    if not torch.isfinite(values).all():
        raise ValueError(
            f"{int((~torch.isfinite(values)).sum())} values are NaN or infinite; leave out such units on both sides first."
        )
    flat, index = (
        values.detach().to("cpu", torch.float64).reshape(len(values), -1),
        torch.tensor([names[name] for name in groups]),
    )
    sums = torch.zeros(len(names), flat.shape[1], dtype=torch.float64).index_add_(0, index, flat)
    return sums, torch.bincount(index, minlength=len(names)).to(torch.float64)


def _draws(n_groups: int, n_resamples: int, seed: int) -> Iterator[Tensor]:
    """How often each group is drawn, (resample, group), chunk by chunk."""
    generator = seeded(seed)
    for _, rows in _chunks(n_resamples, n_groups):
        drawn = torch.randint(n_groups, (rows, n_groups), generator=generator)
        counts = torch.zeros(rows, n_groups, dtype=torch.float64)
        yield counts.scatter_add_(1, drawn, torch.ones_like(counts))


def _chunks(rows: int, width: int) -> Iterator[tuple[int, int]]:
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise ValueError(f"n_resamples must be a whole number from 1; got {rows!r}.")
    step = max(1, _MAX_CELLS // width)
    return ((first, min(step, rows - first)) for first in range(0, rows, step))
