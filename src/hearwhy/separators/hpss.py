"""Harmonic and percussive sound, by median filtering of the spectrogram."""

from __future__ import annotations

import torch
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.types import Recording


def hpss(recording: Recording) -> dict[str, Tensor]:
    """Return the harmonic and the percussive share of the recording; they sum to it.

    Soft masks on the complex STFT (n_fft 2048, hop 512) from librosa's median filters (31 frames, 31 bins). All channels
    share one mask, so that the stereo image stays where it is.

    Raises
    ------
    ValueError
        The recording is shorter than one frame (2048 samples).

    References
    ----------
    .. [Fitzgerald2010] "Harmonic/percussive separation using median filtering", DAFx 2010.
    """
    from librosa.decompose import hpss as median_filters

    time = recording.audio.shape[1]
    if time < 2048:
        raise ValueError(f"{recording.name} has {time} samples, and hpss needs at least one frame of 2048.")
    spectrum = sound.stft(recording.audio, 2048, 512)
    magnitude = spectrum.abs().mean(dim=0).numpy()
    masks = median_filters(magnitude, mask=True)
    waves = [sound.istft(spectrum * torch.from_numpy(mask), time, 2048, 512) for mask in masks]
    return dict(zip(("harmonic", "percussive"), waves, strict=True))
