"""Front ends: what stands between the waveform and a network; values that map audio to features, with a slope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard, cast

from jaxtyping import Complex, Float
from torch import Tensor

from hearwhy.front_ends.log_mel import LogMel
from hearwhy.front_ends.mfcc import Mfcc
from hearwhy.front_ends.stft_db import FLOOR_DB, LogStft
from hearwhy.front_ends.table import FeatureTable

__all__ = [
    "FLOOR_DB",
    "FRONT_ENDS",
    "MEL_DB",
    "STFT_DB",
    "FeatureTable",
    "FrontEnd",
    "Linear",
    "LogMel",
    "LogStft",
    "Mfcc",
    "PeakNormalised",
    "Standardised",
    "front_end",
    "is_linear",
]

STFT_DB = LogStft(sample_rate=16_000, n_fft=512, hop_length=256)
"""STFT-dB of the masked-spectrogram paper: 257 x 313 for 5 s at 16 kHz, powers in dB from -100 on."""
MEL_DB = LogMel(sample_rate=32_000, n_fft=1024, hop_length=320, n_mels=64, f_min=50.0, f_max=14_000.0, htk=True, norm=None)
"""Mel-dB of the masked-spectrogram paper: 64 x 501 for 5 s at 32 kHz, powers in dB from -100 on."""


class FrontEnd(Protocol):
    """Audio (batch, time) to features (batch, freq, frame), with a slope; a plain value, equal where it answers alike."""

    @property
    def sample_rate(self) -> int:
        """Rate of the audio it is given, in Hz."""
        ...

    @property
    def n_features(self) -> int:
        """Values a frame."""
        ...

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames `n_samples` samples of audio make."""
        ...

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch freq frame"]:
        """Return the features of each row of `audio`."""
        ...


class Linear(FrontEnd, Protocol):
    """A front end that is linear up to a complex spectrum: the spectra of parts add up to that of their sum."""

    def spectrum(self, audio: Float[Tensor, "batch time"]) -> Complex[Tensor, "batch freq frame"]:
        """Return the spectrum of each row of `audio`."""
        ...

    def of_spectrum(self, spectrum: Complex[Tensor, "batch freq frame"]) -> Float[Tensor, "batch freq frame"]:
        """Return the features of each spectrum; of those that `spectrum` returned, the front end's own."""
        ...


def is_linear(front_end: FrontEnd) -> TypeGuard[Linear]:
    """Return whether a front end is linear up to a complex spectrum."""
    inner = front_end.front_end if isinstance(front_end, Standardised) else front_end
    return isinstance(inner, tuple(FRONT_ENDS.values()))


@dataclass(frozen=True)
class Standardised:
    """Another front end's features, less a mean and divided by a spread, as networks are often given them.

    Parameters
    ----------
    front_end
        What makes the features.
    mean, std
        ``(features - mean) / std``; one number each.
    """

    front_end: FrontEnd
    mean: float
    std: float

    @property
    def sample_rate(self) -> int:
        """Rate of the audio it is given, in Hz."""
        return self.front_end.sample_rate

    @property
    def n_features(self) -> int:
        """Values a frame."""
        return self.front_end.n_features

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames `n_samples` samples of audio make."""
        return self.front_end.n_frames(n_samples)

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch freq frame"]:
        """Return the standardised features of each row of `audio`."""
        return self._standardised(self.front_end(audio))

    def spectrum(self, audio: Float[Tensor, "batch time"]) -> Complex[Tensor, "batch freq frame"]:
        """Return the spectrum of each row of `audio`, where the other front end is `Linear`."""
        return cast(Linear, self.front_end).spectrum(audio)

    def of_spectrum(self, spectrum: Complex[Tensor, "batch freq frame"]) -> Float[Tensor, "batch freq frame"]:
        """Return the standardised features of what `spectrum` returned."""
        return self._standardised(cast(Linear, self.front_end).of_spectrum(spectrum))

    def _standardised(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.std


@dataclass(frozen=True)
class PeakNormalised:
    """Another front end on audio that is first divided by its largest absolute sample; silence stays silence.

    A model behind it cannot hear levels: any gain gives the same answer, and taking a loud part away makes the rest louder
    for it. The slope passes through the division as well.

    Parameters
    ----------
    front_end
        What makes the features.

    Examples
    --------
    >>> import torch
    >>> quiet = 0.001 * torch.sin(torch.arange(16_000.0))[None]
    >>> float(PeakNormalised(STFT_DB)(quiet).max() - STFT_DB(quiet).max()).__round__()
    60
    """

    front_end: FrontEnd

    @property
    def sample_rate(self) -> int:
        """Rate of the audio it is given, in Hz."""
        return self.front_end.sample_rate

    @property
    def n_features(self) -> int:
        """Values a frame."""
        return self.front_end.n_features

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames `n_samples` samples of audio make."""
        return self.front_end.n_frames(n_samples)

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch freq frame"]:
        """Return the features of each row of `audio` at a peak of 1."""
        fit = audio.ndim == 2 and audio.shape[1] and audio.is_floating_point()  # what is not, the front end refuses in words
        return self.front_end(audio / peaks(audio) if fit else audio)


def peaks(audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch 1"]:
    """Return the largest absolute sample of each row; 1 where there is only silence, which no gain makes loud."""
    peak = audio.abs().amax(dim=1, keepdim=True)
    return peak.where(peak > 0, 1.0)


FRONT_ENDS: dict[str, type[LogMel] | type[LogStft] | type[Mfcc]] = {"log_mel": LogMel, "log_stft": LogStft, "mfcc": Mfcc}
"""Every front end by the name that a description gives it."""


def front_end(settings: Mapping[str, Any]) -> FrontEnd:
    """Return the front end of a table: its ``kind``, its settings, and ``mean`` and ``std`` where it is standardised.

    Raises
    ------
    ValueError
        There is no such kind or setting, or a setting is out of its range.

    Examples
    --------
    >>> front_end({"kind": "log_mel", "sample_rate": 16000, "n_fft": 512, "hop_length": 256, "n_mels": 64}).n_frames(16000)
    63
    """
    rest = dict(settings)
    kind = rest.pop("kind", None)
    mean, std = rest.pop("mean", 0.0), rest.pop("std", 1.0)
    if kind not in FRONT_ENDS:
        raise ValueError(f"there is no kind {kind!r}; give one of {', '.join(FRONT_ENDS)}.")
    made = FRONT_ENDS[kind]
    unknown = sorted(set(rest) - set(made.__dataclass_fields__))
    if unknown:
        raise ValueError(f"{kind} has no setting {unknown[0]!r}; it has {', '.join(made.__dataclass_fields__)}, mean, std.")
    needed = [name for name in ("sample_rate", "n_fft", "hop_length", "n_mels") if name in made.__dataclass_fields__]
    missing = [name for name in needed if name not in rest]
    if missing:
        raise ValueError(f"{kind} needs {', '.join(missing)}.")
    if not std > 0:
        raise ValueError(f"std must be positive; got {std}.")
    plain = made(**rest)
    return plain if (mean, std) == (0.0, 1.0) else Standardised(plain, mean, std)
