"""Harmonic and percussive sound, by median filtering of the spectrogram."""

from __future__ import annotations

import torch
from torch import Tensor

from hearwhy.separators import soft_masks
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

    spectrum = soft_masks.spectrum(recording, "hpss")
    masks = median_filters(soft_masks.magnitude(spectrum).numpy(), mask=True)
    waves = [soft_masks.heard(spectrum, torch.from_numpy(mask), recording) for mask in masks]
    return dict(zip(("harmonic", "percussive"), waves, strict=True))
