"""Binary masks: which cells are kept. They are bool, so that applying one is a selection."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hearwhy.masks.checking import ProtocolName, check_map, check_protocol, check_share
from hearwhy.masks.order import largest, quantile
from hearwhy.masks.soft import share_of_greatest

Map = Float[Tensor, "*batch freq frame"]
Kept = Bool[Tensor, "*batch freq frame"]


def binary(values: Map) -> Kept:
    """Every cell with a positive value.

    ``M = [A > 0]``. Its area is whatever share of the map is positive, often near half or, for a map without negative
    values, everything: compare it with controls of equal area.

    Degenerate: all zero or all negative keeps nothing; all positive keeps everything.

    Parameters
    ----------
    values
        Signed attribution, (..., freq, frame).

    Returns
    -------
    Tensor
        Mask (..., freq, frame), bool.

    Raises
    ------
    ValueError
        `values` are no float map, or not finite.

    References
    ----------
    Pak & Teryokhina 2025, section II-C, mask "bin".

    Examples
    --------
    >>> binary(torch.tensor([[-1.0, 0.0, 2.0]]))
    tensor([[False, False,  True]])
    """
    return check_map(values) > 0


def threshold_pos(values: Map, *, tau: float = 0.5) -> Kept:
    """Every cell whose positive part reaches the share `tau` of the greatest.

    ``M = [A+ / max A+ >= tau]`` with ``A+ = max(A, 0)``. One outlying cell makes the mask small.

    Degenerate: without a positive cell nothing is kept; a positive constant map is kept whole.

    Parameters
    ----------
    values
        Signed attribution, (..., freq, frame).
    tau
        Share of the greatest value, above 0 and up to 1.

    Returns
    -------
    Tensor
        Mask (..., freq, frame), bool.

    Raises
    ------
    ValueError
        `values` are no float map, or not finite; `tau` is out of its range.

    References
    ----------
    Pak & Teryokhina 2025, masks "pos_thresh_25", "_50", "_75", as in their code; the text compares A+ itself with tau.

    Examples
    --------
    >>> threshold_pos(torch.tensor([[-4.0, 1.0, 2.0, 4.0]]), tau=0.5)
    tensor([[False, False,  True,  True]])
    """
    tau = check_share("tau", tau)
    return share_of_greatest(check_map(values)) >= tau


def top_k(values: Map, *, k: float = 0.3, protocol: ProtocolName = "corrected") -> Kept:
    """The share `k` of the cells with the greatest values, whatever their sign.

    ``M = [A is among the n_kept(k, n) greatest of n]``; of equal values the lower frequency is kept first, then the
    earlier frame, so that the area is exact. On a map without equal values this is the published mask, cell by cell.

    Degenerate: a constant map keeps the first cells in that order, which says nothing about the model; an all-negative
    map keeps its least negative cells (`top_k_pos` does not).

    Parameters
    ----------
    values
        Signed attribution, (..., freq, frame).
    k
        Share of the cells to keep, above 0 and up to 1.
    protocol
        "paper": ``M = [A >= quantile(A, 1 - k)]`` as published, which keeps all cells that are equal to the threshold, of a
        constant map all there are.

    Returns
    -------
    Tensor
        Mask (..., freq, frame), bool; `n_kept` cells a map.

    Raises
    ------
    ValueError
        `values` are no float map, or not finite; `k` is out of its range; no such protocol.

    References
    ----------
    Pak & Teryokhina 2025, section II-C, masks "topK_5", "topK_30", "topK_50". Deviation: ties.

    Examples
    --------
    >>> top_k(torch.tensor([[1.0, 1.0, 1.0, 0.0]]), k=0.5)
    tensor([[ True,  True, False, False]])
    >>> top_k(torch.tensor([[1.0, 1.0, 1.0, 0.0]]), k=0.5, protocol="paper")
    tensor([[ True,  True,  True, False]])
    """
    k, flat = _checked(values, k, protocol)
    if protocol == "paper":
        return (flat >= quantile(flat, 1 - k)).reshape(values.shape)
    count = torch.full(flat.shape[:-1], n_kept(k, flat.shape[-1]), device=flat.device)
    return largest(flat, count).reshape(values.shape)


def top_k_pos(values: Map, *, k: float = 0.3, protocol: ProtocolName = "corrected") -> Kept:
    """The share `k` of the cells with the greatest values, but never one that is not positive.

    ``n_kept(k, n)`` cells or all positive ones where there are fewer; ties as in `top_k`. The mask may thus be smaller
    than asked.

    Degenerate: without a positive cell nothing is kept; fewer than `k` positive, those; a positive constant map keeps the
    first cells in order.

    Parameters
    ----------
    values
        Signed attribution, (..., freq, frame).
    k
        Share of all cells to keep at most, above 0 and up to 1.
    protocol
        "paper": ``M = [A+ >= quantile(A+, 1 - k)]`` as published. Where fewer than `k` of the cells are positive the threshold
        is 0 and everything is kept, negative cells too; 65 % of the published Saliency masks of this kind (Mel, clean,
        k = 0.5) are no mask at all for it.

    Returns
    -------
    Tensor
        Mask (..., freq, frame), bool.

    Raises
    ------
    ValueError
        `values` are no float map, or not finite; `k` is out of its range; no such protocol.

    References
    ----------
    Pak & Teryokhina 2025, masks "topK_5_pos", "topK_30_pos", "topK_50_pos". Deviation: only positive cells; ties.

    Examples
    --------
    >>> top_k_pos(torch.tensor([[3.0, -1.0, -1.0, 0.0]]), k=0.5)
    tensor([[ True, False, False, False]])
    >>> top_k_pos(torch.tensor([[3.0, -1.0, -1.0, 0.0]]), k=0.5, protocol="paper")
    tensor([[True, True, True, True]])
    """
    k, flat = _checked(values, k, protocol)
    positive = flat.clamp(min=0)
    if protocol == "paper":
        return (positive >= quantile(positive, 1 - k)).reshape(values.shape)
    count = (flat > 0).sum(-1).clamp(max=n_kept(k, flat.shape[-1]))
    return largest(positive, count).reshape(values.shape)


def n_kept(k: float, n: int) -> int:
    """Return how many of `n` cells the share `k` is: ``1 + floor(k (n - 1))``, within one cell of ``k n``, at least 1.

    This is what ``A >= quantile(A, 1 - k)`` keeps of `n` different values.

    Examples
    --------
    >>> n_kept(0.3, 10), n_kept(0.05, 64 * 501)
    (3, 1604)
    """
    # (1 - k)(n - 1) may miss a whole number by a rounding, which must not cost a cell
    return n - math.ceil(round((1 - k) * (n - 1), 6))


def _checked(values: Map, k: float, protocol: ProtocolName) -> tuple[float, Tensor]:
    check_protocol(protocol)
    return check_share("k", k), check_map(values).flatten(-2)
