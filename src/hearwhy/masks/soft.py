"""Soft masks: how much of every cell is kept, in [0, 1]."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.masks.checking import check_map

Map = Float[Tensor, "*batch freq frame"]


def minmax(values: Map) -> Map:
    """The map, least cell to 0 and greatest to 1.

    ``M = (A - min A) / (max A - min A)``, each map by itself. Keeps the order of the cells, but what value is kept whole
    depends on two cells only, and zero attribution is not 0: most cells of a signed map come out near the middle.

    Degenerate: in a constant map (all zero included) every cell is the least one, so the mask is 0 everywhere.

    Parameters
    ----------
    values
        Signed attribution, (..., freq, frame).

    Returns
    -------
    Tensor
        Mask (..., freq, frame) in [0, 1], in the precision of `values`.

    Raises
    ------
    ValueError
        `values` are no float map, or not finite.

    References
    ----------
    Pak & Teryokhina 2025, section II-C, mask "minmax". Deviation: the answer to a constant map, where it has 0/0.

    Examples
    --------
    >>> minmax(torch.tensor([[-1.0, 0.0], [1.0, 3.0]]))
    tensor([[0.0000, 0.2500],
            [0.5000, 1.0000]])
    """
    values = check_map(values)
    cells = values.to(torch.float64)
    least = cells.amin((-2, -1), keepdim=True)
    return _share(cells - least, cells.amax((-2, -1), keepdim=True) - least).to(values.dtype)


def sigmoid(values: Map) -> Map:
    """The logistic function of every value.

    ``M = 1 / (1 + exp(-A))``. Depends on the unit of the map: values that are small against 1 (gradients, DeepSHAP) give
    0.5 everywhere, which is no mask. `scaled_sigmoid` does not have this fault.

    Degenerate: a map of zeros gives 0.5 everywhere; any constant map the same number everywhere.

    Parameters
    ----------
    values
        Signed attribution, (..., freq, frame).

    Returns
    -------
    Tensor
        Mask (..., freq, frame) in [0, 1].

    Raises
    ------
    ValueError
        `values` are no float map, or not finite.

    References
    ----------
    Pak & Teryokhina 2025, section II-C, mask "sigmoid".

    Examples
    --------
    >>> sigmoid(torch.tensor([[0.0, 1e-4]]))
    tensor([[0.5000, 0.5000]])
    """
    return torch.sigmoid(check_map(values))


def scaled_sigmoid(values: Map) -> Map:
    """The logistic function of every value, measured by the map's own size.

    ``M = 1 / (1 + exp(-A / s))`` with ``s = sqrt(mean(A**2))``, the root mean square of the map about zero, so that zero
    attribution stays at 0.5, signs stay, and a map and its multiple have one mask.

    Degenerate: a map of zeros gives 0.5 everywhere; a constant map 0.731 or 0.269 everywhere, by its sign.

    Parameters
    ----------
    values
        Signed attribution, (..., freq, frame).

    Returns
    -------
    Tensor
        Mask (..., freq, frame) in [0, 1].

    Raises
    ------
    ValueError
        `values` are no float map, or not finite.

    References
    ----------
    Not in Pak & Teryokhina 2025; their "sigmoid" with a scale.

    Examples
    --------
    >>> scaled_sigmoid(torch.tensor([[-1e-6, 1e-6]]))
    tensor([[0.2689, 0.7311]])
    """
    values = check_map(values)
    cells = values.to(torch.float64)
    return torch.sigmoid(_share(cells, cells.square().mean((-2, -1), keepdim=True).sqrt())).to(values.dtype)


def minmax_pos(values: Map) -> Map:
    """The positive part of the map, greatest cell to 1.

    ``M = A+ / max A+`` with ``A+ = max(A, 0)``. Zero attribution is 0, unlike `minmax`.

    Degenerate: without a positive cell the mask is 0 everywhere; a positive constant map gives 1 everywhere.

    Parameters
    ----------
    values
        Signed attribution, (..., freq, frame).

    Returns
    -------
    Tensor
        Mask (..., freq, frame) in [0, 1].

    Raises
    ------
    ValueError
        `values` are no float map, or not finite.

    References
    ----------
    Pak & Teryokhina 2025, mask "minmax_pos". Deviation: the answer without a positive cell, where it has 0/0.

    Examples
    --------
    >>> minmax_pos(torch.tensor([[-1.0, 0.0], [1.0, 4.0]]))
    tensor([[0.0000, 0.0000],
            [0.2500, 1.0000]])
    """
    values = check_map(values)
    return share_of_greatest(values).to(values.dtype)


def sigmoid_pos(values: Map) -> Map:
    """The logistic function of the positive part of the map.

    ``M = 1 / (1 + exp(-max(A, 0)))``, between 0.5 and 1: nothing is ever removed by more than half.

    Degenerate: without a positive cell the mask is 0.5 everywhere.

    Parameters
    ----------
    values
        Signed attribution, (..., freq, frame).

    Returns
    -------
    Tensor
        Mask (..., freq, frame) in [0.5, 1].

    Raises
    ------
    ValueError
        `values` are no float map, or not finite.

    References
    ----------
    Pak & Teryokhina 2025, mask "sigmoid_pos".

    Examples
    --------
    >>> sigmoid_pos(torch.tensor([[-3.0, 1.0]]))
    tensor([[0.5000, 0.7311]])
    """
    return torch.sigmoid(check_map(values).clamp(min=0))


def share_of_greatest(values: Map) -> Map:
    """Return ``A+ / max A+`` in float64, 0 everywhere without a positive cell."""
    positive = values.to(torch.float64).clamp(min=0)
    return _share(positive, positive.amax((-2, -1), keepdim=True))


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, and 0 where whole is 0."""
    return torch.where(whole > 0, part / torch.where(whole > 0, whole, 1.0), 0.0)
