"""RISE: how much higher the score is on average while a component is kept."""

from __future__ import annotations

import math
from functools import partial

import torch

from hearwhy.attribution.rounds import TOLERANCE, Auto, in_rounds
from hearwhy.attribution.sampling import N_SAMPLES, ask, check_n_samples, fits, flipped_pairs, seeded
from hearwhy.types import Estimate, Score


def rise(
    score: Score, shape: tuple[int, ...], *, n_samples: int | Auto = N_SAMPLES, seed: int = 0, tolerance: float = TOLERANCE
) -> Estimate:
    """Return the mean score with each component minus the mean score without it.

    ``values[i] = mean of score where i is kept - mean of score where i is removed``, over random masks that keep each
    component with probability 1/2, each asked with its complement: Banzhaf values, where all masks are asked. Costs
    `n_samples` masks; computed in float64 and returned in float32. Bad at few masks: the score's whole variance is in the
    error of each value, so least squares (lime, kernel_shap) needs fewer.

    Laws: offset and scaling exactly; irrelevance, permutation and symmetry exactly where all masks are asked, otherwise on
    average over seeds. Not efficiency: the values need not sum to anything.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.
    n_samples
        Masks to ask; all of them where they fit. ``"auto"``: as many as `tolerance` takes (see `in_rounds`).
    seed
        Chooses the masks.
    tolerance
        With ``"auto"``, the largest standard error there may be, as a share of the range of values.

    Returns
    -------
    Estimate
        ``values`` (target, *shape), in the unit of the score, positive where the component speaks for the target. ``base``
        is the mean score minus half of the values' sum. ``stderr`` of the same shape as `values`; None where all masks were
        asked.

    Raises
    ------
    ValueError
        `n_samples` is under 4 a component (and under 2**components).

    References
    ----------
    V. Petsiuk, A. Das and K. Saenko, RISE, BMVC 2018. Deviations: components instead of a grid stretched over an image, and
    the mean without the component is taken away, so that a component that does nothing gets 0.

    Examples
    --------
    >>> both = lambda mask: mask.all(dim=1).float()[:, None]
    >>> rise(both, (2,)).values
    tensor([[0.5000, 0.5000]])
    """
    if n_samples == "auto":
        again = partial(rise, shape=shape, seed=seed)
        return in_rounds(lambda asked, n: again(asked, n_samples=n), score, shape, tolerance=tolerance)
    check_n_samples("rise", n_samples, shape)
    exact, every = fits(shape, n_samples), 2 ** (math.prod(shape) - 1)
    masks = flipped_pairs(shape, min(n_samples // 2, every), seeded(seed))
    first, second = ask(score, masks), ask(score, ~masks)  # with every mask its complement: (pair, target)
    signs = 2 * masks.flatten(1).to(torch.float64) - 1
    found = signs[:, None] * (first - second)[:, :, None]  # (pair, target, component): one estimate a pair
    values = found.mean(dim=0)
    base = ((first + second) / 2).mean(dim=0) - values.sum(dim=1) / 2
    left = (1 - len(masks) / every) / len(masks)
    stderr = None if exact else (found.std(dim=0) * math.sqrt(left)).reshape(-1, *shape).float()
    df = len(masks) - 1
    return Estimate(values.reshape(-1, *shape).float(), base.float(), n_calls=2 * len(masks), stderr=stderr, df=df)
