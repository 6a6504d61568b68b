"""What a separation network is told about its answers: masks, embeddings and piano rolls against the truth."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor, nn

HEARD_DB = 40.0  # bins further below the loudest of their snippet do not count for the embedding
FLOOR_DB = 30.0  # of the distortion, below the mix: nothing is gained by masks that are better still


def mask_loss(
    masks: Float[Tensor, "batch source freq frame"],
    sources: Complex[Tensor, "batch source freq frame"],
    mix: Complex[Tensor, "batch freq frame"],
) -> Float[Tensor, ""]:
    """Return the mean distance between the masked mix and the truncated phase-sensitive target, in the unit of the mix.

    The target of a source s in a mix x is ``|s| cos(angle s - angle x)`` kept between 0 and ``|x|``: the best that a mask
    between 0 and 1 can do with the phase of the mix.

    References
    ----------
    Z.-Q. Wang, J. Le Roux and J. R. Hershey, "Alternative objective functions for deep clustering", ICASSP 2018: mask
    inference with the L1 distance to the truncated phase-sensitive spectrum approximation. Deviation: sources have names, so
    no permutation is searched.
    """
    magnitude = mix.abs()[:, None]
    in_phase = (sources * mix.conj()[:, None]).real / magnitude.clamp_min(1e-8)
    target = torch.minimum(in_phase.clamp_min(0), magnitude)
    return (masks * magnitude - target).abs().mean()


def distortion(
    masks: Float[Tensor, "batch source freq frame"],
    sources: Complex[Tensor, "batch source freq frame"],
    mix: Complex[Tensor, "batch freq frame"],
) -> Float[Tensor, ""]:
    """Return the mean level of what is wrong with a separated source, relative to the mix, in nepers of energy.

    ``log(|m x - s|^2 / |x|^2 + 10^-3)``, energies summed over the bins of a snippet, the logarithm averaged over sources and
    snippets. An L1 distance over bins says little about the few bins in which a kick drum and a bass have their energy; this
    says what SI-SDR says, and of a silent source how silent its estimate is.

    References
    ----------
    S. Wisdom and others, "Unsupervised sound separation using mixture invariant training", NeurIPS 2020, equation 2: the
    signal-to-noise ratio with a soft threshold of 30 dB. Deviation: relative to the mix, so that silent sources have one, too.
    """
    wrong = (masks * mix[:, None] - sources).abs().square().sum((2, 3))
    energy = mix.abs().square().sum((1, 2))[:, None].clamp_min(1e-8)
    return torch.log(wrong / energy + 10 ** (-FLOOR_DB / 10)).mean()


def clustering_loss(
    embedding: Float[Tensor, "batch dimension freq frame"], loudest: Tensor, counted: Bool[Tensor, "batch freq frame"]
) -> Float[Tensor, ""]:
    """Return the squared distance of two affinity matrices, ``|VV' - YY'|^2 / n^2``, averaged over the batch.

    V holds a vector for each of the n bins that count, Y a 1 for the source that is loudest in it: bins of one source
    shall lie together, others at right angles. It is computed as ``|V'V|^2 - 2 |V'Y|^2 + |Y'Y|^2``, never n x n.

    Parameters
    ----------
    embedding
        Unit vectors.
    loudest
        Number of the loudest source of every bin, (batch, freq, frame).
    counted
        Which bins count.

    References
    ----------
    J. R. Hershey, Z. Chen, J. Le Roux and S. Watanabe, "Deep clustering", ICASSP 2016. Deviation: divided by n^2, so that it
    does not grow with the snippet.
    """
    weight = counted.flatten(1)[..., None].to(embedding)
    vectors = embedding.flatten(2).transpose(1, 2) * weight
    truth = nn.functional.one_hot(loudest.flatten(1)).to(embedding) * weight
    squares = [(a.transpose(1, 2) @ b).square().sum((1, 2)) for a, b in ((vectors, vectors), (vectors, truth), (truth, truth))]
    n = weight.sum((1, 2)).clamp_min(1)
    return ((squares[0] - 2 * squares[1] + squares[2]) / n**2).mean()


def counted_bins(magnitude: Float[Tensor, "batch freq frame"]) -> Bool[Tensor, "batch freq frame"]:
    """Return the bins within `HEARD_DB` of the loudest of their snippet."""
    return magnitude > magnitude.amax((1, 2), keepdim=True) * 10 ** (-HEARD_DB / 20)


def roll_loss(rolls: Float[Tensor, "batch source key frame"], held: Tensor) -> Float[Tensor, ""]:
    """Return the mean cross-entropy, in nats, of every key in every frame."""
    return nn.functional.binary_cross_entropy_with_logits(rolls, held.to(rolls))
