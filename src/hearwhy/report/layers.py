"""Layers: a spectrogram, the map over it and a mask of it, as stencils that a page lays on each other in its own colours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.report import png
from hearwhy.report.grid import Grid
from hearwhy.spectrum import Masked, Spectrum

MAX_FRAMES = 1600  # columns of a picture: more than a screen shows
QUIETEST = 0.05  # share of the bins that are drawn as nothing, so that a noise floor is no grey fog
FULL_AT = 0.99  # share of the bins below what is drawn in full colour: a few extreme bins would pale all others


@dataclass(frozen=True, eq=False)
class Ground:
    """The spectrogram of a recording.

    Parameters
    ----------
    stencil
        A PNG as opaque as the bins are loud, the highest frequency on top.
    left, width
        Where the frames begin and how wide they are, in percent of the axis of time: half a hop hangs over at either end.
    """

    stencil: bytes
    left: float
    width: float


@dataclass(frozen=True, eq=False)
class Layers:
    """What one target lays over the spectrogram.

    Parameters
    ----------
    positive, negative
        PNGs as opaque as values are large of one sign.
    cover
        A PNG that is opaque where the mask removes; None without a mask.
    full
        The size of a value, and of all larger ones, that is drawn in full colour.
    signs
        Whether there are positive and negative values.
    """

    positive: bytes
    negative: bytes
    cover: bytes | None
    full: float
    signs: tuple[bool, bool]


def ground(spectrum: Spectrum, grid: Grid) -> Ground:
    """Return the spectrogram, from nothing at the quietest twentieth of the bins to opaque at the loudest."""
    bins = _pooled(spectrum.features, by="largest")
    left, right = float(grid.edges_s[0]), float(grid.edges_s[-1])
    share = 100 / grid.duration_s
    return Ground(png.stencil(loudness(bins)[::-1]), round(share * left, 4), round(share * (right - left), 4))


def loudness(bins: Float[np.ndarray, "freq frame"]) -> Float[np.ndarray, "freq frame"]:
    """Return how loud bins are, from 0 for the quietest twentieth of them to 1 for the loudest."""
    low, high = float(np.quantile(bins, QUIETEST)), float(bins.max())
    return ((bins - low) / (high - low or 1.0)).clip(0, 1)


def layers(values: Float[Tensor, "freq frame"], masked: Masked | None) -> Layers:
    """Return the map of a target, and its mask."""
    full = full_colour(values)
    share = _pooled(values, by="size") / full
    cover = None if masked is None else png.stencil((1 - _pooled(masked.mask, by="mean"))[::-1])
    signs = (bool((values > 0).any()), bool((values < 0).any()))
    return Layers(png.stencil(share.clip(0, 1)[::-1]), png.stencil((-share).clip(0, 1)[::-1]), cover, full, signs)


def full_colour(values: Float[Tensor, "freq frame"]) -> float:
    """Return the size that 99 % of the values do not exceed; the largest where most are 0, and 1 where all are."""
    sizes = values.abs().double().numpy()
    return float(np.quantile(sizes, FULL_AT)) or float(sizes.max()) or 1.0


def _pooled(bins: Float[Tensor, "freq frame"], *, by: str) -> Float[np.ndarray, "freq column"]:
    """Return at most `MAX_FRAMES` columns, each the loudest, the value of largest size, or the mean of its frames."""
    n = math.ceil(bins.shape[1] / MAX_FRAMES)
    bins = bins.to(torch.float64)
    if n == 1:
        return bins.numpy()
    groups = bins.split(n, dim=1)
    if by == "mean":
        columns = [group.mean(dim=1) for group in groups]
    elif by == "largest":
        columns = [group.amax(dim=1) for group in groups]
    else:
        columns = [group.gather(1, group.abs().argmax(dim=1, keepdim=True))[:, 0] for group in groups]
    return torch.stack(columns, dim=1).numpy()
