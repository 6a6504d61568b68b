"""VGG16 with batch normalisation on one channel: the network of audioLIME's confounder experiment."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions between two poolings."""
GRID = 7  # the linear layers are given 7 x 7 cells, whatever the size of the input
HIDDEN = 4096


class Vgg16Bn(nn.Module):
    """Features to one logit a class: thirteen 3 x 3 convolutions in five stages, then three linear layers; 134 million weights.

    Behind every stage a 2 x 2 maximum halves time and frequency: 128 x 63 values become 4 x 1. The linear layers want
    7 x 7, which the adaptive mean makes of them, as torchvision's does: fewer than seven cells are repeated. Every
    activation is a module of its own and used once, so that methods that hook modules see all of them.

    Parameters
    ----------
    n_labels
        How many classes.

    References
    ----------
    Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition, 2015, configuration D, with
    batch normalisation as in torchvision, whose names of weights these are. Deviation: one input channel in place of three.

    Examples
    --------
    >>> import torch
    >>> network = Vgg16Bn(2).eval()
    >>> network(torch.zeros(1, 128, 63)).shape
    torch.Size([1, 2])
    """

    def __init__(self, n_labels: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for stage in STAGES:
            for after in stage:
                layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
                before = after
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(GRID)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Linear(before * GRID**2, HIDDEN), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(HIDDEN, n_labels),
        )  # fmt: skip
        self.apply(_first_weights)

    def forward(self, features: Float[Tensor, "batch mel frame"]) -> Float[Tensor, "batch label"]:
        """Return the logits.

        Raises
        ------
        ValueError
            The features are smaller than 32 x 32: nothing is left of them behind the poolings.
        """
        smallest = 2 ** len(STAGES)
        if features.ndim != 3 or min(features.shape[1:]) < smallest:
            raise ValueError(
                f"vgg16_bn takes features (batch, mel, frame) of at least {smallest} x {smallest}; got {tuple(features.shape)}."
            )
        return self.classifier(self.flatten(self.pool(self.features(features[:, None]))))


def _first_weights(module: nn.Module) -> None:
    """Weights as torchvision draws them; batch normalisation begins at 1 and 0 by itself."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
    else:
        return
    assert module.bias is not None
    nn.init.zeros_(module.bias)
