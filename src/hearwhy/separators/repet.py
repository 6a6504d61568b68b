"""REPET-SIM: what repeats itself, and what stands before it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.separators import soft_masks
from hearwhy.types import Recording

APART_S = 1.0  # frames closer than this are alike because they are neighbours, not because something comes back
MOST = 100  # frames that one is compared with
CHUNK = 256  # frames at a time, so that memory stays far below frames x frames


def repet(recording: Recording) -> dict[str, Tensor]:
    """Return the foreground of the recording and its repeating background; they sum to it.

    Every frame of the magnitude spectrogram V (n_fft 2048, hop 512, mean of the channels) is compared with the frames most
    like it (cosine), at most 100 and 1 s apart from each other; their median, bin by bin, is what repeats. The background
    is the recording under the soft mask ``min(median, V) / V``, which all channels share, and the foreground is the rest. Good
    where an accompaniment loops under a voice that does not. What a recording of a second or two repeats cannot be told, and
    most of it is background.

    Parameters
    ----------
    recording
        What to separate, at least 2048 samples.

    Returns
    -------
    dict
        "foreground" and "repeating" to their waveforms, (channel, time).

    Raises
    ------
    ValueError
        The recording is shorter than one frame.

    References
    ----------
    .. [Rafii2012] "Music/voice separation using the similarity matrix", ISMIR 2012, with its 100 frames at least 1 s apart and
       no least similarity. Deviations: frames of 2048 samples at any rate (published: 40 ms), the lower of two medians of
       an even number of frames, and no low frequencies that always count as background.
    """
    spectrum = soft_masks.spectrum(recording, "repet")
    magnitude = soft_masks.magnitude(spectrum)
    apart = round(APART_S * recording.sample_rate / soft_masks.HOP_LENGTH)
    repeated = torch.minimum(repeating(magnitude, apart), magnitude)
    mask = torch.where(magnitude > 0, repeated / magnitude.clamp(min=1e-30), 1.0)
    background = soft_masks.heard(spectrum, mask, recording)
    return {"foreground": soft_masks.heard(spectrum, 1 - mask, recording), "repeating": background}


def repeating(magnitude: Float[Tensor, "freq frame"], apart: int) -> Float[Tensor, "freq frame"]:
    """Return for every frame the median of those most like it, itself among them, over `apart` frames from each other."""
    directions = torch.nn.functional.normalize(magnitude, dim=0)
    found = []
    for some in directions.split(CHUNK, dim=1):
        alike = some.T @ directions  # (some, frame)
        peak = torch.nn.functional.max_pool1d(alike, 2 * apart + 1, stride=1, padding=apart)
        peaks = torch.where(alike >= peak, alike, -1.0)
        nearest = peaks.topk(min(MOST, magnitude.shape[1]), dim=1)
        n_used = max(1, int((nearest.values >= 0).sum(1).max()))
        values, frames = nearest.values[:, :n_used], nearest.indices[:, :n_used]
        compared = torch.where(values >= 0, magnitude[:, frames], torch.nan)  # (freq, some, similar)
        found.append(compared.nanmedian(dim=2).values)
    return torch.cat(found, dim=1)
