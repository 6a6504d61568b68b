"""Tables: a handful of numbers a recording, as music-information research has always made them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.front_ends.log_mel import LogMel

PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True)
class FeatureTable:
    """A vector of features a recording, (batch, value, 1), for scikit-learn's models and their like; it has no slope.

    Every feature is librosa's, averaged over the frames of the whole recording.

    Parameters
    ----------
    sample_rate
        Rate of the audio it is given, in Hz.
    features
        Names in the order of the values, with a count where there is one: ``mfcc=20``, ``mel=40`` (bands in dB), ``chroma``
        (12), ``contrast`` (7), ``centroid``, ``bandwidth``, ``rolloff`` (Hz), ``flatness``, ``zcr`` (crossings a sample),
        ``rms``, ``tempo`` (beats a minute, one number by itself).
    n_fft, hop_length
        Length of a frame and distance between frames, in samples.

    Raises
    ------
    ValueError
        There is no such feature, one comes twice, or a count is out of range; or, when called, audio is not (batch, time).

    Examples
    --------
    >>> FeatureTable(sample_rate=22_050, features=("mfcc=2", "centroid", "rms")).names
    ('mfcc 0', 'mfcc 1', 'centroid', 'rms')
    """

    sample_rate: int
    features: tuple[str, ...]
    n_fft: int = 2048
    hop_length: int = 512

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", tuple(self.features))
        words = [word for word, _ in self._parsed]
        if not words or len(set(words)) < len(words):
            raise ValueError(f"features are one or more different ones of {', '.join(FEATURES)}; got {self.features}.")

    @property
    def _parsed(self) -> list[tuple[str, int]]:
        found = []
        for feature in self.features:
            word, _, count = feature.partition("=")
            if word not in FEATURES or (count and (word not in COUNTED or not count.isdigit() or not 1 <= int(count) <= 128)):
                raise ValueError(
                    f"There is no feature {feature!r}; give some of {', '.join(FEATURES)}; {' and '.join(COUNTED)} take a "
                    "number from 1 to 128, as in mfcc=20."
                )
            found.append((word, int(count) if count else SIZES.get(word, 1)))
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """What each value is called."""
        return tuple(name for word, n in self._parsed for name in _names(word, n))

    @property
    def n_features(self) -> int:
        """How many values there are."""
        return sum(n for _, n in self._parsed)

    def mel(self, n_mels: int) -> LogMel:
        """Return the mel spectrogram in dB behind ``mel`` and ``mfcc``."""
        return LogMel(self.sample_rate, self.n_fft, self.hop_length, n_mels, pad="constant")

    def n_frames(self, n_samples: int) -> int:
        """Return 1: a vector has no time."""
        return 1

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch value 1"]:
        """Return the features of each row of `audio`."""
        if audio.ndim != 2 or not audio.is_floating_point() or audio.shape[1] < 1:
            raise ValueError(f"a table is made from float audio of shape (batch, time); got {tuple(audio.shape)}.")
        rows = [self._of(row) for row in audio.detach().cpu().numpy().astype(np.float32)]
        return torch.from_numpy(np.stack(rows)).to(audio.device, torch.float32)[:, :, None]

    def _of(self, audio: np.ndarray) -> np.ndarray:
        values = [FEATURES[word](audio, self, n) for word, n in self._parsed]
        return np.concatenate([np.atleast_1d(value) for value in values])


def _names(word: str, n: int) -> list[str]:
    if word == "chroma":
        return [f"chroma {pitch}" for pitch in PITCHES]
    return [word] if SIZES.get(word, 1) == 1 and word not in COUNTED else [f"{word} {i}" for i in range(n)]


def _mean(name: str, **options: Any) -> Callable[[np.ndarray, FeatureTable, int], np.ndarray]:
    """Return a feature of librosa's that is averaged over frames."""

    def of(audio: np.ndarray, table: FeatureTable, n: int) -> np.ndarray:
        import librosa.feature

        made = getattr(librosa.feature, name)(y=audio, sr=table.sample_rate, n_fft=table.n_fft, hop_length=table.hop_length,
                                              **options)  # fmt: skip
        return made.mean(axis=1)

    return of


def _mfcc(audio: np.ndarray, table: FeatureTable, n: int) -> np.ndarray:
    return _mean("mfcc", n_mfcc=n)(audio, table, n)


def _mel(audio: np.ndarray, table: FeatureTable, n: int) -> np.ndarray:
    import librosa

    power = librosa.feature.melspectrogram(
        y=audio, sr=table.sample_rate, n_fft=table.n_fft, hop_length=table.hop_length, n_mels=n
    )
    return librosa.power_to_db(power, top_db=None).mean(axis=1)


def _flatness(audio: np.ndarray, table: FeatureTable, n: int) -> np.ndarray:
    import librosa.feature

    return librosa.feature.spectral_flatness(y=audio, n_fft=table.n_fft, hop_length=table.hop_length).mean(axis=1)


def _framed(name: str) -> Callable[[np.ndarray, FeatureTable, int], np.ndarray]:
    """Return a feature of librosa's of frames of the waveform."""

    def of(audio: np.ndarray, table: FeatureTable, n: int) -> np.ndarray:
        import librosa.feature

        return getattr(librosa.feature, name)(y=audio, frame_length=table.n_fft, hop_length=table.hop_length).mean(axis=1)

    return of


def _chroma(audio: np.ndarray, table: FeatureTable, n: int) -> np.ndarray:
    # A fixed tuning: estimated anew for every recording it would jump from one clip to the next.
    return _mean("chroma_stft", tuning=0.0)(audio, table, n)


def _tempo(audio: np.ndarray, table: FeatureTable, n: int) -> np.ndarray:
    import librosa.feature

    return librosa.feature.tempo(y=audio, sr=table.sample_rate, hop_length=table.hop_length)


FEATURES: dict[str, Callable[[np.ndarray, FeatureTable, int], np.ndarray]] = {
    "mfcc": _mfcc,
    "mel": _mel,
    "chroma": _chroma,
    "contrast": _mean("spectral_contrast"),
    "centroid": _mean("spectral_centroid"),
    "bandwidth": _mean("spectral_bandwidth"),
    "rolloff": _mean("spectral_rolloff"),
    "flatness": _flatness,
    "zcr": _framed("zero_crossing_rate"),
    "rms": _framed("rms"),
    "tempo": _tempo,
}
"""Every feature by name; adding one is a function and a line here."""
COUNTED = ("mfcc", "mel")
SIZES = {"mfcc": 20, "mel": 40, "chroma": 12, "contrast": 7}
