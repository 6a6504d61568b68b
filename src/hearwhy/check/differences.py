"""Finite differences: what a gradient is compared with before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

Function = Callable[[Tensor], Tensor]
"""Points (batch, *shape) to numbers (batch, target)."""


def central(
    function: Function, at: Float[Tensor, " *shape"], directions: Float[Tensor, " direction *shape"], step: float
) -> Float[Tensor, "direction target"]:
    """Return the slope of `function` along each direction, ``(f(x + h v) - f(x - h v)) / 2h`` in float64.

    Costs two calls of the function a direction.

    Examples
    --------
    >>> square = lambda x: x.square().sum(dim=1, keepdim=True)
    >>> central(square, torch.tensor([1.0, 2.0]).double(), torch.eye(2).double(), 1e-3).flatten().round(decimals=6)
    tensor([2., 4.], dtype=torch.float64)
    """
    values = function(torch.cat([at[None] + step * directions, at[None] - step * directions]))
    forth, back = values.to("cpu", torch.float64).split(len(directions))
    return (forth - back) / (2 * step)


def disagreement(
    slopes: Float[Tensor, "direction target"], differences: Float[Tensor, "direction target"]
) -> Float[Tensor, " target"]:
    """Return ``||slopes - differences|| / ||differences||`` for each target; 0 where both are zero, at most 10.

    Over all directions at once, so that a direction in which hardly anything happens, and rounding is all there is, does
    not decide.
    """
    missed, size = (slopes - differences).norm(dim=0), differences.norm(dim=0)
    return torch.where(missed > 0, missed / size.clamp(min=1e-300), 0.0).clamp(max=10.0)


def best(
    function: Function, at: Tensor, directions: Tensor, slopes: Float[Tensor, "direction target"], steps: Sequence[float],
    *, enough: float, rounding: float,
) -> Float[Tensor, " target"]:  # fmt: skip
    """Return the disagreement at the step where it is smallest, step after step until every target is `enough`.

    Too large a step meets curvature and kinks, too small a step meets rounding: a right gradient agrees at some step, a
    wrong one at none. A step at which rounding alone could be more than `enough` tells nothing and does not count; where
    no step tells anything, the function is flat, and the disagreement 0.

    Parameters
    ----------
    function, at, directions
        As in `central`.
    slopes
        What is claimed to be the slope along each direction.
    steps
        Step sizes to try, in the order to try them.
    enough
        The disagreement at which no further step is tried.
    rounding
        Relative error of the function's numbers.
    """
    blur = rounding * function(at[None])[0].to("cpu", torch.float64).abs().clamp(min=1.0)
    least = torch.full(slopes.shape[1:], torch.inf, dtype=torch.float64)
    for step in steps:
        differences = central(function, at, directions, step)
        seen = torch.maximum(slopes.norm(dim=0), differences.norm(dim=0)) * enough >= blur / step
        least = torch.minimum(least, torch.where(seen, disagreement(slopes, differences), torch.inf))
        if (least <= enough).all():
            break
    return torch.where(least.isinf(), 0.0, least)
