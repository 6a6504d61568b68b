"""Sources: what a separator gives, completed so that it adds up to the recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.components.parts import ABSENT_DB, Parts, equal_shares
from hearwhy.types import Recording

Residual = Literal["part", "drop"]


def sources(recording: Recording, estimates: Mapping[str, Tensor], *, residual: Residual = "part", spec: str = "") -> Parts:
    """Return separated sources as parts of the recording; what they miss becomes a part of its own, or is dropped.

    Parameters
    ----------
    recording
        What was separated.
    estimates
        Name to waveform, (channel, time), each as long as the recording. Mono estimates stand in every channel.
    residual
        ``"part"``: recording minus sum becomes the part "residual" (unless it is under -60 dB, where it would be absent
        in any case); ``"drop"``: it is left out. `Parts.gap_db` says what is missing.

    Raises
    ------
    ValueError
        There are no estimates, one has another length or number of channels, or one holds NaN.
    """
    if not estimates:
        raise ValueError(f"{recording.name}: no sources were given; a separator must return at least one.")
    if residual not in ("part", "drop"):
        raise ValueError(f"residual is 'part' or 'drop'; got {residual!r}.")
    names = list(estimates)
    waves = [fitting(recording, name, wave) for name, wave in estimates.items()]
    rest = recording.audio - torch.stack(waves).sum(dim=0)
    gap_db = sound.level_db(rest) - sound.level_db(recording.audio)
    if residual == "part" and gap_db >= ABSENT_DB:
        names.append("residual" if "residual" not in names else "what is left")
        waves.append(rest)
    n = len(waves)
    return Parts(torch.stack(waves), recording, tuple(names), (n,), equal_shares(n), spec=spec)


def fitting(recording: Recording, name: str, wave: Tensor) -> Tensor:
    """Return a source as (channel, time) of the recording; an error where it has another length, or channels, or holds NaN."""
    wave = torch.as_tensor(wave, dtype=torch.float32)
    wave = wave[None] if wave.ndim == 1 else wave
    channels, time = recording.audio.shape
    if wave.shape[-1] != time:
        raise ValueError(
            f"source {name!r} has {wave.shape[-1]} samples and {recording.name} has {time}; "
            "sources must be exactly as long as the recording: cut or pad them first."
        )
    if wave.shape[0] not in (1, channels):
        raise ValueError(f"source {name!r} has {wave.shape[0]} channels and {recording.name} has {channels}; remix it first.")
    if not torch.isfinite(wave).all():
        raise ValueError(f"source {name!r} holds NaN or infinite samples; the separator failed on {recording.name}.")
    return wave.expand(channels, time)
