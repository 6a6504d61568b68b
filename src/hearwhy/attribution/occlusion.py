"""Occlusion: what the score loses when one component is taken away."""

from __future__ import annotations

import math

import torch

from hearwhy.attribution.sampling import ask, leave_one_out
from hearwhy.types import Estimate, Score


def occlusion(score: Score, shape: tuple[int, ...]) -> Estimate:
    """Return the score lost by removing each component alone.

    ``values[t, i] = score(ones)[t] - score(ones without i)[t]``, computed in float64 and returned in float32. Costs
    1 + n_components masks and is easy to read aloud. Bad at redundancy: of two components that carry the same
    evidence neither is missed, and both get 0.

    Laws: offset, irrelevance, scaling, permutation and symmetry, exactly. Not efficiency: what two components do
    together is counted twice or not at all, so the values need not sum to anything.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.

    Returns
    -------
    Estimate
        ``values`` (target, *shape), in the unit of the score, positive where the component speaks for the target.
        ``base`` is ``score(ones) - values.sum()``, so that the additive explanation is right for the recording as it
        is; it is NOT ``score(zeros)``, which is never asked. ``stderr`` None: nothing is sampled.

    References
    ----------
    M. D. Zeiler and R. Fergus, Visualizing and understanding convolutional networks, ECCV 2014, section 4. Deviations:
    components instead of a square that slides over an image, and the difference of scores instead of the score.

    Examples
    --------
    >>> additive = lambda mask: (mask.double() @ torch.tensor([2.0, -1.0], dtype=torch.float64))[:, None]
    >>> occlusion(additive, (2,)).values
    tensor([[ 2., -1.]])
    """
    everything = ask(score, torch.ones(1, *shape, dtype=torch.bool))  # (1, target)
    without = torch.cat([ask(score, masks) for masks in leave_one_out(shape)])
    values = (everything - without).T  # (target, component)
    base = everything[0] - values.sum(dim=1)
    return Estimate(values.reshape(-1, *shape).float(), base.float(), n_calls=1 + math.prod(shape))
