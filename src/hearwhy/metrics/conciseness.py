"""How concise a mask or a map is: how few cells hold how much of it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.masks.checking import ProtocolName, check_map, check_protocol
from hearwhy.masks.order import ascending

Cells = Float[Tensor, "*batch freq frame"]


def sps(values: Cells, *, protocol: ProtocolName = "corrected") -> Float[Tensor, "*batch"]:
    """Sparseness: the Gini index of the absolute values.

    ``SPS = 1 - 2 sum_i (v_(i) / |v|_1) (d - i + 0.5) / d`` with v_(1) <= ... <= v_(d). 0: all cells alike; 1 - 1/d: all in
    one cell; higher is better. A binary mask of area a scores 1 - a. Does not depend on the unit.

    On a mask it says how concise the mask is, as published; on the attribution map (`METRICS` "sps_map"), as that paper's text
    says, how concise the method is, the same for all its masks.

    Degenerate: a constant map scores 0, and so does a map of zeros, which marks nothing: the worst.

    Parameters
    ----------
    values
        Masks or maps, (..., freq, frame), bool or finite float.
    protocol
        Both protocols agree here; it is taken because they differ in `comp`.

    Returns
    -------
    Tensor
        (...), float64.

    Raises
    ------
    ValueError
        Values are no float or bool map, or not finite; no such protocol.

    References
    ----------
    Chalasani et al. 2020; quantus 0.6 ``Sparseness``, which adds 1e-7 to every value first. Pak & Teryokhina 2025,
    section II-D.

    Examples
    --------
    >>> sps(torch.tensor([[True, False], [False, False]]))
    tensor(0.7500, dtype=torch.float64)
    """
    check_protocol(protocol)
    if values.dtype == torch.bool:  # in closed form: no cell needs sorting
        area = _kept(values) / _cells(values)
        return torch.where(area > 0, 1 - area, 0.0)
    sizes = ascending(check_map(values).abs().flatten(-2)).to(torch.float64)
    d, total = sizes.shape[-1], sizes.sum(-1)
    weight = (d - torch.arange(1, d + 1, dtype=torch.float64, device=sizes.device) + 0.5) / d
    gini = 1 - 2 * (sizes @ weight) / torch.where(total > 0, total, 1.0)
    return torch.where(total > 0, gini.clamp(min=0), 0.0)  # a rounding below 0 is 0


def comp(values: Cells, *, protocol: ProtocolName = "corrected") -> Float[Tensor, "*batch"]:
    """Complexity: the entropy of the absolute values as shares of their sum, in nats.

    ``COMP = -sum_i P_i ln P_i`` with ``P_i = |v_i| / |v|_1``; from 0 (all in one cell) to ln d (all alike); lower is better. A
    binary mask of m cells scores ln m. Does not depend on the unit.

    Degenerate: a constant map scores ln d, and so does a map of zeros, which marks nothing: the worst.

    Parameters
    ----------
    values
        Masks or maps, (..., freq, frame), bool or finite float.
    protocol
        "paper": a constant mask, everything or nothing kept, scores 0, the best there is, as in the published tables.

    Returns
    -------
    Tensor
        (...), float64.

    Raises
    ------
    ValueError
        Values are no float or bool map, or not finite; no such protocol.

    References
    ----------
    Bhatt et al. 2020; quantus 0.6 ``Complexity``, which adds 1e-12 inside the logarithm and gives NaN for zeros. Pak &
    Teryokhina 2025, section II-D.

    Examples
    --------
    >>> comp(torch.tensor([[True, True], [False, False]])).exp()
    tensor(2., dtype=torch.float64)
    """
    check_protocol(protocol)
    cells, worst = _cells(values), math.log(_cells(values))
    if values.dtype == torch.bool:
        kept = _kept(values)
        constant, entropy = (kept == 0) | (kept == cells), torch.where(kept > 0, kept.clamp(min=1).log(), worst)
    else:
        sizes = check_map(values).abs().flatten(-2).to(torch.float64)
        constant, total = sizes.amax(-1) == sizes.amin(-1), sizes.sum(-1, keepdim=True)
        shares = sizes / torch.where(total > 0, total, 1.0)
        entropy = torch.where(total.squeeze(-1) > 0, -torch.xlogy(shares, shares).sum(-1), worst)
    return torch.where(constant, 0.0, entropy) if protocol == "paper" else entropy


def _cells(values: Tensor) -> int:
    if not isinstance(values, Tensor) or values.ndim < 2 or 0 in values.shape[-2:]:
        raise ValueError(
            f"values must be (..., freq, frame) with at least one cell; got {tuple(getattr(values, 'shape', ()))}."
        )
    return values.shape[-2] * values.shape[-1]


def _kept(mask: Tensor) -> Tensor:
    return mask.flatten(-2).sum(-1).to(torch.float64)
