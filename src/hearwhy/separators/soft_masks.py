"""Soft masks: what a separator works with that divides the bins of a spectrogram among sources."""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.types import Recording

N_FFT, HOP_LENGTH = 2048, 512


def spectrum(recording: Recording, what: str) -> Complex[Tensor, "channel freq frame"]:
    """Return the complex STFT (n_fft 2048, hop 512) of a recording; an error where it is shorter than one frame."""
    time = recording.audio.shape[1]
    if time < N_FFT:
        raise ValueError(
            f"{recording.name} has {time} samples, and {what} needs at least one frame of {N_FFT}; give a longer recording."
        )
    return sound.stft(recording.audio, N_FFT, HOP_LENGTH)


def magnitude(spectrum: Complex[Tensor, "channel freq frame"]) -> Float[Tensor, "freq frame"]:
    """Return the mean magnitude of the channels, by which masks are found that all channels share."""
    return spectrum.abs().mean(dim=0)


def heard(
    spectrum: Complex[Tensor, "channel freq frame"], mask: Float[Tensor, "freq frame"], recording: Recording
) -> Float[Tensor, "channel time"]:
    """Return the sound of what a mask keeps; masks that sum to 1 give sounds that sum to the recording."""
    return sound.istft(spectrum * mask.to(torch.float32), recording.audio.shape[1], N_FFT, HOP_LENGTH)
