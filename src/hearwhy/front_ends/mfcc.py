"""Mel-frequency cepstral coefficients, as torch computes them with a slope."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from hearwhy.front_ends.log_mel import LogMel


@dataclass(frozen=True)
class Mfcc:
    """Mel-frequency cepstral coefficients, (batch, coefficient, frame), that gradients pass through.

    Pre-emphasis, mel spectrogram in dB, not further below its loudest cell than `top_db`, and the orthonormal DCT-II of
    every frame: coefficient 0 is the level, 1 the tilt, and the higher ones ever finer ripples of the spectrum. A plain value
    without weights.

    Parameters
    ----------
    sample_rate
        Rate of the audio it is given, in Hz.
    n_mfcc
        How many coefficients, from 0 on.
    n_fft, hop_length, n_mels
        Length of a frame and distance between frames, in samples; mel filters (Slaney's scale and norm).
    preemphasis
        The filter ``y[t] = x[t] - preemphasis x[t - 1]`` comes first; 0.0: none.
    top_db
        Cells softer than the loudest of the clip by more are raised to that; None: only -100 dB is the floor.
    length
        Frames that are kept: a longer sound is cut, a shorter one followed by zeros; None: all there are.

    Raises
    ------
    ValueError
        A setting is out of its range; or, when called, audio is not (batch, time) or has under two samples.

    References
    ----------
    librosa 0.11, ``effects.preemphasis`` and ``feature.mfcc``: equal to them within float32's rounding.

    Examples
    --------
    >>> Mfcc(sample_rate=22_050, length=44)(torch.zeros(1, 110_250)).shape
    torch.Size([1, 40, 44])
    """

    sample_rate: int
    n_mfcc: int = 40
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    preemphasis: float = 0.0
    top_db: float | None = 80.0
    length: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.n_mfcc <= self.n_mels:
            raise ValueError(f"n_mfcc lies between 1 and n_mels = {self.n_mels}; got {self.n_mfcc}.")
        if not 0 <= self.preemphasis < 1:
            raise ValueError(f"preemphasis lies between 0 (none) and 1; got {self.preemphasis}.")
        if (self.top_db is not None and self.top_db <= 0) or (self.length is not None and self.length < 1):
            raise ValueError(f"top_db is positive and length at least 1, or None; got {self.top_db} and {self.length}.")
        self.mel  # noqa: B018  # says what is wrong with the other settings

    @property
    def mel(self) -> LogMel:
        """The mel spectrogram in dB that the coefficients are made of."""
        return LogMel(self.sample_rate, self.n_fft, self.hop_length, self.n_mels, pad="constant")

    @property
    def n_features(self) -> int:
        """Values a frame: the coefficients."""
        return self.n_mfcc

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames `n_samples` samples of audio make."""
        return self.length or self.mel.n_frames(n_samples)

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch coefficient frame"]:
        """Return the coefficients of each row of `audio`."""
        return self.of_spectrum(self.spectrum(audio))

    def spectrum(self, audio: Float[Tensor, "batch time"]) -> Complex[Tensor, "batch freq frame"]:
        """Return what the front end takes in: up to here it is linear, so that the spectra of parts add up."""
        if audio.ndim == 2 and audio.shape[1] < 2:
            raise ValueError(f"MFCCs need at least two samples of audio; got {audio.shape[1]}.")
        return self.mel.spectrum(self._emphasised(audio))

    def of_spectrum(self, spectrum: Complex[Tensor, "batch freq frame"]) -> Float[Tensor, "batch coefficient frame"]:
        """Return the coefficients of what `spectrum` returned."""
        return self.cut(self.of_mel(self.mel.of_spectrum(spectrum)))

    def of_mel(self, mel: Float[Tensor, "batch mel frame"]) -> Float[Tensor, "batch coefficient frame"]:
        """Return the coefficients of mel spectrograms in dB, all frames of them."""
        if self.top_db is not None:
            mel = torch.maximum(mel, mel.amax(dim=(1, 2), keepdim=True) - self.top_db)
        return cosines(self.n_mfcc, self.n_mels).to(mel) @ mel

    def cut(self, features: Float[Tensor, "batch coefficient frame"]) -> Float[Tensor, "batch coefficient frame2"]:
        """Return the frames that are kept, zeros after the last."""
        if self.length is None:
            return features
        missing = max(0, self.length - features.shape[-1])
        return torch.nn.functional.pad(features[..., : self.length], (0, missing))

    def _emphasised(self, audio: Tensor) -> Tensor:
        if not self.preemphasis or audio.ndim != 2:  # what is not (batch, time), the mel spectrogram refuses in words
            return audio
        first = 3 * audio[:, :1] - audio[:, 1:2]  # librosa's start: the filter's state is a line drawn on
        return torch.cat([first, audio[:, 1:] - self.preemphasis * audio[:, :-1]], dim=1)


def cosines(n_rows: int, n_columns: int) -> Float[Tensor, "row column"]:
    """Return the first rows of the orthonormal DCT-II, in double precision; its transpose is its inverse.

    Examples
    --------
    >>> torch.allclose(cosines(8, 8) @ cosines(8, 8).T, torch.eye(8, dtype=torch.float64))
    True
    """
    row, column = torch.arange(n_rows, dtype=torch.float64)[:, None], torch.arange(n_columns, dtype=torch.float64)
    waves = torch.cos(math.pi * row * (2 * column + 1) / (2 * n_columns)) * math.sqrt(2 / n_columns)
    waves[0] /= math.sqrt(2)
    return waves
