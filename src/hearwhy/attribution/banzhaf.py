"""Banzhaf values: what each component adds, averaged over all sets of the others alike."""

from __future__ import annotations

import math
from functools import partial

import torch

from hearwhy.attribution.least_squares import least_squares, sampling_error
from hearwhy.attribution.rounds import TOLERANCE, Auto, in_rounds
from hearwhy.attribution.sampling import N_SAMPLES, ask, check_n_samples, fits, flipped_pairs, seeded
from hearwhy.types import Estimate, Score


def banzhaf(
    score: Score, shape: tuple[int, ...], *, n_samples: int | Auto = N_SAMPLES, seed: int = 0, tolerance: float = TOLERANCE
) -> Estimate:
    """Return the Banzhaf values of the components.

    ``values[i] = mean over all sets S of the others of score(S + i) - score(S)``. They are the slopes of the additive model
    nearest to the score over all masks alike; sampled, over pairs of a mask and its complement, of which only the
    difference counts. Steadier than Shapley values where the score is noisy, for no size of mask weighs more than
    another. Costs `n_samples` masks; exact where all 2**d fit. Computed in float64, returned in float32. Bad at many
    components: nearly all masks keep about half, so nothing is learnt of what happens near the recording itself.

    Laws: offset and scaling exactly; irrelevance, permutation and symmetry exactly where all masks are asked, otherwise on
    average over seeds. Not efficiency: nothing makes them sum to the difference of the two ends.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.
    n_samples
        Masks to ask; at least 4 a component. An odd one asks one mask less. ``"auto"``: as many as `tolerance` takes (see
        `in_rounds`).
    seed
        Chooses the masks.
    tolerance
        With ``"auto"``, the largest standard error there may be, as a share of the range of values.

    Returns
    -------
    Estimate
        ``values`` (target, *shape), in the unit of the score, positive where the component speaks for the target. ``base``
        is the mean score minus half of the values' sum. ``stderr`` of the same shape; None where all masks were asked.

    Raises
    ------
    ValueError
        `n_samples` is under 4 a component (and under 2**components).

    References
    ----------
    J. F. Banzhaf, Weighted voting doesn't work, Rutgers Law Review 19, 1965; as least squares: P. L. Hammer and R. Holzman,
    Approximations of pseudo-Boolean functions, ZOR 36, 1992; every mask serves all components: J. T. Wang and R. Jia, Data
    Banzhaf, AISTATS 2023. Deviations: least squares over pairs in place of their means over masks with and without.

    Examples
    --------
    >>> glove = lambda mask: (mask[:, 2] & (mask[:, 0] | mask[:, 1])).float()[:, None]  # gloves: left, left, right
    >>> banzhaf(glove, (3,)).values
    tensor([[0.2500, 0.2500, 0.7500]])
    """
    if n_samples == "auto":
        again = partial(banzhaf, shape=shape, seed=seed)
        return in_rounds(lambda asked, n: again(asked, n_samples=n), score, shape, tolerance=tolerance)
    check_n_samples("banzhaf", n_samples, shape)
    n = math.prod(shape)
    masks = flipped_pairs(shape, min(n_samples // 2, 2 ** (n - 1)), seeded(seed))
    first, second = ask(score, masks), ask(score, ~masks)
    signs = 2 * masks.flatten(1).double() - 1
    fit = least_squares(signs, first - second, torch.ones(len(masks), dtype=torch.float64))
    values = fit.coefficients.T.reshape(-1, *shape)
    base = ((first + second) / 2).mean(dim=0) - fit.coefficients.sum(dim=0) / 2
    stderr = None
    if not fits(shape, n_samples):
        stderr = sampling_error(fit, left=1 - len(masks) / 2 ** (n - 1)).T.reshape(-1, *shape).float()
    return Estimate(values.float(), base.float(), n_calls=2 * len(masks), stderr=stderr, df=fit.df())
