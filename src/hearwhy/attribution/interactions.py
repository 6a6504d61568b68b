"""Interactions: what every two components do together beyond what each does alone."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hearwhy.attribution.sampling import (
    N_SAMPLES,
    KernelPairs,
    all_masks,
    ask,
    check_n_samples,
    fits,
    kernel_pairs,
    rows_a_chunk,
    seeded,
)
from hearwhy.types import InteractionEstimate, Score

N_FOLDS = 5
PENALTIES = torch.logspace(-6, 2, 17, dtype=torch.float64)  # tried for the quadratic fit, relative to its mean eigenvalue


def interactions(score: Score, shape: tuple[int, ...], *, n_samples: int = N_SAMPLES, seed: int = 0) -> InteractionEstimate:
    """Return the Shapley interaction index of every two components.

    ``values[i, j] = sum over masks S without i and j of |S|! (d - |S| - 2)! / (d - 1)! * (score(S + i + j) - score(S + i)
    - score(S + j) + score(S))``: what the second adds more (or less) because the first is there, averaged over all
    orders of joining. Costs all 2**d masks, and is exact, where they fit into `n_samples`; otherwise that many, every one
    asked with its complement, as the index depends on the mean of the two alone. Then a quadratic model is fitted to
    four fifths of the pairs at a time, its own index is exact, and what it misses on the other fifth is averaged by size of
    mask and added: unbiased whatever the model misses. Computed in float64, returned in float32. Bad at: as many pairs of
    components as masks, when `stderr` is as large as the values.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.
    n_samples
        Masks to ask; at least 4 a component.
    seed
        Chooses the masks.

    Returns
    -------
    InteractionEstimate
        ``values`` (target, component, component) over the flattened components, symmetric with a zero diagonal, in the unit
        of the score; ``stderr`` alike, None where all masks were asked.

    Raises
    ------
    ValueError
        `n_samples` is under 4 a component (and under 2**components).

    References
    ----------
    M. Grabisch and M. Roubens, An axiomatic approach to the concept of interaction among players in cooperative games,
    International Journal of Game Theory 28, 1999. Sampled as in F. Fumagalli et al., SHAP-IQ, NeurIPS 2023, with the
    regression adjustment of R. T. Witter, Y. Liu and C. Musco, arXiv:2506.11849; deviations: pairs, strata without repeats,
    a quadratic model.

    Examples
    --------
    >>> both = lambda mask: mask.all(dim=1).float()[:, None]  # worth something only together
    >>> interactions(both, (2,)).values
    tensor([[[0., 1.],
             [1., 0.]]])
    """
    check_n_samples("interactions", n_samples, shape)
    n = math.prod(shape)
    if fits(shape, n_samples):
        return InteractionEstimate(_exact(score, shape).float(), n_calls=2**n)
    pairs = kernel_pairs(n, n_samples // 2 - 1, seeded(seed))
    masks = torch.cat([torch.ones(1, n, dtype=torch.bool), pairs.masks])
    even = (ask(score, masks.reshape(-1, *shape)) + ask(score, ~masks.reshape(-1, *shape))) / 2  # (1 + pair, target)
    values, variance = _sampled(pairs, even, seed)
    stderr = _square(variance.clamp(min=0).sqrt(), n)
    return InteractionEstimate(_square(values, n).float(), n_calls=2 * len(masks), stderr=stderr.float())


def _exact(score: Score, shape: tuple[int, ...]) -> Float[Tensor, "target component component"]:
    n, found = math.prod(shape), torch.zeros(())
    if n == 1:
        return torch.zeros(ask(score, all_masks(shape)).shape[1], 1, 1, dtype=torch.float64)
    for masks in all_masks(shape).split(rows_a_chunk(shape)):
        flat = masks.flatten(1)
        counts = torch.stack([_share(flat[:, i], flat[:, j], flat.sum(1), n) for i, j in zip(*_couples(n), strict=True)], dim=1)
        every = torch.tensor([math.comb(n, int(s)) for s in range(n + 1)], dtype=torch.float64)[flat.sum(1)]
        found = found + ask(score, masks).T @ (counts / every[:, None])
    return _square(found, n)


def _sampled(
    pairs: KernelPairs, even: Float[Tensor, "row target"], seed: int
) -> tuple[Float[Tensor, "target couple"], Float[Tensor, "target couple"]]:
    """The index and its variance; the first row of `even` belongs to the two ends."""
    n, size = pairs.masks.shape[1], pairs.masks.sum(1)
    first, second = _couples(n)
    signs = 2 * pairs.masks.double() - 1
    design = signs[:, first] * signs[:, second]  # (pair, couple)
    fold = torch.randperm(len(size), generator=seeded(seed)) % N_FOLDS
    model = [_quadratic(design, even[1:], pairs.weight * (fold != k)) for k in range(N_FOLDS)]
    said = torch.stack([level + design @ c for c, level in model])  # (fold, pair, target)
    mean_model, left = said.mean(0), pairs.left[:, None]
    # What is left over of a pair that every fold knew of counts in full; of one that stands for others, as unseen.
    missed = even[1:] - (1 - left) * mean_model - left * said[fold, torch.arange(len(size))]
    share = torch.stack([_share(pairs.masks[:, i], pairs.masks[:, j], size, n) for i, j in zip(first, second, strict=True)], 1)
    share = share * torch.where(2 * size == n, 1.0, 2.0)[:, None] / torch.bincount(size)[size][:, None]
    coefficients = torch.stack([c for c, _ in model]).mean(0)
    ends = (even[0] - torch.stack([c.sum(0) + level for c, level in model]).mean(0)) * 2 / (n - 1)
    values = 4 * coefficients.T + ends[:, None] + missed.T @ share
    return values, (missed.square() * left).T @ share.square()


def _quadratic(
    design: Float[Tensor, "pair couple"], even: Float[Tensor, "pair target"], weights: Float[Tensor, " pair"]
) -> tuple[Float[Tensor, "couple target"], Float[Tensor, " target"]]:
    """Ridge coefficients of the products of two signs, and the level; the penalty is what predicts left-out pairs best."""
    share = weights / weights.sum()
    centre, level = share @ design, share @ even
    root = share.sqrt()[:, None]
    u, s, v = torch.linalg.svd(root * (design - centre), full_matrices=False)
    target = u.T @ (root * (even - level))  # (rank, target)
    best = torch.full((even.shape[1],), math.inf, dtype=torch.float64)
    coefficients = torch.zeros(design.shape[1], even.shape[1], dtype=torch.float64)
    for penalty in PENALTIES * s.square().mean():
        kept = s.square() / (s.square() + penalty)
        fitted = u @ (kept[:, None] * target)
        slack = (1 - u.square() @ kept - share).clamp(min=1e-9)[:, None]
        error = ((root * (even - level) - fitted) / slack).square().sum(0)
        solved = v.T @ ((s / (s.square() + penalty))[:, None] * target)
        coefficients, best = torch.where(error < best, solved, coefficients), torch.minimum(error, best)
    return coefficients, level - centre @ coefficients


def _share(first: Bool[Tensor, " mask"], second: Bool[Tensor, " mask"], size: Tensor, n: int) -> Float[Tensor, " mask"]:
    """What a mask of this size counts for two components, times how many masks of the size there are."""
    s = size.double()
    both, one, none = n / (s * (s - 1)), -n / (s * (n - s)), n / ((n - s) * (n - s - 1))
    return torch.where(first & second, both, torch.where(first | second, one, none))


def _couples(n: int) -> tuple[Tensor, Tensor]:
    first, second = torch.triu_indices(n, n, offset=1)
    return first, second


def _square(values: Float[Tensor, "target couple"], n: int) -> Float[Tensor, "target component component"]:
    square = torch.zeros(len(values), n, n, dtype=values.dtype)
    first, second = _couples(n)
    square[:, first, second] = square[:, second, first] = values
    return square
