"""Audible: what a feature is, as sound: the clip with the feature lower and higher than it is, or the feature alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.front_ends import FeatureTable, FrontEnd, LogMel, LogStft, Mfcc
from hearwhy.front_ends.mfcc import cosines
from hearwhy.front_ends.naming import feature_names
from hearwhy.front_ends.rendering import render
from hearwhy.types import Recording

CLICK_HZ, CLICK_S = 1000.0, 0.02
NONE = "no sound of its own: very different sounds share this number"


@dataclass(frozen=True, eq=False)
class Audible:
    """One feature as sound, mono, at the front end's rate; levels are the clip's own.

    Parameters
    ----------
    sounds
        What is heard to its waveform (time,): "lower" and "higher", the clip with the feature one standard deviation below
        and above what it is; or "alone", what the feature hears of the clip. Empty: there is no such sound.
    words
        What one hears, or why there is nothing to hear.
    """

    sounds: dict[str, Float[Tensor, " time"]]
    words: str


def audible(
    recording: Recording, front_end: FrontEnd, rows: Sequence[Sequence[int]], spread: Float[Tensor, " component"]
) -> tuple[Audible, ...]:
    """Return what each component of vectors is as sound, one a component; costs no model call.

    An MFCC is a ripple of the spectrum: it is turned up and down in the clip's own complex spectrogram. A mel band, a pitch
    and a bin are the clip filtered; the level is the clip softer and louder; tempo is a track of clicks. Centroid, roll-off,
    bandwidth, flatness, contrast and the rate of zero crossings have no sound: very different sounds share such a number.

    Parameters
    ----------
    recording
        The clip.
    front_end
        What made its features.
    rows
        Numbers of the features that each component is made of.
    spread
        Standard deviation of each component over some clips; NaN where it is not known.
    """
    front_end = _plain(front_end)
    audio = sound.resample(sound.remix(recording.audio, 1), recording.sample_rate, front_end.sample_rate)[0]
    length = getattr(front_end, "length", None)
    if length is not None:  # what lies behind the last frame is not heard
        audio = audio[: (length - 1) * front_end.hop_length + front_end.n_fft // 2]  # type: ignore[attr-defined]
    _, names = feature_names(front_end)
    spreads = (None if math.isnan(std) else std for std in spread.tolist())
    return tuple(_audible(front_end, audio, [names[i] for i in mine], std) for mine, std in zip(rows, spreads, strict=True))


def _plain(front_end: FrontEnd) -> FrontEnd:
    inner = getattr(front_end, "front_end", None)
    return front_end if inner is None else _plain(inner)


def _audible(front_end: FrontEnd, audio: Tensor, names: list[str], spread: float | None) -> Audible:
    word = names[0].split()[0]
    if word in ("mel", "stft", "chroma"):
        bands = _bands(front_end) if word == "mel" else front_end
        return Audible({"alone": _alone(bands, audio, names)}, "the clip, filtered to this")
    if word not in MOVED or len(names) > 1:
        return Audible({}, NONE)
    if spread is None:
        return Audible({}, "no sound: how much it usually varies is not known")
    moved = MOVED[word](front_end, audio, names[0], spread)
    return Audible(dict(zip(("lower", "higher"), moved, strict=True)), "one standard deviation lower and higher")


def _bands(front_end: FrontEnd) -> LogMel:
    """The mel bands that a front end gives as they are."""
    if isinstance(front_end, LogMel):
        return front_end
    assert isinstance(front_end, FeatureTable)
    return front_end.mel(sum(name.startswith("mel ") for name in front_end.names))


def _ripple(front_end: FrontEnd, audio: Tensor, name: str, spread: float) -> tuple[Tensor, Tensor]:
    """The clip with one MFCC moved down and up: every mel band by what the cosine says, in dB."""
    assert isinstance(front_end, Mfcc | FeatureTable)
    mel = front_end.mel if isinstance(front_end, Mfcc) else front_end.mel(128)
    number = int(name.split()[1])
    features = mel(audio[None])
    wave = cosines(number + 1, mel.n_mels)[number].to(features)[:, None] * spread
    lower, higher = render(mel, audio[None], features, torch.stack([features[0] - wave, features[0] + wave]))
    return lower, higher


def _level(front_end: FrontEnd, audio: Tensor, name: str, spread: float) -> tuple[Tensor, Tensor]:
    level = float(audio.square().mean().sqrt())
    factor = spread / level if level > 0 else 0.0
    return audio * max(0.0, 1 - factor), audio * (1 + factor)


def _clicks(front_end: FrontEnd, audio: Tensor, name: str, spread: float) -> tuple[Tensor, Tensor]:
    """Clicks at the clip's tempo less and plus a standard deviation."""
    assert isinstance(front_end, FeatureTable)
    tempo = float(FeatureTable(front_end.sample_rate, ("tempo",), front_end.n_fft, front_end.hop_length)(audio[None]))
    slower, faster = (_track(bpm, front_end.sample_rate, len(audio)) for bpm in (max(20.0, tempo - spread), tempo + spread))
    return slower, faster


def _track(bpm: float, sample_rate: int, n_samples: int) -> Tensor:
    time = np.arange(n_samples) / sample_rate
    since = time % (60 / bpm)
    return torch.from_numpy(0.3 * np.sin(2 * math.pi * CLICK_HZ * since) * np.exp(-since / CLICK_S)).float()


MOVED: dict[str, Callable[[FrontEnd, Tensor, str, float], tuple[Tensor, Tensor]]] = {
    "mfcc": _ripple,
    "rms": _level,
    "tempo": _clicks,
}
"""Features that a clip can have less and more of."""


def _alone(front_end: FrontEnd, audio: Tensor, names: list[str]) -> Tensor:
    """The clip filtered to some mel bands, bins or pitches."""
    if isinstance(front_end, LogMel | LogStft):
        features = front_end(audio[None])
        own = [int(name.split()[1]) for name in names]
        kept = torch.zeros(features.shape[1], 1, dtype=torch.bool).index_fill(0, torch.tensor(own), True)
        return render(front_end, audio[None], features, torch.where(kept, features, features.min()))[0]
    return _pitches(front_end, audio, names)


def _pitches(front_end: FrontEnd, audio: Tensor, names: list[str]) -> Tensor:
    from librosa.filters import chroma

    from hearwhy.front_ends.table import PITCHES

    assert isinstance(front_end, FeatureTable)
    filters = chroma(sr=front_end.sample_rate, n_fft=front_end.n_fft, tuning=0.0)
    own = [PITCHES.index(name.split()[1]) for name in names]
    share = torch.from_numpy(filters[own].sum(axis=0) / np.maximum(filters.sum(axis=0), 1e-12)).float()
    spectrum = sound.stft(audio[None], front_end.n_fft, front_end.hop_length)
    return sound.istft(spectrum * share[:, None], len(audio), front_end.n_fft, front_end.hop_length)[0]
