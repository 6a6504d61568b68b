"""Integrated gradients: the slope of the score in each component, averaged while all are faded in together."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from numpy.polynomial.legendre import leggauss
from torch import Tensor

from hearwhy.attribution.sampling import ask, rows_a_chunk
from hearwhy.types import Estimate, Score

N_STEPS = 32
MAX_STEPS = 1000


def integrated_gradients(score: Score, shape: tuple[int, ...], *, n_steps: int = N_STEPS) -> Estimate:
    """Return the integral of the score's gradient along the straight way from nothing to everything.

    ``values[i] = integral over a from 0 to 1 of d score / d mask_i (a, a, ..., a)``, by Gauss-Legendre quadrature:
    exact for polynomials in the mask up to degree 2 n_steps - 1. Costs `n_steps` forward and backward passes and one
    forward pass, whatever the number of components. Accumulated in float64, returned in float32. Bad at: it asks
    about recordings in which everything is equally faint, never about one without the piano, so a model that listens
    to levels is explained by what it makes of soft music; and gradients of deep networks are noisy.

    Laws: offset, irrelevance, scaling, permutation and symmetry, exactly. Efficiency is not declared, because it
    holds only up to the error of the quadrature: to rounding for polynomials and smooth scores, but kinks (ReLU, max
    pooling) leave an error that falls as 1 / n_steps**2 a kink at best. The error of a result is ``score(ones) - base
    - values.sum()``; double `n_steps` where it matters.

    Parameters
    ----------
    score
        Mask (batch, *shape) to (batch, target), with ``score.gradient``: soft masks between 0 and 1 to
        (batch, target, *shape).
    shape
        Shape of one mask.
    n_steps
        Points of the quadrature, 1 to 1000.

    Returns
    -------
    Estimate
        ``values`` (target, *shape), in the unit of the score, positive where the component speaks for the target.
        ``base`` is score(zeros). ``stderr`` None: nothing is sampled. ``n_calls`` counts a gradient as one.

    Raises
    ------
    ValueError
        The score has no gradient, or `n_steps` is out of range.

    References
    ----------
    M. Sundararajan, A. Taly and Q. Yan, Axiomatic attribution for deep networks, ICML 2017. Deviations: the path is
    one of masks, not of inputs (the same for components that add up to the recording); Gauss-Legendre instead of a
    Riemann sum.

    Examples
    --------
    >>> class Product:
    ...     def __call__(self, mask): return mask.float().prod(dim=1, keepdim=True)
    ...     def gradient(self, mask): return mask.flip(1)[:, None]
    >>> integrated_gradients(Product(), (2,)).values
    tensor([[0.5000, 0.5000]])
    """
    if not isinstance(n_steps, int) or isinstance(n_steps, bool) or not 1 <= n_steps <= MAX_STEPS:
        raise ValueError(f"integrated_gradients takes 1 to {MAX_STEPS} steps; got n_steps={n_steps!r}. {N_STEPS} is usual.")
    gradient = getattr(score, "gradient", None)
    if gradient is None:
        raise ValueError(
            "integrated_gradients needs the slope of the model, and this model gives no gradients. "
            "Use kernel_shap, which only asks for its answers."
        )
    nothing = ask(score, torch.zeros(1, *shape, dtype=torch.bool))[0]
    values = _integral(gradient, shape, n_steps)
    return Estimate(values.float(), nothing.float(), n_calls=n_steps + 1)


def _integral(
    gradient: Callable[[Tensor], Tensor], shape: tuple[int, ...], n_steps: int
) -> Float[Tensor, " target *component"]:
    nodes, weights = (torch.from_numpy(x) / 2 for x in leggauss(n_steps))  # from [-1, 1] to [0, 1]
    values, rows = torch.zeros((), dtype=torch.float64), rows_a_chunk(shape)
    for first in range(0, n_steps, rows):
        at = (nodes[first : first + rows] + 0.5).to(torch.float32).reshape(-1, *[1] * len(shape))
        slopes = gradient(at.expand(-1, *shape).contiguous()).to("cpu", torch.float64)  # (step, target, *component)
        values = values + torch.tensordot(weights[first : first + rows], slopes, dims=1)
    return values
