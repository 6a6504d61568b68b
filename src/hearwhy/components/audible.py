"""Audible: what a feature is, as sound: the clip with the feature lower and higher than it is, or the feature alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

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
SLOWEST_BPM = 20.0
NONE = "no sound of its own: very different sounds share this number"
SEVERAL = "no sound of its own: it stands for several numbers"
UNKNOWN = "no sound: how much it usually varies is not known"
CONSTANT = "no sound: it is the same in every clip that is known"
UNSEEN = "no sound: nothing tells what such a row is made of"
SILENT = "no sound: the clip is silent, there is nothing to change"
TOO_SHORT = "no sound: the clip is shorter than one frame"
APART = "no sound: frames that overlap by less than half cannot be put together again"


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
    titles
        What a sound is called where there is a better word for it than its key: "softer" for "lower".
    """

    sounds: dict[str, Float[Tensor, " time"]]
    words: str
    titles: dict[str, str] = field(default_factory=dict)


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
    audio = heard(recording, front_end)
    front_end = _plain(front_end)
    _, names = feature_names(front_end)
    spreads = (None if math.isnan(std) else std for std in spread.tolist())
    return tuple(
        _audible(front_end, audio, [names[i] for i in mine], std, whole=_is_whole([names[i] for i in mine], names))
        for mine, std in zip(rows, spreads, strict=True)
    )


