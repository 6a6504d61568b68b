"""Masks of one map at several areas, each within the next: for insertion and deletion curves, and to compare at equal area."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hearwhy.masks.checking import check_map
from hearwhy.masks.order import descending_order

AREAS = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares of the cells at which methods are compared by default."""


def steps(n_steps: int = 20) -> Float[Tensor, " step"]:
    """Return `n_steps` + 1 areas from 0 (nothing kept) to 1 (all), evenly spaced, float64, for `nested_masks`."""
    if isinstance(n_steps, bool) or not isinstance(n_steps, int) or n_steps < 1:
        raise ValueError(f"n_steps must be a whole number from 1; got {n_steps!r}.")
    return torch.linspace(0, 1, n_steps + 1, dtype=torch.float64)


def nested_masks(
    values: Float[Tensor, "*batch freq frame"], areas: Sequence[float] | Tensor
) -> Iterator[Bool[Tensor, "*batch freq frame"]]:
    """Yield, for each area, the mask that keeps that share of the cells with the greatest values.

    ``round(area n)`` cells, halves up; ties as in `top_k`, so each mask lies within every larger one. For an insertion
    curve the model is asked about X_in of these masks with `areas` = `steps()`, for a deletion curve about X_out: see
    `masked`. The cells are sorted once; a mask costs one comparison.

    Parameters
    ----------
    values
        Signed attribution, (..., freq, frame).
    areas
        Shares of the cells, each from 0 to 1.

    Yields
    ------
    Tensor
        Mask (..., freq, frame), bool.

    Raises
    ------
    ValueError
        `values` are no float map or not finite, or an area is outside [0, 1].

    Examples
    --------
    >>> [mask.sum().item() for mask in nested_masks(torch.tensor([[3.0, 1.0], [2.0, 0.0]]), steps(4))]
    [0, 1, 2, 3, 4]
    """
    flat, shares = check_map(values).flatten(-2), [float(area) for area in areas]
    wrong = [area for area in shares if not 0 <= area <= 1]
    if wrong:
        raise ValueError(f"An area is a share of the cells, from 0 to 1; got {wrong[0]:g}.")
    order = descending_order(flat)
    places = torch.arange(flat.shape[-1], device=flat.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(-1, order, places)
    return ((rank < math.floor(area * flat.shape[-1] + 0.5)).reshape(values.shape) for area in shares)
