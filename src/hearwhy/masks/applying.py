"""Applying a mask: what it keeps of the features, and what it removes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.masks.checking import ProtocolName, check_map, check_mask, check_protocol


def masked(
    features: Float[Tensor, "*batch freq frame"],
    mask: Tensor,
    *,
    fill: float | Tensor = -100.0,
    protocol: ProtocolName = "corrected",
) -> tuple[Float[Tensor, "*batch freq frame"], Float[Tensor, "*batch freq frame"]]:
    """What the mask keeps of the features and what it removes, the rest of each being the fill.

    A bool mask selects, ``X_in = where(M, X, fill)`` and ``X_out = where(M, fill, X)``; nothing is computed. A soft one
    interpolates, ``X_in = fill + (X - fill) M`` and ``X_out = X + (fill - X) M``, in a form in which M = 1 and M = 0 change
    no bit either. Cost: two tensors of the size of the result.

    Parameters
    ----------
    features
        Spectrogram, (..., freq, frame), e.g. in dB.
    mask
        (..., freq, frame), bool or float in [0, 1]; 1 keeps. Its leading axes and the features' must broadcast: features
        (unit, 1, freq, frame) and masks (unit, mask, freq, frame) give (unit, mask, freq, frame).
    fill
        What stands where something is removed, in the unit of the features; -100 is the floor of the dB front ends.
    protocol
        "paper": ``X_in = (X + 100) M - 100`` and ``X_out = (X + 100)(1 - M) - 100`` in the features' precision, as published,
        for bool masks too; rounding makes it miss X by up to 4e-6 dB even where M = 1.

    Returns
    -------
    tuple
        X_in and X_out in the features' precision; differentiable in features and soft masks.

    Raises
    ------
    ValueError
        Features are not finite, a mask is outside [0, 1], their shapes do not fit, or there is no such protocol.

    References
    ----------
    Pak & Teryokhina 2025, section II; their code for the floor.

    Examples
    --------
    >>> kept, removed = masked(torch.tensor([[-20.0, -60.0]]), torch.tensor([[True, False]]))
    >>> kept, removed
    (tensor([[ -20., -100.]]), tensor([[-100.,  -60.]]))
    """
    check_protocol(protocol)
    features, mask = check_map(features, what="features"), check_mask(mask)
    _check_shapes(features, mask)
    floor = torch.as_tensor(fill, dtype=features.dtype, device=features.device)
    if protocol == "paper":
        soft = mask.to(features.dtype)
        return (features - floor) * soft + floor, (features - floor) * (1 - soft) + floor
    if mask.dtype == torch.bool:
        return torch.where(mask, features, floor), torch.where(mask, floor, features)
    # torch.lerp(a, b, w) is a + w (b - a) below w = 1/2 and b - (1 - w)(b - a) from there: exact at both ends
    floor, features, soft = torch.broadcast_tensors(floor, features, mask.to(features.dtype))
    return torch.lerp(floor, features, soft), torch.lerp(features, floor, soft)


def _check_shapes(features: Tensor, mask: Tensor) -> None:
    try:
        torch.broadcast_shapes(features.shape[:-2], mask.shape[:-2])
        fits = features.shape[-2:] == mask.shape[-2:]
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"A mask {tuple(mask.shape)} does not fit features {tuple(features.shape)}: the last two axes (freq, frame) must "
            "be equal (neither is ever transposed or stretched), and those before must broadcast."
        )
