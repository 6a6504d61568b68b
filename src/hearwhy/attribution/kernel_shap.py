"""Kernel SHAP: Shapley values from a sample of the masks, by weighted least squares."""

from __future__ import annotations

import math

import torch

from hearwhy.attribution.least_squares import least_squares, sampling_error
from hearwhy.attribution.sampling import N_SAMPLES, ask, check_n_samples, fits, kernel_pairs, seeded
from hearwhy.types import Estimate, Score


def kernel_shap(score: Score, shape: tuple[int, ...], *, n_samples: int = N_SAMPLES, seed: int = 0) -> Estimate:
    """Return an estimate of the Shapley values from `n_samples` masks.

    The Shapley values minimise ``sum over S of w(S) (score(S) - base - sum of values in S)**2`` under the constraint
    that they sum to score(ones) - score(zeros), w being the Shapley kernel. Here the sum runs over a sample, every
    mask with its complement, spread over the sizes and without repeats; the constraint holds exactly, and there is no
    l1 penalty, so no component is dropped. Where all 2**d masks fit into `n_samples` the result is exact. Solved in
    float64, returned in float32. Costs `n_samples` masks. Bad at: fewer than about 10 masks a component, when values
    that are nearly equal change places from seed to seed (`stderr` shows it); and, as exact values are, at masks
    unlike anything the model ever heard.

    Laws: all of them; efficiency, offset and scaling exactly, the others exactly where all masks are asked and
    otherwise on average over seeds, for a different draw of masks gives slightly different values.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.
    n_samples
        Masks to ask, all ones and all zeros included; at least 4 a component. An odd one asks one mask less.
    seed
        Chooses the masks.

    Returns
    -------
    Estimate
        ``values`` (target, *shape), in the unit of the score, positive where the component speaks for the target.
        ``base`` is score(zeros). ``stderr`` of the same shape as `values`; None where all masks were asked. It is read
        off the residuals of one run (see `sampling_error` for how well).

    Raises
    ------
    ValueError
        `n_samples` is under 4 a component (and under 2**components).

    References
    ----------
    S. Lundberg and S.-I. Lee, A unified approach to interpreting model predictions, NeurIPS 2017; paired sampling: I.
    Covert and S.-I. Lee, Improving KernelSHAP, AISTATS 2021; more weight for the middle sizes, without replacement:
    C. Musco and R. T. Witter, Provably accurate Shapley value estimation via leverage score sampling,
    arXiv:2410.01917. Deviations: the number of pairs of each size is fixed, between the kernel's own and the leverage
    scores' (see `kernel_pairs`); no l1; the standard error is a sandwich over pairs with finite population
    correction.

    Examples
    --------
    >>> glove = lambda mask: (mask[:, 2] & (mask[:, 0] | mask[:, 1])).float()[:, None]  # gloves: left, left, right
    >>> kernel_shap(glove, (3,)).values
    tensor([[0.1667, 0.1667, 0.6667]])
    """
    check_n_samples("kernel_shap", n_samples, shape)
    n = math.prod(shape)
    pairs = kernel_pairs(n, n_samples // 2 - 1, seeded(seed))
    masks = pairs.masks.reshape(-1, *shape)
    ends = torch.stack([torch.ones(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)])
    everything, nothing = ask(score, ends)
    gap = everything - nothing  # (target,)
    # Within a pair only the difference depends on the values: score(S) - score(not S) ~ signs @ values. What remains of
    # the values beyond gap / n sums to 0, so it is fitted on signs without their mean.
    signs = 2 * pairs.masks.to(torch.float64) - 1
    mean = signs.mean(dim=1, keepdim=True)
    difference = ask(score, masks) - ask(score, ~masks) if len(masks) else torch.zeros(0, len(gap), dtype=torch.float64)
    fit = least_squares(signs - mean, difference - mean * gap, pairs.weight)
    values = (gap / n + fit.coefficients).T.reshape(-1, *shape)
    stderr = None
    if not fits(shape, n_samples):
        stderr = sampling_error(fit, left=pairs.left[:, None]).T.reshape(-1, *shape).float()
    return Estimate(values.float(), nothing.float(), n_calls=2 + 2 * len(masks), stderr=stderr)
