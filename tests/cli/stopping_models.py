"""Models that interact in every order and take their time, for `py:stopping_models:...`."""

import time

import torch


def quick(audio):
    energy = audio.square().mean(dim=1).unflatten(1, (14, -1)).mean(dim=-1)
    on = torch.tanh(30 * energy)
    return torch.stack([on @ torch.linspace(-1, 2, 14) + 3 * on[:, 1] * on[:, 5] * on[:, 7], on[:, 2] * on[:, 3]], dim=1)


def slow(audio):
    time.sleep(0.004 * len(audio))
    return quick(audio)


for model in (quick, slow):
    model.sample_rate, model.labels = 8000, ("one", "other")
