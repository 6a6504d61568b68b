"""Sobol indices: the share of the score's variance that each component has to do with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hearwhy.attribution.rounds import TOLERANCE, Auto, in_rounds
from hearwhy.attribution.sampling import N_SAMPLES, all_masks, ask, check_n_samples, fits, flipped_pairs, seeded
from hearwhy.types import Estimate, Score

LEAST = 1e-24  # a variance under this share of the squared score is rounding: a score that never changes has no shares
FIRST_ROWS = 16  # of the first round where it stops by itself: errors of fewer are too rough to stop at
MAX_GROUPS = 50  # of pairs, that are left out in turn: more would say the same of the spread, and take longer
POOLED = 4  # groups that the mean spread of all components counts for


def sobol(
    score: Score, shape: tuple[int, ...], *, n_samples: int | Auto = N_SAMPLES, seed: int = 0, tolerance: float = TOLERANCE,
    order: Literal["total", "first"] = "total",
) -> Estimate:  # fmt: skip
    """Return the share of the score's variance over random masks that each component has to do with: 0 to 1, unsigned.

    Every component is kept with probability 1/2. ``order="total"``: what of the variance would be gone if all but this one were
    known, ``E[(score(mask) - score(mask with i switched))**2] / (4 variance)``, its interactions included; these sum to 1 or
    more. ``order="first"``: what this one explains alone, ``E[score with i - score without]**2 / (4 variance)``; these sum to
    1 or less, the rest being interactions. A share says how much a component matters and NOT whether it speaks for the
    target or against it: say "matters", never "for", and draw it from 0 upwards in one colour. Costs about
    `n_samples` masks, d + 1 for every random one, which come with their complements; exact where all 2**d fit. Computed in
    float64, returned in float32. Bad at few masks: a share is known to about 0.06 from 100 masks of ten components.

    Laws: offset and irrelevance exactly; permutation and symmetry exactly where all masks are asked, otherwise on average over
    seeds. Not scaling: a share does not change with the unit of the score. Not efficiency: it has no sign.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.
    n_samples
        Masks to ask at most; at least 8 a component: fewer do not know their own error. ``"auto"``: as many as `tolerance`
        takes (see `in_rounds`).
    seed
        Chooses the masks.
    tolerance
        With ``"auto"``, the largest standard error there may be, as a share of the range of values.
    order
        ``"total"`` or ``"first"``.

    Returns
    -------
    Estimate
        ``values`` (target, *shape), shares; the estimate of a small first-order one may fall just under 0. ``base`` 0.
        ``stderr`` of the same shape; None where all masks were asked.

    Raises
    ------
    ValueError
        An unknown order, or `n_samples` is under 8 a component (and under 2**components).

    References
    ----------
    T. Fel et al., Look at the variance! Efficient black-box explanations with Sobol-based sensitivity analysis, NeurIPS 2021;
    M. J. W. Jansen, Analysis of variance designs for model output, Computer Physics Communications 117, 1999. Deviations:
    binary masks, so that the second value of a component is always the other one; components instead of a grid
    stretched over an image; masks with their complements instead of a low-discrepancy sequence; the variance of the additive
    part from its slopes (half the squared error).

    Examples
    --------
    >>> additive = lambda mask: (mask.double() @ torch.tensor([2.0, -1.0], dtype=torch.float64))[:, None]
    >>> sobol(additive, (2,)).values
    tensor([[0.8000, 0.2000]])
    """
    if order not in ("total", "first"):
        raise ValueError(f"sobol knows the orders 'total' and 'first'; got {order!r}.")
    if n_samples == "auto":
        again = partial(sobol, shape=shape, seed=seed, order=order)
        first = FIRST_ROWS * (math.prod(shape) + 1)
        return in_rounds(lambda asked, n: again(asked, n_samples=n), score, shape, tolerance=tolerance, first=first)
    check_n_samples("sobol", n_samples, shape, per_component=8)
    n, exact = math.prod(shape), fits(shape, n_samples)
    pairs = n_samples // (2 * (n + 1))
    masks = all_masks(shape).flatten(1) if exact else _with_complements(flipped_pairs(shape, pairs, seeded(seed)).flatten(1))
    scores = ask(score, masks.reshape(-1, *shape))  # (row, target)
    switched = masks[:, None] ^ torch.eye(n, dtype=torch.bool)  # (row, component, component)
    if exact:  # all masks were asked, in this order: the last has number 0
        others = scores[2**n - 1 - (switched.long() << torch.arange(n)).sum(2)]
    else:
        others = ask(score, switched.reshape(-1, *shape)).reshape(len(masks), n, -1)
    stars = Stars(2 * masks.double() - 1, scores, others)
    values = stars.shares(order, known=exact).T.reshape(-1, *shape).float()
    if exact:
        return Estimate(values, torch.zeros(len(values)), n_calls=len(masks))
    stderr, df = stars.sampling_error(order)
    n_calls = len(masks) * (n + 1)
    return Estimate(values, torch.zeros(len(values)), n_calls, stderr.T.reshape(-1, *shape).float(), df)


def _with_complements(masks: Bool[Tensor, "pair component"]) -> Bool[Tensor, "row component"]:
    return torch.stack([masks, ~masks], dim=1).flatten(0, 1)


@dataclass(frozen=True, eq=False)
class Stars:
    """Masks, each with the d others in which one component is switched; rows 2k and 2k + 1 are complements.

    ``signs`` are 1 where a component is kept and -1 where not.
    """

    signs: Float[Tensor, "row component"]
    scores: Float[Tensor, "row target"]
    others: Float[Tensor, "row component target"]

    def shares(self, order: str, *, known: bool = False) -> Float[Tensor, "component target"]:
        """Return the shares of the variance; `known`: these are all the masks there are, and nothing is left to chance.

        The variance is that of the additive part, the sum of its squared slopes, and of what is left of it: what the slopes
        know, masks that happen to lie on one side do not spoil.
        """
        effect = self.signs[:, :, None] * (self.scores[:, None] - self.others)  # (row, component, target)
        slope = effect.mean(0) / 2
        additive = self.signs @ slope  # (row, target)
        rest = torch.cat([
            (self.scores - additive)[:, None],
            self.others - additive[:, None] + 2 * self.signs[:, :, None] * slope,
        ], 1)  # fmt: skip
        variance = slope.square().sum(0) + rest.var((0, 1), correction=0)
        variance = torch.where(variance > LEAST * self.scores.square().mean(0), variance, math.inf)
        if order == "total":
            return effect.square().mean(0) / 4 / variance
        of_pairs = effect.unflatten(0, (-1, 2)).mean(1) / 2
        chance = 0.0 if known else of_pairs.var(0) / len(of_pairs)  # the square of a mean is by chance too large
        return (slope.square() - chance) / variance

    def sampling_error(self, order: str) -> tuple[Float[Tensor, "component target"], float]:
        """Return the standard errors of the shares, and their degrees of freedom.

        Jackknife: the shares without some of the pairs in turn, for a quotient of few is no sum. Its variance is pooled with
        the mean over the components, for few pairs do not know the spread of each.
        """
        group = torch.arange(len(self.signs)) // 2 % MAX_GROUPS
        n = int(group.max()) + 1
        without = torch.stack([self._only(group != g).shares(order) for g in range(n)])
        spread = without.var(0, correction=0) * (n - 1)
        known = n - 1
        pooled = (known * spread + POOLED * spread.mean(0)) / (known + POOLED)
        return pooled.sqrt(), known + POOLED

    def _only(self, rows: Bool[Tensor, " row"]) -> Stars:
        return Stars(self.signs[rows], self.scores[rows], self.others[rows])
