"""A tone burst in noise, and a network that listens to it: where every map of a spectrogram has to point."""

from __future__ import annotations

import math

import torch
from torch import nn

from hearwhy import Recording
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.front_ends import LogMel

RATE, N_MELS = 16_000, 64
FRONT_END = LogMel(sample_rate=RATE, n_fft=512, hop_length=256, n_mels=N_MELS)
HERTZ, START_S, STOP_S = 700.0, 0.70, 0.85
GROUPS = 8  # of frequency; the burst lies in one of them
LOUD_DB = -10.0  # what the network takes for a burst; the noise stays under it


class BurstNetwork(nn.Module):
    """Two logits from features (batch, freq, frame): how much is loud in the burst's group of bands, and in the others.

    Every step is a module, used once. `turned` takes (batch, frame, freq), as some networks do.
    """

    def __init__(self, *, turned: bool = False) -> None:
        super().__init__()
        self.turned = turned
        self.smooth = nn.Conv2d(1, 1, 3, padding=1)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.last = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d((1, GROUPS) if turned else (GROUPS, 1))
        self.flatten = nn.Flatten()
        self.head = nn.Linear(2 * GROUPS, 2)
        with torch.no_grad():
            self.smooth.weight.fill_(1 / 9)
            self.smooth.bias.fill_(-LOUD_DB)
            self.conv.weight.fill_(0.0)
            self.conv.weight[0] = 1 / 9
            self.conv.bias.zero_()
            self.head.weight.zero_()
            self.head.bias.zero_()
            group = band() * GROUPS // N_MELS
            self.head.weight[0, group] = 1.0
            for other in set(range(GROUPS)) - {group}:
                self.head.weight[1, other] = 1.0
        self.eval().requires_grad_(False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        loud = self.relu(self.smooth(features[:, None]))
        return self.head(self.flatten(self.pool(self.last(self.conv(loud)))))


def classifier(*, turned: bool = False) -> SpectrogramClassifier:
    layout = "batch frame freq" if turned else "batch freq frame"
    return SpectrogramClassifier(FRONT_END, BurstNetwork(turned=turned), ("burst", "other"), layout=layout, window_s=1.0)


def recording() -> Recording:
    time = torch.arange(RATE) / RATE
    burst = 0.5 * torch.sin(2 * math.pi * HERTZ * time) * ((time >= START_S) & (time < STOP_S))
    noise = 0.003 * torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    return Recording((burst + noise)[None], RATE, "burst")


def band() -> int:
    """The mel band that the tone lies in."""
    spectrum = FRONT_END(torch.sin(2 * math.pi * HERTZ * torch.arange(RATE) / RATE)[None])[0]
    return int(spectrum.mean(dim=1).argmax())


def box(n_frames: int) -> torch.Tensor:
    """Which bins belong to the burst, with the margin of a frame, of the smoothing and of the mel filters' skirts."""
    seconds = torch.arange(n_frames) * 256 / RATE
    around = (seconds >= START_S - 0.06) & (seconds < STOP_S + 0.06)
    bands = (torch.arange(N_MELS) - band()).abs() <= 6
    return bands[:, None] & around[None]
