"""What a map, a mask and a protocol must be, checked once."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

ProtocolName = Literal["corrected", "paper"]
"""corrected: what hearwhy holds to be right. paper: what was published, defects included, to compare with its numbers."""


def check_protocol(protocol: str) -> None:
    """Raise ValueError where there is no such protocol."""
    if protocol not in ("corrected", "paper"):
        raise ValueError(f"There are the protocols 'corrected' and 'paper'; got {protocol!r}.")


def check_map(values: Float[Tensor, "*batch freq frame"], *, what: str = "values") -> Float[Tensor, "*batch freq frame"]:
    """Return a map that masks can be made of, half precision as float32, or raise ValueError."""
    if not isinstance(values, Tensor) or not values.is_floating_point() or values.ndim < 2 or 0 in values.shape[-2:]:
        got = f"{values.dtype} of shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"{what} must be a float tensor (..., freq, frame) with at least one cell; got {got}.")
    if values.numel() and not torch.stack(torch.aminmax(values)).isfinite().all():  # ten times as fast as asking every cell
        bad = int((~torch.isfinite(values)).sum())
        raise ValueError(
            f"{bad} of {values.numel()} {what} are NaN or infinite, so cells cannot be compared; repair what made them "
            "(a gradient of log 0, an overflow) instead of masking by them."
        )
    return values if values.dtype in (torch.float32, torch.float64) else values.to(torch.float32)


def check_mask(mask: Tensor) -> Tensor:
    """Return a mask (..., freq, frame), bool or within [0, 1], or raise ValueError."""
    if isinstance(mask, Tensor) and mask.dtype == torch.bool and mask.ndim >= 2 and 0 not in mask.shape[-2:]:
        return mask
    mask = check_map(mask, what="mask values")
    if mask.numel() and (mask.amin() < 0 or mask.amax() > 1):
        low, high = float(mask.amin()), float(mask.amax())
        raise ValueError(
            f"A mask keeps between 0 (nothing) and 1 (all) of a cell; got {low:g} to {high:g}. Scale it, e.g. minmax."
        )
    return mask


def check_share(name: str, value: float) -> float:
    """Return a share in (0, 1], or raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and 0 < value <= 1):
        raise ValueError(f"{name} must be a share above 0 and up to 1, such as 0.3 for 30 %; got {value!r}.")
    return float(value)
