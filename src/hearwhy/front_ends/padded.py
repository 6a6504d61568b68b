"""Front ends that fill up short audio by themselves, as the library that a model was made with does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

if TYPE_CHECKING:
    from hearwhy.front_ends import FrontEnd  # which may import this

FILLINGS = ("pad", "repeat", "repeatpad")


def in_double(audio: Tensor) -> Tensor:
    """Return `audio` in float64, as NumPy computes; on Apple's GPU, which has none, as it is."""
    return audio if audio.device.type == "mps" else audio.to(torch.float64)


@dataclass(frozen=True)
class Padded:
    """Another front end on audio of one length, to which shorter audio is filled up; longer audio is refused.

    Parameters
    ----------
    front_end
        What makes the features.
    n_samples
        The length that it is given, in samples.
    filling
        "pad": `value` follows. "repeat": the audio over and over, cut where it is full. "repeatpad": the audio as many
        whole times as there is room for, then `value`.
    value
        The sample that fills what is left; 0.0 is silence.
    double
        Compute in float64, as a library on NumPy does, and return the dtype of the audio.

    Raises
    ------
    ValueError
        There is no such filling; or, when called, audio is not (batch, time), empty, or longer than `n_samples`.

    Examples
    --------
    >>> from hearwhy.front_ends import LogMel
    >>> plain = LogMel(sample_rate=16_000, n_fft=512, hop_length=256, n_mels=64)
    >>> Padded(plain, 16_000, "repeatpad")(torch.zeros(1, 5_000)).shape
    torch.Size([1, 64, 63])
    """

    front_end: FrontEnd
    n_samples: int
    filling: Literal["pad", "repeat", "repeatpad"] = "pad"
    value: float = 0.0
    double: bool = False

    def __post_init__(self) -> None:
        if self.filling not in FILLINGS:
            raise ValueError(f"filling must be one of {FILLINGS}; got {self.filling!r}.")

    @property
    def sample_rate(self) -> int:
        """Rate of the audio it is given, in Hz."""
        return self.front_end.sample_rate

    @property
    def n_features(self) -> int:
        """Values a frame."""
        return self.front_end.n_features

    @property
    def longest(self) -> int:
        """Samples that it takes at most."""
        return self.n_samples

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames `n_samples` samples of audio make: always as many."""
        return self.front_end.n_frames(self.n_samples)

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch freq frame"]:
        """Return the features of each row of `audio`, filled up."""
        if audio.ndim != 2 or not audio.is_floating_point():
            raise ValueError(
                f"features are made from float audio of shape (batch, time); got {audio.dtype} of shape "
                f"{tuple(audio.shape)}. Downmix first, and add the batch with audio[None]."
            )
        if not 1 <= audio.shape[1] <= self.n_samples:
            raise ValueError(
                f"it takes 1 to {self.n_samples} samples ({self.n_samples / self.sample_rate:.2f} s) at a time; got "
                f"{audio.shape[1]}. Cut the recording into windows first, as hearwhy.explain does."
            )
        features = self.front_end(self._filled(in_double(audio) if self.double else audio))
        return features.to(audio.dtype)

    def _filled(self, audio: Tensor) -> Tensor:
        whole, rest = divmod(self.n_samples, audio.shape[1])
        if self.filling == "repeat":
            return audio.repeat(1, whole + bool(rest))[:, : self.n_samples]
        if self.filling == "repeatpad":
            audio = audio.repeat(1, whole)
        return pad(audio, (0, self.n_samples - audio.shape[1]), value=self.value)
