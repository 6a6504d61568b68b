"""Saliency and its relatives: the gradient of the score in every bin of the spectrogram."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.attribution.inside import MAX_ITEMS, Network, mean_slope, slopes
from hearwhy.attribution.sampling import seeded


def saliency(network: Network, features: Float[Tensor, "freq frame"]) -> Float[Tensor, "target freq frame"]:
    """Return the signed gradient of each score in each bin.

    ``values[t, f, n] = d score_t / d features[f, n]``, score a decibel where the features are decibels. Costs one forward
    pass and one backward pass a target. Bad at saturation (a bin that carries all the evidence can have no slope) and at
    anything that a small change does not show; it is noisy from bin to bin.

    Parameters
    ----------
    network
        The network and its scores.
    features
        The spectrogram that is explained.

    References
    ----------
    K. Simonyan, A. Vedaldi and A. Zisserman, Deep inside convolutional networks, ICLR workshop 2014. Deviation: signed, as
    in the masked-spectrogram paper.
    """
    return slopes(network, features[None])[:, 0]


def input_x_gradient(network: Network, features: Float[Tensor, "freq frame"]) -> Float[Tensor, "target freq frame"]:
    """Return gradient times how far each bin stands above the floor.

    ``values = (features - floor) * d score / d features``: to first order what the score loses when the bin is silenced.
    Costs as much as `saliency`, and is as bad at saturation.

    References
    ----------
    A. Shrikumar et al., Not just a black box, 2016. Deviation: the input is taken above the features of silence, for a
    decibel has no zero.
    """
    return slopes(network, features[None])[:, 0] * (features - network.floor)


def smooth_grad(
    network: Network, features: Float[Tensor, "freq frame"], *, n_samples: int = 25, noise: float = 0.15, seed: int = 0
) -> Float[Tensor, "target freq frame"]:
    """Return the gradient averaged over noisy copies of the spectrogram.

    ``values = mean over n of d score / d features at features + noise * (max - min) * normal``. Costs `n_samples` forward
    passes and as many backward passes a target. Less noisy than `saliency`, and as blind to saturation.

    Parameters
    ----------
    network, features
        As in `saliency`.
    n_samples
        Noisy copies.
    noise
        Standard deviation as a share of the spectrogram's range.
    seed
        Draws the noise.

    References
    ----------
    D. Smilkov et al., SmoothGrad, 2017.
    """
    _at_least_one("smooth_grad", n_samples)
    generator, spread = seeded(seed), noise * float(features.max() - features.min())

    def points() -> Iterator[Tensor]:
        for size in _sizes(n_samples):
            yield features + spread * torch.randn(size, *features.shape, generator=generator).to(features)

    return mean_slope(network, points())


def gradient_shap(
    network: Network, features: Float[Tensor, "freq frame"], *, n_samples: int = 50, seed: int = 0
) -> Float[Tensor, "target freq frame"]:
    """Return the gradient averaged on the ways from the background to the spectrogram, times the distance.

    ``values = mean of (features - b) * d score / d features at b + a (features - b)`` over rows b of the background and a
    uniform in 0..1: expected gradients. Sums to score(features) - mean score(background) on average; a sample misses it.
    Costs `n_samples` forward passes and as many backward passes a target.

    Parameters
    ----------
    network, features
        As in `saliency`; the network's background is what values are relative to.
    n_samples
        Points in all.
    seed
        Draws rows and points.

    References
    ----------
    G. Erion et al., Improving performance of deep learning models with axiomatic attribution priors and expected
    gradients, 2021. Deviation from captum's GradientShap: nothing is drawn from numpy's global state.
    """
    _at_least_one("gradient_shap", n_samples)
    generator = seeded(seed)
    total = torch.zeros((), dtype=torch.float64)
    for size in _sizes(n_samples):
        rows = network.background[torch.randint(len(network.background), (size,), generator=generator)]
        share = torch.rand(size, 1, 1, generator=generator).to(features)
        slope = slopes(network, rows + share * (features - rows))
        total = total + (slope * (features - rows)).to(torch.float64).sum(dim=1)
    return (total / n_samples).to(torch.float32)


def _sizes(n: int) -> list[int]:
    return [min(MAX_ITEMS, n - start) for start in range(0, n, MAX_ITEMS)]


def _at_least_one(name: str, n_samples: int) -> None:
    if not isinstance(n_samples, int) or n_samples < 1:
        raise ValueError(f"{name} takes at least one sample; got n_samples={n_samples!r}.")
