"""Attributions of a spectrogram made by hand: no model is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from report_scenes import SETTINGS
from torch import Tensor

from hearwhy.components.cells import Numbered
from hearwhy.front_ends import FrontEnd, LogMel
from hearwhy.front_ends.whisper import WhisperLogMel
from hearwhy.masks import make_mask
from hearwhy.result import Attribution
from hearwhy.spectrum import Masked, Spectrum
from hearwhy.types import Recording

RATE = 16_000
MEL = LogMel(RATE, n_fft=512, hop_length=256, n_mels=32)
LABELS = ("beep", "hum", "<script>alert(1)</script>")
METRICS = {"ff": 0.85, "ai": 0.0, "ad": 4.1, "sps": 0.7, "comp": 6.4, "sps_map": 0.9, "heard_ff": None}
INSIDE = {"method": "grad_cam", "components": "features", "scale": "logit", "fill": "silence", "gap_db": None, "n_windows": 1,
          "gradient_check": {"error": 1e-7, "passed": True, "cause": None}}  # fmt: skip


def beep(seconds: float = 1.0, *, rate: int = RATE) -> Recording:
    """A tone of 2 kHz from 0.4 to 0.6 s in soft noise."""
    time = torch.arange(round(seconds * rate)) / rate
    noise = 0.005 * torch.randn(len(time), generator=torch.Generator().manual_seed(0))
    tone = 0.4 * torch.sin(2 * math.pi * 2000 * time) * ((time >= 0.4) & (time < 0.6))
    return Recording((tone + noise)[None], rate, "beep.wav")


def spectrum_of(
    recording: Recording, front_end: FrontEnd = MEL, *, cell: Tensor | None = None, window_s: float = 1.0
) -> Spectrum:
    n = round(window_s * RATE)
    audio = torch.nn.functional.pad(recording.audio, (0, n - recording.audio.shape[1]))
    features, floor = front_end(audio)[0], front_end(torch.zeros(1, n))[0]
    every = torch.arange(features.numel()).reshape(features.shape)
    return Spectrum(features, every if cell is None else cell, floor, front_end, n)


def event(spectrum: Spectrum) -> Tensor:
    """A map that is 2 where the tone is, -1 around the lowest rows, and 0 elsewhere."""
    values = torch.zeros_like(spectrum.features)
    values[13:20, 25:38] = 2.0
    values[:3] = -1.0
    return values


def mapped(
    rows: Sequence[Sequence[float]] = (
        (0.95, 0.04, 0.01), (0.91, 0.05, 0.04), (0.10, 0.80, 0.10), (0.85, 0.10, 0.05), (0.12, 0.75, 0.13),
    ),
    *,
    line: str | None = "threshold_pos(tau=0.5)",
    values: Tensor | None = None,
    front_end: FrontEnd = MEL,
    recording: Recording | None = None,
    window_s: float = 1.0,
    **changes: Any,
) -> Attribution:  # fmt: skip
    """What a method that looks inside found for beep: the tone, unless told otherwise."""
    recording = beep() if recording is None else recording
    spectrum = spectrum_of(recording, front_end, window_s=window_s)
    values = event(spectrum) if values is None else values
    asked = () if line is None else (Masked(line, 0, make_mask(line, values).float(), torch.tensor(rows), METRICS),)
    settings = SETTINGS | INSIDE | changes.pop("settings", {})
    found = _attribution(recording, spectrum, values[None], Numbered(values.numel(), "bin"), tuple(values.shape), settings)
    return Attribution(**(found | {"probabilities": torch.tensor(rows[0]), "masked": asked} | changes))


def tiled(n: int = 8, *, line: str = "threshold_pos(tau=0.5)", **changes: Any) -> Attribution:
    """What lime found of n cells, one above the other half a second long: the fourth speaks for beep, the next against it."""
    recording = beep()
    plain = spectrum_of(recording)
    rows, half = torch.arange(32) * (n // 2) // 32, (torch.arange(63) >= 31).long()
    spectrum = spectrum_of(recording, cell=half[None] * (n // 2) + rows[:, None])
    assert plain.features.shape == spectrum.cell.shape
    values = torch.linspace(0.01, 0.1, n)
    values[3], values[4] = 2.5, -1.5
    laid = values[spectrum.cell]
    answers = torch.tensor([[0.95, 0.04, 0.01], [0.91, 0.05, 0.04], [0.1, 0.8, 0.1], [0.85, 0.1, 0.05], [0.12, 0.75, 0.13]])
    masked = Masked(line, 0, make_mask(line, laid).float(), answers, METRICS)
    settings = SETTINGS | INSIDE | {"method": "lime", "components": "cells:tiles", "scale": "log_odds"}
    found = _attribution(recording, spectrum, values[None], Numbered(n), (n,), settings)
    more = {"probabilities": answers[0], "masked": (masked,), "stderr": torch.full((1, n), 0.05), "fidelity": (0.93,),
            "absent": (False,) * (n - 1) + (True,)}  # fmt: skip
    return Attribution(**(found | more | changes))


def _attribution(
    recording: Recording, spectrum: Spectrum, values: Tensor, names: Sequence[str], shape: tuple[int, ...],
    settings: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    return {
        "values": values,
        "base": torch.tensor([-2.0]),
        "score_full": torch.tensor([3.0]),
        "score_base": torch.tensor([-2.0]),
        "shape": shape,
        "names": names,
        "targets": ("beep",),
        "labels": LABELS,
        "removed": torch.tensor([0.1, 0.2, 0.7]),
        "recording": recording,
        "sounds": lambda: torch.zeros(0),
        "n_calls": 12,
        "spectrum": spectrum,
        "level_check": {"gains_db": [-6.0], "probabilities": [[0.9, 0.05, 0.05]], "top": ["beep"], "matters": False},
        "settings": settings,
    }


def silent() -> Attribution:
    """Features from which there is no way back to sound."""
    front_end = WhisperLogMel()
    rows = ((0.95, 0.04, 0.01), (0.91, 0.05, 0.04), (0.10, 0.80, 0.10), (math.nan,) * 3, (math.nan,) * 3)
    values = torch.zeros(80, 100)
    values[30:40, 40:60] = 1.0
    return mapped(rows, front_end=front_end, values=values)
