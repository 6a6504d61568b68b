"""Log-mel spectrograms, as torch computes them with a slope."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from jaxtyping import Complex, Float
from torch import Tensor

_FLOOR = 1e-5  # magnitude at which decibels stop: -100 dB


@dataclass(frozen=True)
class LogMel:
    """A log-mel spectrogram, (batch, mel, frame), that gradients pass through.

    Periodic Hann window, magnitude of the STFT to the `power`, triangular mel filters, logarithm. A plain value: two
    with the same settings are equal, hash alike and answer alike; it has no weights, and follows its input's device
    and dtype.

    Parameters
    ----------
    sample_rate
        Rate of the audio it is given, in Hz.
    n_fft, hop_length
        Length of a frame and distance between frames, in samples.
    n_mels
        Number of mel filters.
    f_min, f_max
        Where the lowest filter begins and the highest ends, in Hz; `f_max` None is half the sample rate.
    htk
        HTK's mel scale; otherwise Slaney's, librosa's default.
    norm
        "slaney": filters of equal area; None: of equal height 1.
    power
        1.0 filters magnitudes, 2.0 powers.
    log
        "log1p": ln(1 + gain x). "log10_1p": log10(1 + gain x). "db": 20 / power log10(x), not below -100 dB.
        "none": x itself.
    gain
        The factor in "log1p" and "log10_1p".
    pad
        Frames are centred on multiples of `hop_length`; the ends are continued by "reflect" or "constant" (zeros).
        None: no padding, the first frame begins with the first sample.

    Raises
    ------
    ValueError
        A setting is out of its range; or, when called, audio is not (batch, time) or shorter than one frame needs.

    References
    ----------
    librosa 0.11, ``feature.melspectrogram``: equal to it within float32's rounding for the same settings. "constant"
    is the default there since 0.10; before that it was "reflect", the default here.

    Examples
    --------
    >>> front_end = LogMel(sample_rate=16_000, n_fft=1024, hop_length=512, n_mels=128, log="log1p", power=1.0)
    >>> front_end(torch.zeros(1, 32_000)).shape
    torch.Size([1, 128, 63])
    """

    sample_rate: int
    n_fft: int
    hop_length: int
    n_mels: int
    f_min: float = 0.0
    f_max: float | None = None
    htk: bool = False
    norm: Literal["slaney"] | None = "slaney"
    power: float = 2.0
    log: Literal["log1p", "log10_1p", "db", "none"] = "db"
    gain: float = 1.0
    pad: Literal["reflect", "constant"] | None = "reflect"

    def __post_init__(self) -> None:
        counts = (self.sample_rate, self.n_fft, self.hop_length, self.n_mels)
        if min(counts) < 1:
            raise ValueError(f"sample_rate, n_fft, hop_length and n_mels must be at least 1; got {counts}.")
        if not 0 <= self.f_min < self.highest_hz <= self.sample_rate / 2:
            raise ValueError(
                f"f_min and f_max must lie in order between 0 and {self.sample_rate / 2:g} Hz, half the sample rate; "
                f"got {self.f_min:g} and {self.highest_hz:g}."
            )
        if self.power not in (1.0, 2.0) or not self.gain > 0:
            raise ValueError(f"power must be 1.0 or 2.0, and gain positive; got {self.power} and {self.gain}.")
        choices = (
            ("log", self.log, ("log1p", "log10_1p", "db", "none")),
            ("norm", self.norm, ("slaney", None)),
            ("pad", self.pad, ("reflect", "constant", None)),
        )
        for name, got, known in choices:
            if got not in known:
                raise ValueError(f"{name} must be one of {known}; got {got!r}.")

    @property
    def highest_hz(self) -> float:
        """Where the highest filter ends, in Hz."""
        return self.sample_rate / 2 if self.f_max is None else self.f_max

    @property
    def n_features(self) -> int:
        """Values a frame: the mel bands."""
        return self.n_mels

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames `n_samples` samples of audio make."""
        margin = self.n_fft // 2 * 2 if self.pad else 0
        return 1 + (n_samples + margin - self.n_fft) // self.hop_length

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch mel frame"]:
        """Return the log-mel spectrogram of each row of `audio`."""
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

    def of_spectrum(self, spectrum: Complex[Tensor, "batch freq frame"]) -> Float[Tensor, "batch mel frame"]:
        """Return the log-mel spectrogram of what `spectrum` returned."""
        # re**2 + im**2 rather than abs**2: no square root, whose slope at silence is undefined
        power = spectrum.abs() if self.power == 1.0 else spectrum.real.square() + spectrum.imag.square()
        return self._compress(mel_filters(self).to(power) @ power)

    def _compress(self, mel: Tensor) -> Tensor:
        if self.log == "log1p":
            return torch.log1p(self.gain * mel)
        if self.log == "log10_1p":
            return torch.log10(1 + self.gain * mel)
        if self.log == "db":
            return 20 / self.power * torch.log10(mel.clamp(min=_FLOOR**self.power))
        return mel

    def _check(self, audio: Tensor) -> None:
        if audio.ndim != 2 or not audio.is_floating_point():
            raise ValueError(
                f"a log-mel spectrogram is made from float audio of shape (batch, time); got {audio.dtype} of shape "
                f"{tuple(audio.shape)}. Downmix first, and add the batch with audio[None]."
            )
        shortest = {"reflect": self.n_fft // 2 + 1, "constant": 1, None: self.n_fft}[self.pad]
        if audio.shape[1] < shortest:
            raise ValueError(
                f"frames of {self.n_fft} samples with pad={self.pad!r} need at least {shortest} samples of audio; "
                f"got {audio.shape[1]}. Give a longer recording."
            )


@lru_cache(maxsize=16)
def mel_filters(front_end: LogMel) -> Float[Tensor, "mel freq"]:
    """Return the filters\' weights, in double precision; of equal front ends the same tensor."""
    import numpy as np
    from librosa.filters import mel  # takes a second to load: only when a spectrogram is asked for

    filters = mel(
        sr=front_end.sample_rate,
        n_fft=front_end.n_fft,
        n_mels=front_end.n_mels,
        fmin=front_end.f_min,
        fmax=front_end.highest_hz,
        htk=front_end.htk,
        norm=front_end.norm,
        dtype=np.float64,
    )
    with torch.inference_mode(False):  # it is kept, and gradients may want it later
        return torch.from_numpy(filters)
