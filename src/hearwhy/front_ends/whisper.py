"""Whisper's log-mel spectrogram, with a slope."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.front_ends.log_mel import LogMel

_FLOOR = 1e-10
_DEPTH = 8.0  # powers of ten under the loudest, where everything softer is raised to: 80 dB


@dataclass(frozen=True)
class WhisperLogMel:
    """Whisper's features, (batch, mel, frame): log10 mel powers, nothing more than 80 dB under the loudest, about -1 to 1.5.

    The last frame of the centred spectrogram is left out, as Whisper does. Everything hangs together: what is loudest in
    the audio decides how much of the soft is seen.

    Parameters
    ----------
    sample_rate, n_fft, hop_length, n_mels
        As in `LogMel`; the filters end at 8000 Hz.

    Raises
    ------
    ValueError
        As `LogMel`.

    References
    ----------
    transformers 5, ``WhisperFeatureExtractor`` on audio that is full length: equal within 1e-5.

    Examples
    --------
    >>> WhisperLogMel()(torch.zeros(1, 16_000)).shape
    torch.Size([1, 80, 100])
    """

    sample_rate: int = 16_000
    n_fft: int = 400
    hop_length: int = 160
    n_mels: int = 80

    @cached_property
    def _mel(self) -> LogMel:
        return LogMel(self.sample_rate, self.n_fft, self.hop_length, self.n_mels, f_max=8000.0, log="none")

    @property
    def n_features(self) -> int:
        """Values a frame: the mel bands."""
        return self.n_mels

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames `n_samples` samples of audio make."""
        return self._mel.n_frames(n_samples) - 1

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch mel frame"]:
        """Return the features of each row of `audio`."""
        log = self._mel(audio)[..., :-1].clamp(min=_FLOOR).log10()
        log = torch.maximum(log, log.amax(dim=(1, 2), keepdim=True) - _DEPTH)
        return (log + 4) / 4
