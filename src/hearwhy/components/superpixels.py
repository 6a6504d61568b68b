"""Superpixels: a spectrogram divided into cells, each a connected patch of alike bins, or a plain grid of tiles."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

Image = Float[np.ndarray, "freq frame"]


def superpixels(features: Float[Tensor, "freq frame"], spec: str, *, seed: int = 0) -> Int[Tensor, "freq frame"]:
    """Return the number of the cell that every bin lies in, from 0 on without a gap.

    Parameters
    ----------
    features
        A spectrogram; it is scaled to 0..1 first, as a grey image.
    spec
        ``quickshift`` (kernel 4, max_dist 200, ratio 0.2), ``slic=50`` (so many cells, about), ``felzenszwalb`` or
        ``tiles=4x8`` (frequency x time).
    seed
        Breaks ties of quickshift; the others draw nothing.

    Raises
    ------
    ValueError
        There is no such way to divide it, or more cells are asked for than there are bins.

    References
    ----------
    scikit-image's ``segmentation``. Quickshift's settings are those of lime's image explainer and of the
    masked-spectrogram paper.

    Examples
    --------
    >>> superpixels(torch.rand(6, 8), "tiles=2x4").unique().numel()
    8
    """
    name, _, argument = spec.partition("=")
    if name not in DIVIDERS:
        raise ValueError(f"There are no cells {spec!r}; give cells: with {', '.join(USAGE)}.")
    image = features.detach().cpu().to(torch.float64)
    low, high = float(image.min()), float(image.max())
    grey = ((image - low) / (high - low) if high > low else torch.zeros_like(image)).numpy()
    labels = DIVIDERS[name](grey, argument, seed)
    _, consecutive = np.unique(labels, return_inverse=True)
    return torch.from_numpy(consecutive.reshape(grey.shape).astype(np.int64))


def _quickshift(image: Image, argument: str, seed: int) -> np.ndarray:
    from skimage.color import gray2rgb
    from skimage.segmentation import quickshift

    _no_argument("quickshift", argument)
    return quickshift(gray2rgb(image), kernel_size=4, max_dist=200, ratio=0.2, rng=seed)


def _felzenszwalb(image: Image, argument: str, seed: int) -> np.ndarray:
    from skimage.segmentation import felzenszwalb

    _no_argument("felzenszwalb", argument)
    return felzenszwalb(image, scale=100, sigma=0.5, min_size=image.size // 200)


def _slic(image: Image, argument: str, seed: int) -> np.ndarray:
    from skimage.segmentation import slic

    if not re.fullmatch(r"\d+", argument or "50") or not 1 <= int(argument or 50) <= image.size:
        raise ValueError(f"slic takes the number of cells, 1 to {image.size}, as in cells:slic=50; got {argument!r}.")
    return slic(image, n_segments=int(argument or 50), compactness=0.1, channel_axis=None, start_label=0)


def _tiles(image: Image, argument: str, seed: int) -> np.ndarray:
    size = re.fullmatch(r"(\d+)x(\d+)", argument)
    n_freq, n_frames = image.shape
    if not size or not (1 <= int(size[1]) <= n_freq and 1 <= int(size[2]) <= n_frames):
        raise ValueError(
            f"tiles takes frequency x time, up to {n_freq}x{n_frames} here, as in cells:tiles=4x8; got {argument!r}."
        )
    rows, columns = int(size[1]), int(size[2])
    # every bin belongs to a tile, also where the sizes do not divide: tiles then differ by one bin
    down = np.arange(n_freq) * rows // n_freq
    across = np.arange(n_frames) * columns // n_frames
    return down[:, None] * columns + across[None, :]


def _no_argument(name: str, argument: str) -> None:
    if argument:
        raise ValueError(f"cells:{name} takes no number; got {argument!r}.")


DIVIDERS: dict[str, Callable[[Image, str, int], np.ndarray]] = {
    "quickshift": _quickshift,
    "slic": _slic,
    "felzenszwalb": _felzenszwalb,
    "tiles": _tiles,
}
USAGE = ("quickshift", "slic=N", "felzenszwalb", "tiles=FxT")
