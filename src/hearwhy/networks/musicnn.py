"""The two networks of musicnn: from 3 s of log-mel spectrogram to 50 music tags.

Both are for asking, not for training: dropout, which does nothing there, is left out. Every activation and pooling is a
module of its own, used once, so that hooks and layer rules find it.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

N_FRAMES = 187
N_MELS = 96
N_TAGS = 50
_EPS = 1e-3  # TensorFlow's default in batch normalisation; torch's is 1e-5


class Musicnn(nn.Module):
    """Filters shaped after music, residual layers over time, and pooling over the whole window; 787,000 weights.

    The front end looks for timbre (filters 7 frames long and 38 or 67 mel bins high, the strongest over frequency) and
    for tempo (filters 32, 64 and 128 frames long and one bin high, likewise). Three convolutions over time follow, each
    added to the one before. All are kept, and pooled to their maximum and mean over time.

    Parameters
    ----------
    n_tags
        Number of outputs.

    References
    ----------
    Pons, Nieto, Prockup, Schmidt, Ehmann, Serra: End-to-end learning for music audio tagging at scale, ISMIR 2018.
    Pons, Serra: musicnn: pre-trained convolutional neural networks for music audio tagging, 2019. Deviation: the
    convolutions over time are one-dimensional, with channels where the original has an axis of height; the numbers are
    the same.

    Examples
    --------
    >>> Musicnn()(torch.zeros(2, 187, 96)).shape
    torch.Size([2, 50])
    """

    def __init__(self, n_tags: int = N_TAGS) -> None:
        super().__init__()
        self.input_norm = nn.BatchNorm2d(1, eps=_EPS)
        self.timbre = nn.ModuleList(_timbre(204, height) for height in (38, 67))
        self.tempo = nn.ModuleList(_tempo(51, length) for length in (128, 64, 32))
        self.first = _over_time(2 * 204 + 3 * 51, 64)
        self.second = _over_time(64, 64)
        self.third = _over_time(64, 64)
        n_features = 2 * 204 + 3 * 51 + 3 * 64
        self.maximum = nn.MaxPool1d(N_FRAMES)
        self.mean = nn.AvgPool1d(N_FRAMES)
        self.pooled_norm = nn.BatchNorm1d(2 * n_features, eps=_EPS)
        self.hidden = nn.Sequential(nn.Linear(2 * n_features, 200), nn.ReLU(), nn.BatchNorm1d(200, eps=_EPS))
        self.output = nn.Linear(200, n_tags)

    def forward(self, features: Float[Tensor, "batch frame mel"]) -> Float[Tensor, "batch tag"]:
        """Return one logit per tag for each log-mel spectrogram of 187 frames by 96 bins."""
        _check(features)
        plane = self.input_norm(features[:, None].contiguous())
        front = torch.cat([branch(plane).squeeze(3) for branch in (*self.timbre, *self.tempo)], dim=1)
        first = self.first(front)
        second = self.second(first) + first
        third = self.third(second) + second
        everything = torch.cat([front, first, second, third], dim=1)  # (batch, feature, frame)
        pooled = torch.cat([self.maximum(everything), self.mean(everything)], dim=2)  # (batch, feature, 2)
        return self.output(self.hidden(self.pooled_norm(pooled.flatten(1))))


class MusicnnVGG(nn.Module):
    """Five 3 x 3 convolutions of 128 filters, each pooled, and a linear layer: musicnn's baseline; 606,000 weights.

    Its pooling leaves remainders, so it is deaf to the window's last 26 frames and to its two highest mel bins.

    Parameters
    ----------
    n_tags
        Number of outputs.

    References
    ----------
    Choi, Fazekas, Sandler: Automatic tagging using deep convolutional neural networks, ISMIR 2016, as the package
    musicnn builds it. Deviation: channels come before time and frequency when they are laid in a row; the linear
    layer's weights are ordered to fit.

    Examples
    --------
    >>> MusicnnVGG()(torch.zeros(2, 187, 96)).shape
    torch.Size([2, 50])
    """

    def __init__(self, n_tags: int = N_TAGS) -> None:
        super().__init__()
        self.input_norm = nn.BatchNorm2d(1, eps=_EPS)
        # the first pooling's regions overlap in time and skip every other mel bin: so it was trained
        pools = [nn.MaxPool2d((4, 1), stride=2), *(nn.MaxPool2d(2) for _ in range(3)), nn.MaxPool2d(4)]
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(128 if i else 1, 128, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(128, eps=_EPS), pool)
            for i, pool in enumerate(pools)
        )
        self.output = nn.Linear(2 * 128, n_tags)

    def forward(self, features: Float[Tensor, "batch frame mel"]) -> Float[Tensor, "batch tag"]:
        """Return one logit per tag for each log-mel spectrogram of 187 frames by 96 bins."""
        _check(features)
        plane = self.input_norm(features[:, None].contiguous())
        for block in self.blocks:
            plane = block(plane)
        return self.output(plane.flatten(1))


def _timbre(n_filters: int, height: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, n_filters, (7, height), padding=(3, 0)),
        nn.ReLU(),
        nn.BatchNorm2d(n_filters, eps=_EPS),
        nn.MaxPool2d((1, N_MELS - height + 1)),
    )


def _tempo(n_filters: int, length: int) -> nn.Sequential:
    # an even length cannot be centred: TensorFlow's "same" puts the odd frame of padding at the end
    before = (length - 1) // 2
    return nn.Sequential(
        nn.ZeroPad2d((0, 0, before, length - 1 - before)),
        nn.Conv2d(1, n_filters, (length, 1)),
        nn.ReLU(),
        nn.BatchNorm2d(n_filters, eps=_EPS),
        nn.MaxPool2d((1, N_MELS)),
    )


def _over_time(n_inputs: int, n_filters: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(n_inputs, n_filters, 7, padding=3), nn.ReLU(), nn.BatchNorm1d(n_filters, eps=_EPS))


def _check(features: Tensor) -> None:
    if features.ndim != 3 or tuple(features.shape[1:]) != (N_FRAMES, N_MELS):
        raise ValueError(
            f"musicnn's networks take log-mel spectrograms of shape (batch, {N_FRAMES}, {N_MELS}); got "
            f"{tuple(features.shape)}. Cut the spectrogram into windows of {N_FRAMES} frames."
        )
