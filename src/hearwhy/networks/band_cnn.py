"""The network of the `band` classifier: five small convolutions over two seconds of log-mel spectrogram."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from hearwhy.front_ends import LogMel

FRONT_END = LogMel(sample_rate=16_000, n_fft=1024, hop_length=512, n_mels=128, norm=None, power=1.0, log="log1p", gain=10.0)
"""audioLIME's (n_fft 1024, hop 512, 128 mel, log magnitude); log1p, so that digital silence is exactly 0."""
CHANNELS = (16, 32, 64, 96, 128)


class BandCNN(nn.Module):
    """Log-mel features to one logit per class.

    Five times 3 x 3 convolution, batch normalisation, ReLU and 2 x 2 max-pooling, then the mean over what is left of
    time and frequency and one linear layer: 190,002 weights. Every activation is a module of its own and used
    once, so that methods that hook modules see all of them.

    Parameters
    ----------
    n_labels
        How many classes.
    """

    def __init__(self, n_labels: int = 2) -> None:
        super().__init__()
        blocks = []
        for before, after in zip((1, *CHANNELS), CHANNELS, strict=False):
            blocks += [
                nn.Conv2d(before, after, 3, padding=1, bias=False),  # the normalisation has the bias
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(CHANNELS[-1], n_labels)

    def forward(self, features: Float[Tensor, "batch mel frame"]) -> Float[Tensor, "batch label"]:
        """Return the logits."""
        return self.head(self.flatten(self.pool(self.blocks(features[:, None]))))
