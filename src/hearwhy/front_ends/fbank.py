"""Filter banks as Kaldi makes them for speech, and as the Audio Spectrogram Transformer hears; with a slope."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from hearwhy.front_ends.padded import in_double

_FLOOR = 2.0**-23  # the power at which the logarithm stops, float32's epsilon: -15.9


@dataclass(frozen=True)
class Fbank:
    """Kaldi's log filter bank, (batch, mel, frame), that gradients pass through.

    Each frame loses its mean, is pre-emphasised and windowed (symmetric Hann); the power of its spectrum goes through
    triangles on Kaldi's mel scale and a natural logarithm. The first frame begins with the first sample, and only whole
    frames count (Kaldi's ``snip_edges``). Computed in float64, returned in the dtype of the audio.

    Parameters
    ----------
    sample_rate
        Rate of the audio it is given, in Hz.
    n_mels
        Number of mel filters, from 20 Hz to half the sample rate.
    n_frames_fixed
        Frames it always returns: fewer are followed by zeros, as ``ASTFeatureExtractor`` does. Mind that zero is no
        silence here: silence is -15.9, and zero is loud. None: as many as the audio has.
    frame_length, hop_length, n_fft
        Length of a frame, distance between frames and length of the transform, in samples.
    preemphasis
        How much of the sample before is taken off each sample.

    Raises
    ------
    ValueError
        A setting is out of its range; or, when called, audio is not (batch, time), shorter than one frame, or longer
        than `n_frames_fixed` frames.

    References
    ----------
    transformers 5, ``ASTFeatureExtractor`` without torchaudio, before its normalisation: equal within 1e-5. With
    torchaudio installed the extractor computes in float32, and differs from this by up to 2e-3 in bins that are nearly empty.

    Examples
    --------
    >>> Fbank(sample_rate=16_000, n_frames_fixed=1024)(torch.zeros(1, 16_000)).shape
    torch.Size([1, 128, 1024])
    """

    sample_rate: int
    n_mels: int = 128
    n_frames_fixed: int | None = None
    frame_length: int = 400
    hop_length: int = 160
    n_fft: int = 512
    preemphasis: float = 0.97

    def __post_init__(self) -> None:
        counts = (self.sample_rate, self.n_mels, self.frame_length, self.hop_length, self.n_fft, self.n_frames_fixed or 1)
        if min(counts) < 1 or self.frame_length > self.n_fft:
            raise ValueError(
                "sample_rate, n_mels, frame_length, hop_length, n_fft and n_frames_fixed must be at least 1, and a frame "
                f"no longer than n_fft; got {counts}."
            )

    @property
    def n_features(self) -> int:
        """Values a frame: the mel bands."""
        return self.n_mels

    @property
    def longest(self) -> int | None:
        """Samples that fill all of its frames to the last sample; None: there is no limit."""
        return None if self.n_frames_fixed is None else self.frame_length + (self.n_frames_fixed - 1) * self.hop_length

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames `n_samples` samples of audio make."""
        return self.n_frames_fixed or self._n_whole(n_samples)

    def _n_whole(self, n_samples: int) -> int:
        return 1 + (n_samples - self.frame_length) // self.hop_length

    def __call__(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch mel frame"]:
        """Return the log filter bank of each row of `audio`."""
        self._check(audio)
        frames = in_double(audio).unfold(-1, self.frame_length, self.hop_length)  # (batch, frame, time)
        frames = frames - frames.mean(dim=-1, keepdim=True)
        before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)  # the first sample stands before itself
        window = torch.hann_window(self.frame_length, periodic=False, dtype=frames.dtype, device=frames.device)
        spectrum = torch.fft.rfft((frames - self.preemphasis * before) * window, n=self.n_fft)
        power = spectrum.real.square() + spectrum.imag.square()  # abs() has no slope at silence
        mel = power @ _kaldi_filters(self).to(power)
        features = mel.clamp(min=_FLOOR).log().to(audio.dtype).transpose(1, 2)
        return pad(features, (0, self.n_frames(audio.shape[1]) - features.shape[2]))

    def _check(self, audio: Tensor) -> None:
        if audio.ndim != 2 or not audio.is_floating_point():
            raise ValueError(
                f"a filter bank is made from float audio of shape (batch, time); got {audio.dtype} of shape "
                f"{tuple(audio.shape)}. Downmix first, and add the batch with audio[None]."
            )
        whole = self._n_whole(audio.shape[1])
        if whole < 1:
            raise ValueError(
                f"a filter bank needs at least {self.frame_length} samples, one frame; got {audio.shape[1]}. "
                "Give a longer recording."
            )
        if self.longest is not None and whole > self.n_frames(audio.shape[1]):
            raise ValueError(
                f"{self.n_frames_fixed} frames hold at most {self.longest} samples ({self.longest / self.sample_rate:.2f} s); "
                f"got {audio.shape[1]}. Cut the recording into windows first, as hearwhy.explain does."
            )


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # kept for later calls, which may want gradients even where this one wants none
def _kaldi_filters(front_end: Fbank) -> Float[Tensor, "freq mel"]:
    """Triangles that are straight on the mel scale, between centres equally far apart on it."""
    hertz = torch.arange(front_end.n_fft // 2 + 1, dtype=torch.float64) * front_end.sample_rate / front_end.n_fft
    # ASTFeatureExtractor halves the rate without a remainder
    low, high = _mel(torch.tensor([20.0, front_end.sample_rate // 2], dtype=torch.float64)).tolist()
    edges = torch.linspace(low, high, front_end.n_mels + 2, dtype=torch.float64)
    rising = (_mel(hertz)[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - _mel(hertz)[:, None]) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0)


def _mel(hertz: Tensor) -> Tensor:
    return 1127 * torch.log1p(hertz / 700)