def heard(recording: Recording, front_end: FrontEnd) -> Float[Tensor, " time"]:
    """Return what a front end hears of a recording: mono, at its rate, without what lies behind its last frame."""
    front_end = _plain(front_end)
    audio = sound.resample(sound.remix(recording.audio, 1), recording.sample_rate, front_end.sample_rate)[0]
    length = getattr(front_end, "length", None)
    return audio if length is None else audio[: (length - 1) * front_end.hop_length + front_end.n_fft // 2]  # type: ignore[attr-defined]


def _is_whole(mine: list[str], names: Sequence[str]) -> bool:
    """Return whether several values are all there are of their feature: twelve pitches together are the whole clip."""
    word = mine[0].split()[0]
    return len(mine) > 1 and len(mine) == sum(name.split()[0] == word for name in names)


def _plain(front_end: FrontEnd) -> FrontEnd:
    inner = getattr(front_end, "front_end", None)
    return front_end if inner is None else _plain(inner)


def _audible(front_end: FrontEnd, audio: Tensor, names: list[str], spread: float | None, *, whole: bool) -> Audible:
    word = names[0].split()[0]
    if (why := _closed(front_end, audio)) is not None:
        return Audible({}, why)
    if word in FILTERED and not whole:
        return FILTERED[word](front_end, audio, names)
    if word not in MOVED or len(names) > 1:
        return Audible({}, SEVERAL if len(names) > 1 else NONE)
    if not spread:
        return Audible({}, UNKNOWN if spread is None else CONSTANT)
    return MOVED[word](front_end, audio, names[0], spread)


def _closed(front_end: FrontEnd, audio: Tensor) -> str | None:
    """Say why there is no way from the features back to sound; None where there is."""
    if not isinstance(front_end, Mfcc | LogMel | LogStft | FeatureTable):
        return UNSEEN
    if 2 * front_end.hop_length > front_end.n_fft:
        return APART
    if not audio.any():
        return SILENT
    return TOO_SHORT if len(audio) < front_end.n_fft else None


def _bands(front_end: FrontEnd) -> LogMel:
    """The mel bands that a front end gives as they are."""
    if isinstance(front_end, LogMel):
        return front_end
    assert isinstance(front_end, FeatureTable)
    return front_end.mel(sum(name.startswith("mel ") for name in front_end.names))


def _ripple(front_end: FrontEnd, audio: Tensor, name: str, spread: float) -> Audible:
    """The clip with one MFCC moved down and up: every mel band by what the cosine says, in dB."""
    assert isinstance(front_end, Mfcc | FeatureTable)
    mel = front_end.mel if isinstance(front_end, Mfcc) else front_end.mel(128)
    number = int(name.split()[1])
    features = mel(audio[None])
    wave = cosines(number + 1, mel.n_mels)[number].to(features)[:, None] * spread
    lower, higher = render(mel, audio[None], features, torch.stack([features[0] - wave, features[0] + wave]))
    titles = {0: ("softer", "louder"), 1: ("brighter", "darker")}.get(number, ("", ""))
    return _moved(lower, higher, "the clip with this coefficient", titles)


def _moved(lower: Tensor, higher: Tensor, what: str, titles: tuple[str, str]) -> Audible:
    """Two sounds, with a word for each where there is one."""
    named = {key: title for key, title in zip(("lower", "higher"), titles, strict=True) if title}
    return Audible({"lower": lower, "higher": higher}, f"{what} one standard deviation lower and higher", named)


def _level(front_end: FrontEnd, audio: Tensor, name: str, spread: float) -> Audible:
    level = float(audio.square().mean().sqrt())
    factor = spread / level if level > 0 else 0.0
    titles = ("softer" if factor < 1 else "silence", "louder")
    return _moved(audio * max(0.0, 1 - factor), audio * (1 + factor), "the clip with its level", titles)


def _clicks(front_end: FrontEnd, audio: Tensor, name: str, spread: float) -> Audible:
    """Clicks at the clip's tempo less and plus a standard deviation."""
    assert isinstance(front_end, FeatureTable)
    tempo = float(FeatureTable(front_end.sample_rate, ("tempo",), front_end.n_fft, front_end.hop_length)(audio[None]))
    bpm = (max(SLOWEST_BPM, tempo - spread), tempo + spread)
    slower, faster = (_track(beats, front_end.sample_rate, len(audio)) for beats in bpm)
    return _moved(slower, faster, "clicks at the tempo of the clip", (f"{bpm[0]:.0f} BPM", f"{bpm[1]:.0f} BPM"))


def _track(bpm: float, sample_rate: int, n_samples: int) -> Tensor:
    time = np.arange(n_samples) / sample_rate
    since = time % (60 / bpm)
    return torch.from_numpy(0.3 * np.sin(2 * math.pi * CLICK_HZ * since) * np.exp(-since / CLICK_S)).float()


MOVED: dict[str, Callable[[FrontEnd, Tensor, str, float], Audible]] = {
    "mfcc": _ripple,
    "rms": _level,
    "tempo": _clicks,
}
"""Features that a clip can have less and more of."""


def _filtered(front_end: FrontEnd, audio: Tensor, names: list[str]) -> Audible:
    """The clip filtered to some mel bands or bins."""
    bins = front_end if isinstance(front_end, LogStft) else _bands(front_end)
    features, own = bins(audio[None]), [int(name.split()[1]) for name in names]
    kept = torch.zeros(features.shape[1], 1, dtype=torch.bool).index_fill(0, torch.tensor(own), True)
    alone = render(bins, audio[None], features, torch.where(kept, features, features.min()))[0]
    spans = [feature_names(bins)[1][i].partition("(")[2].rstrip(")") for i in (own[0], own[-1])]
    title = spans[0] if len(own) == 1 else f"{spans[0].split('-')[0].removesuffix(' Hz')}-{spans[1].split('-')[-1]}"
    return Audible({"alone": alone}, "the clip, filtered to this", {"alone": title})


def _pitches(front_end: FrontEnd, audio: Tensor, names: list[str]) -> Audible:
    """The clip filtered to some pitches, in every octave."""
    from librosa.filters import chroma

    from hearwhy.front_ends.table import PITCHES

    assert isinstance(front_end, FeatureTable)
    filters = chroma(sr=front_end.sample_rate, n_fft=front_end.n_fft, tuning=0.0)
    own = [PITCHES.index(name.split()[1]) for name in names]
    share = torch.from_numpy(filters[own].sum(axis=0) / np.maximum(filters.sum(axis=0), 1e-12)).float()
    spectrum = sound.stft(audio[None], front_end.n_fft, front_end.hop_length)
    alone = sound.istft(spectrum * share[:, None], len(audio), front_end.n_fft, front_end.hop_length)[0]
    title = " ".join(name.split()[1] for name in names)
    return Audible({"alone": alone}, "the clip, filtered to this pitch in every octave", {"alone": title})


FILTERED: dict[str, Callable[[FrontEnd, Tensor, list[str]], Audible]] = {
    "mel": _filtered,
    "stft": _filtered,
    "chroma": _pitches,
}
"""Features that hear a part of a clip."""
