"""Spectrograms of the plain STFT, in decibels or as log1p magnitudes, as torch computes them with a slope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Complex, Float
from torch import Tensor

FLOOR_DB = -100.0
"""Where decibels stop, here and in `LogMel`: of powers under 1e-10 of full scale nothing is heard."""
_FLOOR = 1e-10
_PADS = ("reflect", "constant", None)
_LOGS = ("db", "log1p")


@dataclass(frozen=True)
class LogStft:
    """A logarithmic spectrogram of every STFT bin, (batch, freq, frame), that gradients pass through.

    Periodic Hann window as long as the frame, then decibels of the power or log1p of the magnitude. A plain value: two with
    the same settings are equal, hash alike and answer alike; it has no weights, and follows its input's device and dtype.

    Parameters
    ----------
    sample_rate
        Rate of the audio it is given, in Hz.
    n_fft, hop_length
        Length of a frame and distance between frames, in samples.
    log
        "db": 10 log10(power), not below -100 dB. "log1p": ln(1 + gain magnitude).
    gain
        The factor in "log1p".
    pad
        Frames are centred on multiples of `hop_length`; the ends are continued by "reflect" or "constant" (zeros).
        None: no padding, the first frame begins with the first sample.

    Raises
    ------
    ValueError
        A setting is out of its range; or, when called, audio is not (batch, time) or shorter than one frame needs.

    References
    ----------
    librosa 0.11, ``stft``, ``power_to_db(amin=1e-10, top_db=None)``: equal to it within float32's rounding.

    Examples
    --------
    >>> LogStft(sample_rate=16_000, n_fft=512, hop_length=256)(torch.zeros(1, 80_000)).shape
    torch.Size([1, 257, 313])
    """

    sample_rate: int
    n_fft: int
    hop_length: int
    log: Literal["db", "log1p"] = "db"
    gain: float = 1.0
    pad: Literal["reflect", "constant"] | None = "reflect"

    def __post_init__(self) -> None:
        counts = (self.sample_rate, self.n_fft, self.hop_length)
        if min(counts) < 1:
            raise ValueError(f"sample_rate, n_fft and hop_length must be at least 1; got {counts}.")
        if not self.gain > 0:
            raise ValueError(f"gain must be positive; got {self.gain}.")
        for name, got, known in (("log", self.log, _LOGS), ("pad", self.pad, _PADS)):
            if got not in known:
                raise ValueError(f"{name} must be one of {known}; got {got!r}.")

    @property
    def n_features(self) -> int:
        """Values a frame: the bins from 0 Hz to half the sample rate."""
        return self.n_fft // 2 + 1

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames `n_samples` samples of audio make."""
        margin = self.n_fft // 2 * 2 if self.pad else 0
        return 1 + (n_samples + margin - self.n_fft) // self.hop_length

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch freq frame"]:
        """Return the spectrogram of each row of `audio`."""
        return self.of_spectrum(self.spectrum(audio))

    def spectrum(self, audio: Float[Tensor, "batch time"]) -> Complex[Tensor, "batch freq frame"]:
        """Return what the front end takes in: up to here it is linear, so that the spectra of parts add up."""
        self._check(audio)
        return torch.stft(
            audio,
            self.n_fft,
            self.hop_length,
            window=torch.hann_window(self.n_fft, dtype=audio.dtype, device=audio.device),
            center=self.pad is not None,
            pad_mode=self.pad or "constant",
            return_complex=True,
        )

    def of_spectrum(self, spectrum: Complex[Tensor, "batch freq frame"]) -> Float[Tensor, "batch freq frame"]:
        """Return the spectrogram of what `spectrum` returned."""
        if self.log == "log1p":
            return torch.log1p(self.gain * spectrum.abs())  # torch defines its slope at silence as 0
        return 10 * torch.log10((spectrum.real.square() + spectrum.imag.square()).clamp(min=_FLOOR))

    def _check(self, audio: Tensor) -> None:
        if audio.ndim != 2 or not audio.is_floating_point():
            raise ValueError(
                f"a spectrogram is made from float audio of shape (batch, time); got {audio.dtype} of shape "
                f"{tuple(audio.shape)}. Downmix first, and add the batch with audio[None]."
            )
        shortest = {"reflect": self.n_fft // 2 + 1, "constant": 1, None: self.n_fft}[self.pad]
        if audio.shape[1] < shortest:
            raise ValueError(
                f"frames of {self.n_fft} samples with pad={self.pad!r} need at least {shortest} samples of audio; "
                f"got {audio.shape[1]}. Give a longer recording."
            )
