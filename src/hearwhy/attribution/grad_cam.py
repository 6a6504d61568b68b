"""Grad-CAM: where in a layer's grid the evidence lies, laid over the spectrogram."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hearwhy.attribution.inside import Network, caught

LOUDER_DB = 20.0  # of the corner that shows which axis is which


def grad_cam(
    network: Network, features: Float[Tensor, "freq frame"], *, layer: str | None = None, relu: bool = False
) -> Float[Tensor, "target freq frame"]:
    """Return a layer's activations, weighted by their mean gradient and laid over the spectrogram.

    ``values = sum over channels of mean over grid(d score / d A_k) * A_k``, stretched bilinearly to frequency x time. The
    layer is the last convolution that still has a grid, before its normalisation and activation, unless one is named.
    Which axis of the grid is time is found out, not assumed: a corner of the spectrogram is made louder, and the grid shows
    where. Costs two forward passes, one more to find the axes, and a backward pass a target. As coarse as the grid: one
    cell of it may be a second long.

    Parameters
    ----------
    network, features
        As in `saliency`.
    layer
        Name of a module of the network, as ``named_modules`` has it; None chooses.
    relu
        Whether negative values are cut off, as in the original; False keeps what speaks against.

    Raises
    ------
    ValueError
        The network has no layer with a grid, or not the one that is named.

    References
    ----------
    R. Selvaraju et al., Grad-CAM, ICCV 2017. Deviation: signed unless `relu`, as in the masked-spectrogram paper, which
    laid the map over the spectrogram with its axes exchanged.
    """
    module = _named(network.module, layer) if layer else _last_grid(network, features)
    activations = _activations(network, module, features[None])
    if activations.ndim != 4 or max(activations.shape[2:]) < 2:
        raise ValueError(
            f"grad_cam needs a layer with a grid over frequency and time; {layer or 'the last convolution'} has the shape "
            f"{tuple(activations.shape[1:])}. Name another with layer=, or use saliency."
        )
    maps = []
    for target in range(network.n_targets):
        held: list[Tensor] = []
        with caught(module, lambda _, inputs, found: held.append(found)):  # noqa: B023  # called within this turn
            score = network.scores(features[None].detach().requires_grad_(True))[0, target]
        slope = torch.autograd.grad(score, held[-1])[0]
        maps.append((slope.mean(dim=(2, 3), keepdim=True) * held[-1]).sum(dim=1).detach())
    grid = torch.stack(maps)  # (target, 1, height, width)
    if _is_turned(network, module, features, activations):
        grid = grid.transpose(2, 3)
    laid = nn.functional.interpolate(grid, size=features.shape, mode="bilinear", align_corners=False)[:, 0]
    return laid.clamp(min=0) if relu else laid


def _named(module: nn.Module, name: str) -> nn.Module:
    layers = dict(module.named_modules())
    if name not in layers:
        grids = [key for key, part in layers.items() if isinstance(part, nn.Conv2d)]
        raise ValueError(f"The network has no layer {name!r}; its convolutions are {', '.join(grids) or 'none'}.")
    return layers[name]


def _last_grid(network: Network, features: Tensor) -> nn.Module:
    """Return the last convolution whose output has a grid over both axes."""
    seen: list[nn.Module] = []

    def note(module: nn.Module, inputs: tuple[Tensor, ...], found: Tensor) -> None:
        if found.ndim == 4 and min(found.shape[2:]) > 1:
            seen.append(module)

    convolutions = [part for part in network.module.modules() if isinstance(part, nn.Conv2d)]
    handles = [part.register_forward_hook(note) for part in convolutions]
    try:
        with torch.no_grad():
            network.scores(features[None])
    finally:
        for handle in handles:
            handle.remove()
    if not seen:
        raise ValueError("grad_cam needs a convolution with a grid over frequency and time, and this network has none that "
                         "can be seen. Use saliency, or lime over cells.")  # fmt: skip
    return seen[-1]


def _activations(network: Network, module: nn.Module, features: Tensor) -> Tensor:
    held: list[Tensor] = []
    with caught(module, lambda _, inputs, found: held.append(found)), torch.no_grad():
        network.scores(features)
    if not held:
        raise ValueError("The layer is not part of what the network does with a spectrogram; name another.")
    return held[-1]


def _is_turned(network: Network, module: nn.Module, features: Tensor, activations: Tensor) -> bool:
    """Return whether the grid's first axis is time: seen from where a louder corner (low and late) shows in it."""
    n_freq, n_frames = features.shape
    corner = features.clone()
    corner[: max(1, n_freq // 4), -max(1, n_frames // 4) :] += LOUDER_DB
    change = (_activations(network, module, corner[None]) - activations).abs().sum(dim=1)[0]
    down, across = (_centre(change.sum(dim=axis)) for axis in (1, 0))
    return down > 0.5 > across


def _centre(weights: Tensor) -> float:
    """Return the centre of mass along an axis, 0 to 1."""
    places = (torch.arange(len(weights)) + 0.5) / len(weights)
    return float((weights.cpu() * places).sum() / weights.sum().clamp(min=1e-30))
