"""Cells in the order of their values, with ties that always break the same way: the lower frequency, then the earlier frame."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def ascending(flat: Float[Tensor, "*batch cell"]) -> Float[Tensor, "*batch cell"]:
    """Return the values from the least to the greatest."""
    if flat.device.type == "cpu":  # numpy sorts 32,000 float32 in 0.2 ms, torch 2.13 in 3.4
        return torch.from_numpy(np.sort(flat.detach().numpy(), axis=-1))
    return flat.detach().sort(dim=-1).values


def largest(flat: Float[Tensor, "*batch cell"], count: Int[Tensor, "*batch"]) -> Bool[Tensor, "*batch cell"]:
    """Return exactly `count` cells a row, the greatest; of equal ones those that come first."""
    n = flat.shape[-1]
    threshold = ascending(flat).gather(-1, (n - count).clamp(max=n - 1)[..., None])
    above, level = flat > threshold, flat == threshold
    missing = count[..., None] - above.sum(-1, keepdim=True)
    return above | (level & (level.cumsum(-1) <= missing))


def descending_order(flat: Float[Tensor, "*batch cell"]) -> Int[Tensor, "*batch cell"]:
    """Return the indices of the cells from the greatest to the least; of equal ones the first comes first."""
    return flat.detach().argsort(dim=-1, descending=True, stable=True)


def quantile(flat: Float[Tensor, "*batch cell"], q: float) -> Float[Tensor, "*batch 1"]:
    """Return the `q`-quantile of each row, interpolated linearly as numpy and torch do by default, in float64."""
    ranked, position = ascending(flat).to(torch.float64), q * (flat.shape[-1] - 1)
    low, high = math.floor(position), math.ceil(position)
    below, above = ranked[..., low, None], ranked[..., high, None]
    return below + (above - below) * (position - low)
