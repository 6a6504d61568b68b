"""Songs of four tones, and models of them whose one virtue or fault is known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from hearwhy import Recording
from hearwhy.classifiers import classifier
from hearwhy.datasets.items import Dataset
from hearwhy.sanity import Question, Taking
from toys import RATE, tone

HERTZ = {"low": 300.0, "middle": 800.0, "high": 1700.0, "top": 3100.0}
SECONDS = 0.25
GAINS = (
    {"low": 0.05, "middle": 0.3, "high": 0.1, "top": 0.2},
    {"low": 0.1, "middle": 0.05, "high": 0.3, "top": 0.15},
    {"low": 0.2, "middle": 0.1, "high": 0.05, "top": 0.3},
    {"low": 0.07, "middle": 0.2, "high": 0.25, "top": 0.04},
)  # each is loudest once, but "low" never


@dataclass(frozen=True)
class Song:
    name: str
    group: str
    sources: dict[str, torch.Tensor]
    label: None = None
    duration_s: float = SECONDS

    def load(self, *, start_s=0.0, duration_s=None):
        return Recording(
            sum(self.stems(start_s=start_s, duration_s=duration_s)[name].audio for name in self.sources), RATE, self.name
        )

    def stems(self, *, start_s=0.0, duration_s=None):
        start = round(start_s * RATE)
        stop = None if duration_s is None else start + round(duration_s * RATE)
        return {name: Recording(audio[None, start:stop], RATE, name) for name, audio in self.sources.items()}


def song(i: int, gains: dict[str, float]) -> Song:
    return Song(
        f"song {i}", f"group {i}", {name: tone(HERTZ[name], seconds=SECONDS, gain=gain) for name, gain in gains.items()}
    )


def songs(n: int = 4) -> Dataset:
    return Dataset("files", tuple(song(i, gains) for i, gains in enumerate(GAINS[:n])))


def question(method: str = "kernel_shap", components: str | None = None, target: str = "yes", **options) -> Question:
    return Question(method, Taking(components, target), **{"n_networks": 4, "n_seeds": 4} | options)


class Tones(nn.Module):
    """Level of each tone above -60 dB, from 0 to about 5; the front end of the models here."""

    sample_rate, channels, activation, fingerprint = RATE, 1, "softmax", None
    window_s = None
    labels = ("yes", "no")

    def levels(self, audio):
        time = torch.arange(audio.shape[-1], dtype=audio.dtype) / RATE
        waves = [
            torch.stack([torch.cos(2 * torch.pi * hertz * time), torch.sin(2 * torch.pi * hertz * time)])
            for hertz in HERTZ.values()
        ]
        powers = [(audio[:, 0] @ wave.T / len(time)).square().sum(dim=1) for wave in waves]
        return torch.log10(torch.stack(powers, dim=1) + 1e-6) + 6


class Confounded(Tones):
    """What a network learnt: to listen to one tone and to nothing else."""

    def __init__(self, listens_to: str = "low"):
        super().__init__()
        self.first, self.act, self.last = nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)
        which = list(HERTZ).index(listens_to)
        with torch.no_grad():
            for layer in (self.first, self.last):
                layer.weight.zero_()
                layer.bias.zero_()
            self.first.weight[:, which] = 1.0
            self.last.weight[0] = 0.5
        self.eval()

    def forward(self, audio):
        return self.last(self.act(self.first(self.levels(audio))))


class Meter(Tones):
    """Answers with the levels, whatever its weights are: they are multiplied by next to nothing."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 2)
        self.eval()

    def forward(self, audio):
        power = audio.square().mean(dim=(1, 2))
        return torch.stack([20 * power, 0 * power], dim=1) + 1e-9 * self.last(self.first(self.levels(audio)))


class Mirrored(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1.0

    @staticmethod
    def backward(ctx, slope):
        return slope.flip(-1)


class WrongSlope(Confounded):
    def levels(self, audio):
        return Mirrored.apply(super().levels(audio))


def told(function, labels=("yes", "no"), activation="softmax"):
    """A plain function as a classifier."""
    function.sample_rate, function.labels, function.activation = RATE, labels, activation
    return classifier(function)


def loudness(audio):
    """Hears nothing but how loud it is."""
    level = torch.log10(audio.square().mean(dim=(1, 2)) + 1e-6) + 6
    return torch.stack([level, 0 * level], dim=1)


def holes(audio):
    """Takes digital silence for the answer: the more of it in the first half, the less; with noise there is none."""
    weight = torch.linspace(2, 0, audio.shape[-1]) ** 2
    missing = ((audio[:, 0] == 0) * weight).mean(dim=1)
    return torch.stack([-10 * missing, 0 * missing], dim=1)


def deaf_to_the_question(audio):
    """Two labels with the same answer."""
    level = torch.log10(audio[:, 0, : audio.shape[-1] // 2].square().mean(dim=1) + 1e-6)
    return torch.stack([level, level], dim=1)


def erratic(audio):
    """Rises and falls with every combination anew: nothing of it adds up."""
    level = (1e4 * audio.square().mean(dim=(1, 2))).sin() * 3
    return torch.stack([level, 0 * level], dim=1)
