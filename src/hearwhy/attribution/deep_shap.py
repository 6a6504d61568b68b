"""DeepSHAP: DeepLIFT against many backgrounds, checked to add up."""

from __future__ import annotations

import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.attribution.inside import Network

CHUNK = 4  # background rows at a time: captum's own way expands all of them at once, 98 MB each for Cnn14
MAX_ERROR = 0.05  # of the effect: values that miss more do not add up to what they explain


def deep_shap(
    network: Network, features: Float[Tensor, "freq frame"], *, chunk: int = CHUNK, max_error: float = MAX_ERROR
) -> Float[Tensor, "target freq frame"]:
    """Return DeepLIFT's contributions of every bin, averaged over the rows of the background.

    Differences from a background pass through the network by multipliers: the slope where it is linear, the ratio of
    differences through an activation. They sum to ``score(features) - mean score(background)`` where every activation is a
    module used once; that they do is checked. Costs two forward passes and a backward pass a row and target. Bad at what
    activations do together, and no Shapley values where those matter.

    Parameters
    ----------
    network, features
        As in `saliency`; rows of the network's background are what values are relative to.
    chunk
        Rows of background at a time; memory grows with it, the values do not change.
    max_error
        Largest share of the effect that the values may miss.

    Raises
    ------
    ValueError
        The values do not add up; the network then uses an activation or a pooling as a function, a module twice, or
        max-pooling: captum's rule for it missed 4 % in a network of two layers and 50 % in the `band` network.

    References
    ----------
    A. Shrikumar, P. Greenside and A. Kundaje, Learning important features through propagating activation differences, ICML
    2017; S. Lundberg and S.-I. Lee, 2017. Computed by captum's DeepLift. The masked-spectrogram paper switched the check
    off; its values missed over 100 % of the effect.
    """
    from captum.attr import DeepLift

    explainer = DeepLift(network.scores)
    total = torch.zeros((), dtype=torch.float64)
    for rows in network.background.split(chunk):
        repeated = features.expand_as(rows).contiguous().requires_grad_(True)
        with warnings.catch_warnings():  # captum says that it sets hooks, which it takes off again
            warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
            found = [explainer.attribute(repeated, rows.contiguous(), target=t).detach() for t in range(network.n_targets)]
        total = total + torch.stack(found).to(torch.float64).sum(dim=1)
    values = (total / len(network.background)).to(torch.float32)
    error = additivity_error(network, features, values)
    if error > max_error:
        raise ValueError(
            f"deep_shap's values miss {100 * error:.0f} % of the effect that they should add up to (at most "
            f"{100 * max_error:.0f} % is allowed): the network uses an activation or a pooling as a function, a module twice, "
            "or max-pooling, for which captum's rule is inexact. Use gradient_shap or lime, or give each use its own module."
        )
    return values


def additivity_error(network: Network, features: Tensor, values: Float[Tensor, "target freq frame"]) -> float:
    """Return how much of the effect the values miss: the largest |sum of values - effect| over the largest |effect|."""
    with torch.no_grad():
        everything = network.scores(features[None])[0]
        rows = torch.cat([network.scores(rows) for rows in network.background.split(CHUNK)])
    effect = (everything - rows.mean(dim=0)).to(torch.float64)
    missed = values.to(torch.float64).sum(dim=(1, 2)) - effect
    return float(missed.abs().max() / effect.abs().max().clamp(min=1e-9))
