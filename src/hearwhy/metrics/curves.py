"""Curves over the area of a mask: insertion, deletion, and any metric at equal areas."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

_ROUNDING = 1e-6  # of an area given in float32

Curve = Float[Tensor, "*batch step"]


def insertion_auc(scores: Curve, areas: Float[Tensor, " step"]) -> Float[Tensor, "*batch"]:
    """Mean height of the score's curve while the cells are put back, those with the greatest values first.

    ``AUC = integral of score d area / (last area - first area)`` by the trapezoid rule; in the unit of the score (0 to 1 for
    probabilities); higher is better: the evidence comes early. Ask the model about X_in of
    ``nested_masks(values, steps())``.

    Degenerate: a constant curve gives that constant.

    Parameters
    ----------
    scores
        Score or probability of the target at each area, (..., step).
    areas
        Shares of the cells kept, rising, (step,), at least two.

    Returns
    -------
    Tensor
        (...), float64.

    Raises
    ------
    ValueError
        Areas do not rise within [0, 1], shapes do not fit, or scores are not finite.

    References
    ----------
    Petsiuk et al. 2018 (RISE); masks as in `hearwhy.masks.nested_masks`, with the fill for what they blur.

    Examples
    --------
    >>> insertion_auc(torch.tensor([0.0, 1.0, 1.0]), torch.tensor([0.0, 0.5, 1.0]))
    tensor(0.7500, dtype=torch.float64)
    """
    return _mean_height(scores, areas)


def deletion_auc(scores: Curve, areas: Float[Tensor, " step"]) -> Float[Tensor, "*batch"]:
    """Mean height of the score's curve while the cells are taken away, those with the greatest values first.

    The same integral as `insertion_auc`, over the share removed: ask the model about X_out of the same masks. Lower is better:
    without the evidence the score falls at once.

    Degenerate: a constant curve gives that constant.

    Parameters
    ----------
    scores
        Score or probability of the target at each area, (..., step).
    areas
        Shares of the cells removed, rising, (step,), at least two.

    Returns
    -------
    Tensor
        (...), float64.

    Raises
    ------
    ValueError
        Areas do not rise within [0, 1], shapes do not fit, or scores are not finite.

    References
    ----------
    Petsiuk et al. 2018 (RISE).

    Examples
    --------
    >>> deletion_auc(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.5, 1.0]))
    tensor(0.2500, dtype=torch.float64)
    """
    return _mean_height(scores, areas)


def at_area(measured: Curve, areas: Float[Tensor, " step"], area: float) -> Float[Tensor, "*batch"]:
    """A metric at one area, read between those at which it was measured, so that methods are compared at the same size.

    Linear interpolation; never beyond the areas measured.

    Parameters
    ----------
    measured
        A metric at each area, (..., step).
    areas
        The masks' shares of the cells, rising, (step,), at least two.
    area
        Where to read.

    Returns
    -------
    Tensor
        (...), float64.

    Raises
    ------
    ValueError
        `area` is outside the areas measured; or as `insertion_auc`.

    Examples
    --------
    >>> at_area(torch.tensor([[0.2, 0.6]]), torch.tensor([0.1, 0.3]), 0.2)
    tensor([0.4000], dtype=torch.float64)
    """
    measured, areas = _checked(measured, areas)
    if not areas[0] - _ROUNDING <= area <= areas[-1] + _ROUNDING:
        raise ValueError(f"The areas measured go from {areas[0]:g} to {areas[-1]:g}; got {area:g}. Measure at that area too.")
    right = int(torch.searchsorted(areas, torch.tensor(area, dtype=torch.float64)).clamp(1, len(areas) - 1))
    share = ((area - areas[right - 1]) / (areas[right] - areas[right - 1])).clamp(0, 1)
    return torch.lerp(measured[..., right - 1], measured[..., right], share)


def _mean_height(scores: Tensor, areas: Tensor) -> Tensor:
    scores, areas = _checked(scores, areas)
    return torch.trapezoid(scores, areas, dim=-1) / (areas[-1] - areas[0])


def _checked(scores: Tensor, areas: Tensor) -> tuple[Tensor, Tensor]:
    areas = torch.as_tensor(areas).to("cpu", torch.float64)
    if areas.ndim != 1 or len(areas) < 2 or not ((areas.diff() > 0).all() and areas[0] >= 0 and areas[-1] <= 1 + _ROUNDING):
        raise ValueError(f"areas must rise from step to step within 0 to 1, at least two of them; got {areas.tolist()}.")
    if not scores.ndim or scores.shape[-1] != len(areas):
        raise ValueError(f"There must be one score for each of {len(areas)} areas, (..., step); got {tuple(scores.shape)}.")
    if not torch.isfinite(scores).all():
        raise ValueError(f"{int((~torch.isfinite(scores)).sum())} scores are NaN or infinite; ask the model again.")
    return scores.to("cpu", torch.float64), areas
