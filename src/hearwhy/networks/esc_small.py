"""The network of the `esc10-small` classifiers: five convolutions on a spectrogram of five seconds."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from hearwhy.networks.cnn14 import SpectrogramCnn, conv_block

CHANNELS = (16, 32, 64, 128, 256)


class EscSmall(SpectrogramCnn):
    """Spectrogram to one logit a class: five convolutions, pooling as in Cnn14, one linear layer; 396,000 weights.

    The first convolution, 5 x 5, takes steps of two cells (where there are more than 128 frequencies: 7 x 5, four and two), so
    that an answer takes a few milliseconds; the others are 3 x 3.

    Parameters
    ----------
    n_labels
        How many classes.
    n_features, n_frames
        Size of the spectrogram; the default is Mel-dB of 5 s.
    """

    def __init__(self, n_labels: int, n_features: int = 64, n_frames: int = 501) -> None:
        tall = n_features > 128
        stem = nn.Sequential(
            nn.Conv2d(1, CHANNELS[0], (7, 5) if tall else 5, (4, 2) if tall else 2, (3, 2) if tall else 2, bias=False),
            nn.BatchNorm2d(CHANNELS[0]),
            nn.ReLU(),
        )
        blocks = {"stem": stem}
        for i, (before, after) in enumerate(pairwise(CHANNELS), start=2):
            blocks[f"conv_block{i}"] = conv_block(before, after, pool=2 if i < len(CHANNELS) else 1)
        size, n_left = (n_features, n_frames), (n_frames + 1) // 2 // 8
        super().__init__(blocks, n_labels=n_labels, size=size, n_channels=CHANNELS[-1], n_left=n_left, hidden=False)
