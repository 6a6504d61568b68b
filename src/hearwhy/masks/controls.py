"""Control masks: what any mask must beat. Each has the mask's own area, or none, or all.

A control is a function ``(mask, features, seeds) -> mask``; `CONTROLS` is what everything else reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.attribution.sampling import seeded
from hearwhy.masks.checking import check_map, check_mask
from hearwhy.masks.order import ascending, descending_order, largest

Control = Callable[[Tensor, Tensor, Sequence[int]], Tensor]
"""Masks (unit, ..., freq, frame), features (unit, freq, frame) and one seed a unit, to masks like the first."""


def random(mask: Tensor, features: Float[Tensor, "unit freq frame"], seeds: Sequence[int]) -> Tensor:
    """The mask's own values, dealt to the cells at random.

    Of a binary mask exactly its area is kept, of a soft one every value stays, so that area, sps and comp are the
    mask's own and only the places differ. One deal a unit: masks of a unit are moved alike, so that what one of them
    draws does not depend on which others are asked.

    Parameters
    ----------
    mask
        Masks (unit, ..., freq, frame), bool or in [0, 1].
    features
        Spectrograms (unit, freq, frame); only their shape is used.
    seeds
        One whole number a unit; the same number gives the same deal, in any batch.

    Returns
    -------
    Tensor
        Masks of the shape and type of `mask`.

    Raises
    ------
    ValueError
        Shapes do not fit, or there is not one seed a unit.
    """
    _check(mask, features)
    if len(seeds) != len(mask):
        raise ValueError(f"The random control needs one seed a unit: {len(mask)} of them; got {len(seeds)}.")
    cells = mask.shape[-2] * mask.shape[-1]
    deals = torch.stack([torch.randperm(cells, generator=seeded(seed)) for seed in seeds])  # a deal has no ties
    return equal_area(mask, deals.to(mask.device, torch.float64).reshape(len(seeds), *mask.shape[-2:]))


def energy(mask: Tensor, features: Float[Tensor, "unit freq frame"], seeds: Sequence[int]) -> Tensor:
    """The mask's own values, dealt to the cells by loudness: a mask that knows the sound and not the model.

    Of a binary mask the loudest cells are kept, as many as it keeps; of a soft one the loudest cell gets the greatest
    value. Ties as in `top_k`.

    Parameters
    ----------
    mask
        Masks (unit, ..., freq, frame), bool or in [0, 1].
    features
        Spectrograms (unit, freq, frame) that rise with loudness (dB, log).
    seeds
        Not used.

    Returns
    -------
    Tensor
        Masks of the shape and type of `mask`.

    Raises
    ------
    ValueError
        Shapes do not fit.
    """
    _check(mask, features)
    return equal_area(mask, check_map(features, what="features"))


def identity(mask: Tensor, features: Float[Tensor, "unit freq frame"], seeds: Sequence[int]) -> Tensor:
    """Everything kept: no mask at all, as bool, so that applying it changes no bit.

    Parameters
    ----------
    mask
        Masks (unit, ..., freq, frame); only their shape is used.
    features, seeds
        Not used.

    Returns
    -------
    Tensor
        Bool masks of the shape of `mask`.
    """
    return torch.ones_like(check_mask(mask), dtype=torch.bool)


def empty(mask: Tensor, features: Float[Tensor, "unit freq frame"], seeds: Sequence[int]) -> Tensor:
    """Nothing kept: the model is given the fill alone.

    Parameters
    ----------
    mask
        Masks (unit, ..., freq, frame); only their shape is used.
    features, seeds
        Not used.

    Returns
    -------
    Tensor
        Bool masks of the shape of `mask`.
    """
    return torch.zeros_like(check_mask(mask), dtype=torch.bool)


CONTROLS: dict[str, Control] = {"random": random, "identity": identity, "empty": empty, "energy": energy}
"""Every control by name; adding one is a function and a line here."""


def equal_area(mask: Tensor, by: Float[Tensor, "unit freq frame"]) -> Tensor:
    """The mask's own values, dealt to the cells in the order of another map: that map's mask of equal area.

    Two methods are compared fairly by masks of one area: ``equal_area(mask_of_a, values_of_b)`` beside `mask_of_a`.

    Parameters
    ----------
    mask
        Masks (unit, ..., freq, frame), bool or in [0, 1].
    by
        One map a unit, (unit, freq, frame); its greatest cell gets the mask's greatest value. Ties as in `top_k`.

    Returns
    -------
    Tensor
        Masks of the shape and type of `mask`.

    Raises
    ------
    ValueError
        Shapes do not fit.

    Examples
    --------
    >>> equal_area(torch.tensor([[[True, False, True]]]), torch.tensor([[[0.1, 0.3, 0.2]]]))
    tensor([[[False,  True,  True]]])
    """
    _check(mask, by)
    flat = mask.flatten(-2)
    order_by = by.flatten(-2).reshape(len(by), *[1] * (mask.ndim - 3), -1).expand(flat.shape)
    if mask.dtype == torch.bool:
        return largest(order_by, flat.sum(-1)).reshape(mask.shape)
    dealt = torch.zeros_like(flat).scatter_(-1, descending_order(order_by), ascending(flat).flip(-1))
    return dealt.reshape(mask.shape)


def _check(mask: Tensor, by: Tensor) -> None:
    check_mask(mask)
    if by.ndim != 3 or mask.ndim < 3 or by.shape != (mask.shape[0], *mask.shape[-2:]):
        raise ValueError(
            "Masks (unit, ..., freq, frame) and maps (unit, freq, frame) must have the same units and cells; got "
            f"{tuple(mask.shape)} and {tuple(by.shape)}. Put a single one into a batch: mask[None]."
        )
