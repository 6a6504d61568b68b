"""Recordings and classifiers small enough to know the answer by heart."""

from __future__ import annotations

import math

import torch

from hearwhy import Recording

RATE = 8000


def tone(hertz: float, *, seconds: float = 1.0, gain: float = 0.3, rate: int = RATE) -> torch.Tensor:
    return gain * torch.sin(2 * math.pi * hertz * torch.arange(round(seconds * rate)) / rate)


def noise(seconds: float = 1.0, *, seed: int = 0, channels: int = 1, gain: float = 0.1, rate: int = RATE) -> torch.Tensor:
    return gain * torch.randn(channels, round(seconds * rate), generator=torch.Generator().manual_seed(seed))


def noisy(seconds: float = 1.0, *, seed: int = 0, channels: int = 1, rate: int = RATE) -> Recording:
    return Recording(noise(seconds, seed=seed, channels=channels, rate=rate), rate, f"noise {seed}")


class ToneDetector(torch.nn.Module):
    """Logits: how much of each tone is in the sound, 10 log10 of its power above -60 dB. Transparent and differentiable."""

    activation = "softmax"
    channels = 1
    fingerprint = None

    def __init__(
        self, tones: dict[str, float], *, rate: int = RATE, window_s: float | None = None, activation: str = "softmax"
    ):
        super().__init__()
        self.labels, self.sample_rate, self.window_s, self.activation = tuple(tones), rate, window_s, activation
        self.frequencies = tuple(tones.values())
        self.batches: list[int] = []
        self.eval()

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(audio))
        time = torch.arange(audio.shape[-1], dtype=torch.float64, device=audio.device) / self.sample_rate
        audio = audio.mean(dim=1).to(torch.float64)
        powers = []
        for hertz in self.frequencies:
            wave = torch.exp(-2j * math.pi * hertz * time)
            powers.append((audio.to(wave.dtype) @ wave / len(time)).abs().square())
        return torch.log10(torch.stack(powers, dim=1) + 1e-6)
