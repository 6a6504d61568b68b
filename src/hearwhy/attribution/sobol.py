"""Sobol indices: the share of the score's variance that each component has to do with."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.attribution.rounds import TOLERANCE, Auto, in_rounds
from hearwhy.attribution.sampling import N_SAMPLES, all_masks, ask, check_n_samples, coin_flips, fits, seeded
from hearwhy.types import Estimate, Score

LEAST = 1e-24  # a variance under this share of the squared score is rounding: a score that never changes has no shares


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
    `n_samples` masks, d + 1 for every random one; exact where all 2**d fit. Computed in float64, returned in float32. Bad at
    few masks: with fewer than thirty random ones the intervals are too narrow.

    Laws: offset and irrelevance exactly; permutation and symmetry exactly where all masks are asked, otherwise on average over
    seeds. Not scaling: a share does not change with the unit of the score. Not efficiency: it has no sign.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.
    n_samples
        Masks to ask at most; at least 4 a component. ``"auto"``: as many as `tolerance` takes (see `in_rounds`).
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
        An unknown order, or `n_samples` is under 4 a component (and under 2**components).

    References
    ----------
    T. Fel et al., Look at the variance! Efficient black-box explanations with Sobol-based sensitivity analysis, NeurIPS 2021;
    M. J. W. Jansen, Analysis of variance designs for model output, Computer Physics Communications 117, 1999. Deviations:
    binary masks, so that the second value of a component is always the other one; components instead of a grid
    stretched over an image; independent masks instead of a low-discrepancy sequence.

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
        return in_rounds(lambda asked, n: again(asked, n_samples=n), score, shape, tolerance=tolerance)
    check_n_samples("sobol", n_samples, shape)
    n, exact = math.prod(shape), fits(shape, n_samples)
    rows = 2**n if exact else n_samples // (n + 1)
    masks = (all_masks(shape) if exact else coin_flips(shape, rows, seeded(seed))).flatten(1)
    scores = ask(score, masks.reshape(-1, *shape))  # (row, target)
    switched = masks[:, None] ^ torch.eye(n, dtype=torch.bool)  # (row, component, component)
    if exact:  # all masks were asked, in this order: the last has number 0
        others = scores[2**n - 1 - (switched.long() << torch.arange(n)).sum(2)]
    else:
        others = ask(score, switched.reshape(-1, *shape)).reshape(rows, n, -1)
    effect = (2 * masks.double()[:, :, None] - 1) * (scores[:, None] - others)  # (row, component, target)
    values, stderr = _shares(effect, torch.cat([scores[:, None], others], 1), order, exact)
    found = None if exact else stderr.T.reshape(-1, *shape).float()
    n_calls = rows if exact else rows * (n + 1)
    return Estimate(values.T.reshape(-1, *shape).float(), torch.zeros(len(values.T)), n_calls, found, df=rows - 1)


def _shares(
    effect: Float[Tensor, "row component target"], scores: Float[Tensor, "row switch target"], order: str, exact: bool
) -> tuple[Float[Tensor, "component target"], Float[Tensor, "component target"]]:
    """Shares and their standard errors, which take in that the variance is an estimate too."""
    rows = len(scores)
    spread = (scores - scores.mean((0, 1))).square().mean(1) * (1 if exact else rows / (rows - 1))  # (row, target)
    variance = spread.mean(0)
    variance = torch.where(variance > LEAST * scores.square().mean((0, 1)), variance, math.inf)
    moved = effect.square().mean(0)
    if order == "first":  # the square of a mean, which by chance is too large
        moved = effect.mean(0).square() - (0.0 if exact else effect.var(0) / rows)

    def without(each: Tensor) -> Tensor:
        return (each.sum(0) - each) / max(1, rows - 1)

    # Jackknife: the shares without each row in turn, for a quotient of few rows is no sum.
    others = without(effect.square()) if order == "total" else without(effect).square()
    varied = (others / 4 / without(spread).clamp(min=1e-300)[:, None]).std(0) * (rows - 1) / math.sqrt(rows)
    return moved / 4 / variance, torch.where(variance < math.inf, varied, 0.0)
