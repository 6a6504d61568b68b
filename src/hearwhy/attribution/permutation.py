"""Permutations: what each component adds when components join one after the other, in random orders."""

from __future__ import annotations

import math
from functools import partial

import torch

from hearwhy.attribution.rounds import TOLERANCE, Auto, in_rounds
from hearwhy.attribution.sampling import N_SAMPLES, ask, check_n_samples, fits, seeded
from hearwhy.attribution.shapley import shapley
from hearwhy.types import Estimate, Score

POOLED = 4  # pairs of orders that the mean spread of all components counts for: few orders do not know the spread of each


def permutation(
    score: Score, shape: tuple[int, ...], *, n_samples: int | Auto = N_SAMPLES, seed: int = 0, tolerance: float = TOLERANCE
) -> Estimate:
    """Return an estimate of the Shapley values from random orders of joining, each with its reverse.

    What a component adds when it joins those before it, averaged over orders; the reverse of an order asks the
    complements, which cancels interactions of two exactly. Unbiased at any number of orders, and values of every order
    sum to score(ones) - score(zeros). Costs 2 (d - 1) masks a pair of orders and 2 for the ends, as many pairs as `n_samples`
    allows; where all 2**d masks fit, the exact values. Computed in float64, returned in float32. Bad at few masks: a
    regression over the same number of masks (kernel_shap) has about half the squared error.

    Laws: all of them; efficiency, offset, irrelevance and scaling exactly, the others exactly where all masks are asked
    and otherwise on average over seeds.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.
    n_samples
        Masks to ask at most; at least 4 a component. ``"auto"``: as many as `tolerance` takes (see `in_rounds`).
    seed
        Chooses the orders.
    tolerance
        With ``"auto"``, the largest standard error there may be, as a share of the range of values.

    Returns
    -------
    Estimate
        ``values`` (target, *shape), in the unit of the score, positive where the component speaks for the target.
        ``base`` is score(zeros). ``stderr`` of the same shape, from the spread of the pairs of orders; None where all masks
        were asked.

    Raises
    ------
    ValueError
        `n_samples` is under 4 a component (and under 2**components).

    References
    ----------
    J. Castro, D. Gomez and J. Tejada, Polynomial calculation of the Shapley value based on sampling, Computers and
    Operations Research 36, 2009; reversed orders: R. Mitchell, J. Cooper, E. Frank and G. Holmes, Sampling permutations for
    Shapley value estimation, JMLR 23, 2022. No deviation.

    Examples
    --------
    >>> glove = lambda mask: (mask[:, 2] & (mask[:, 0] | mask[:, 1])).float()[:, None]  # gloves: left, left, right
    >>> permutation(glove, (3,)).values
    tensor([[0.1667, 0.1667, 0.6667]])
    """
    if n_samples == "auto":
        again = partial(permutation, shape=shape, seed=seed)
        return in_rounds(lambda asked, n: again(asked, n_samples=n), score, shape, tolerance=tolerance)
    check_n_samples("permutation", n_samples, shape)
    if fits(shape, n_samples):
        return shapley(score, shape, max_s=math.inf)
    n, generator = math.prod(shape), seeded(seed)
    count = (n_samples - 2) // (2 * (n - 1))
    orders = torch.stack([torch.randperm(n, generator=generator) for _ in range(count)])
    place = orders.argsort(dim=1)  # (order, component): when each joins
    masks = place[:, None, :] < torch.arange(1, n)[:, None]  # (order, masks on the way, component)
    ends = ask(score, torch.stack([torch.ones(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)]))
    flat = masks.reshape(-1, *shape)
    way, back = (ask(score, m).reshape(count, n - 1, -1) for m in (flat, ~flat))
    everything, nothing = (end.expand(count, 1, -1) for end in ends)
    # Joining in order from nothing, and leaving in order from everything: the mean of the two, by place in the order.
    added = torch.cat([way, everything], 1) - torch.cat([nothing, way], 1)
    lost = torch.cat([everything, back], 1) - torch.cat([back, nothing], 1)
    found = ((added + lost) / 2).transpose(1, 2).gather(2, place[:, None, :].expand(-1, ends.shape[1], -1))
    spread = found.var(dim=0)  # (target, component)
    known = count - 1
    pooled = (known * spread + POOLED * spread.mean(dim=1, keepdim=True)) / (known + POOLED)
    stderr = (pooled / count).sqrt().reshape(-1, *shape).float()
    values = found.mean(dim=0).reshape(-1, *shape).float()
    return Estimate(values, ends[1].float(), n_calls=2 + 2 * len(flat), stderr=stderr, df=known + POOLED)
