"""Methods that change the backward pass: guided backpropagation and layer-wise relevance propagation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hearwhy.attribution.inside import Network


def guided_backprop(network: Network, features: Float[Tensor, "freq frame"]) -> Float[Tensor, "target freq frame"]:
    """Return the gradient with what is negative cut off at every ReLU on the way back.

    Costs one forward pass and a backward pass a target. Sharp pictures, but close to an edge detector: networks with other
    weights give nearly the same ones, so look at `hearwhy.sanity` before believing it.

    Parameters
    ----------
    network, features
        As in `saliency`; activations must be ``nn.ReLU`` modules, each used once.

    Raises
    ------
    ValueError
        The network has no ReLU module: the result would be the plain gradient under another name.

    References
    ----------
    J. Springenberg et al., Striving for simplicity, 2015; J. Adebayo et al., Sanity checks for saliency maps, 2018.
    Computed by captum.
    """
    from captum.attr import GuidedBackprop

    if not any(isinstance(part, nn.ReLU) for part in network.module.modules()):
        raise ValueError("guided_backprop changes ReLU modules, and this network has none; use saliency.")
    explainer = GuidedBackprop(network.scores)
    with warnings.catch_warnings():  # captum says that it sets hooks, which it takes off again
        warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU")
        found = [explainer.attribute(features[None].requires_grad_(True), target=t) for t in range(network.n_targets)]
    return torch.cat(found).detach()


def lrp(network: Network, features: Float[Tensor, "freq frame"]) -> Float[Tensor, "target freq frame"]:
    """Return the score, handed back layer by layer to the bins in proportion to what each contributed.

    The epsilon rule everywhere. Costs two forward passes and a backward pass a target. Bad at biases and normalisations,
    which take part of the score with them: the values need not sum to it.

    Parameters
    ----------
    network, features
        As in `saliency`; every step of the network must be a module, used once.

    Raises
    ------
    ValueError
        The network has a layer without a rule.

    References
    ----------
    S. Bach et al., On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance propagation, PLoS
    ONE 2015. Computed by captum.
    """
    from captum.attr import LRP

    with _rules(network.module):
        explainer = LRP(network.scores)
        try:
            found = [explainer.attribute(features[None].requires_grad_(True), target=t) for t in range(network.n_targets)]
        except (TypeError, AttributeError, RuntimeError, AssertionError) as error:
            raise ValueError(f"lrp has no rule for a step of this network ({error}); use input_x_gradient.") from error
    return torch.cat(found).detach()


@contextmanager
def _rules(module: nn.Module) -> Iterator[None]:
    """Give the layers that only move numbers or take means the rule that captum has not for them, for this once."""
    from captum.attr._utils.lrp_rules import EpsilonRule

    plain = (nn.Flatten, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.Identity, nn.Unflatten)
    given = [part for part in module.modules() if isinstance(part, plain) and not hasattr(part, "rule")]
    for part in given:
        part.rule = EpsilonRule()
    try:
        yield
    finally:
        for part in given:
            for name in ("rule", "activation"):
                if name in part.__dict__:
                    delattr(part, name)
