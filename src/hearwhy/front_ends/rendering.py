"""From masked features back to sound: the gain that they imply for every STFT bin, on the recording's own complex STFT.

What is heard is not exactly what the network was given: features of the rendered sound differ from the masked ones, for
frames overlap and a mel band is wider than a bin. A mask of ones gives the recording back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from hearwhy.front_ends import FrontEnd, LogMel, LogStft, PeakNormalised, Standardised, peaks
from hearwhy.front_ends.log_mel import mel_filters

Plain = LogMel | LogStft


def gains(
    front_end: FrontEnd, features: Float[Tensor, "batch freq frame"], masked: Float[Tensor, "batch freq frame"]
) -> Float[Tensor, "batch bin frame"]:
    """Return the amplitude gain of every STFT bin that turns `features` into `masked`; exactly 1 where they are equal.

    Decibels: ``10 ** ((masked - features) / 20)``. Other logarithms: the ratio of the amplitudes behind them. A mel band's
    gain goes to the bins: each takes the mean of the gains of its bands, weighted by their filters at that bin; a bin that
    no filter reaches takes the gain of the nearest band. Where there was nothing (an amplitude of 0) the gain is 1: no gain
    makes nothing sound. Features masked to the floor of -100 dB keep that little: -80 dB of gain for what was at -20 dB.

    Parameters
    ----------
    front_end
        What made the features: `LogStft`, `LogMel`, or one of them behind `PeakNormalised` or `Standardised`.
    features
        The recording's own features.
    masked
        The same after masking; or one row of `features` for many of `masked`.

    Returns
    -------
    Tensor
        Not negative; above 1 where `masked` is above `features`.

    Raises
    ------
    TypeError
        There is no way from such features to gains.
    ValueError
        The features are not this front end's, or the two differ in shape.

    Examples
    --------
    >>> from hearwhy.front_ends import STFT_DB
    >>> features = torch.full((1, 257, 4), -20.0)
    >>> gains(STFT_DB, features, features - 20)[0, 0]
    tensor([0.1000, 0.1000, 0.1000, 0.1000])
    """
    plain, mean, std = _unwrap(front_end)
    _check(plain, features, masked)
    ratio = _ratio(plain, features * std + mean, masked * std + mean)
    return ratio if isinstance(plain, LogStft) else _to_bins(plain).to(ratio) @ ratio


def render(
    front_end: FrontEnd,
    audio: Float[Tensor, "batch time"],
    features: Float[Tensor, "batch freq frame"],
    masked: Float[Tensor, "batch freq frame"],
) -> Float[Tensor, "batch time"]:
    """Return the sound of masked features: the recording's complex STFT times `gains`, back to a waveform.

    The frames are the front end's own. `masked` equal to `features` gives the recording back, from its first sample to its
    last, within float32's rounding (over 100 dB). Levels are the recording's own, also behind `PeakNormalised`.

    Parameters
    ----------
    front_end, features, masked
        As in `gains`.
    audio
        The recording, as the front end was given it; one row for all of `masked`, or one each.

    Raises
    ------
    TypeError, ValueError
        As `gains`; or the front end's frames overlap by less than half, so that no sound can be made of them.
    """
    gain = gains(front_end, features, masked)
    frames = Frames.of(_unwrap(front_end)[0], audio.shape[-1])
    return frames.sound(frames.spectrum(audio) * frames.continued(gain))


def paper_inverse(
    front_end: FrontEnd, audio: Float[Tensor, "batch time"], masked: Float[Tensor, "batch freq frame"]
) -> Float[Tensor, "batch time"]:
    """Return the sound of masked features as the masked-spectrogram paper makes it, for comparison with `render`.

    Decibels to powers; from mel bands to bins by least squares, what is negative set to 0; the square root as magnitude; the
    recording's own phase; inverse STFT. What a mel band merges is lost: without any mask, `MEL_DB` gives the recording back at
    a signal-to-noise ratio of 12 dB only (the median of ESC-10's fold 5; 0.5 to 17 dB). The peak normalisation of the front
    end is undone. No slope is promised: where a power is clipped to 0 its root has none.

    Parameters
    ----------
    front_end
        A front end in decibels, as in `gains`.
    audio, masked
        As in `render`.

    Raises
    ------
    TypeError, ValueError
        As `render`; or the features are not decibels of power.

    References
    ----------
    Pak, Teryokhina: interpretations of audio classifiers by masked spectrograms, 2025.
    """
    plain, mean, std = _unwrap(front_end)
    if plain.log != "db" or getattr(plain, "power", 2.0) != 2.0:
        raise ValueError(f"the paper's inverse is for decibels of power; got {plain}. Use render for other features.")
    _check(plain, masked, masked)
    power = 10 ** ((masked * std + mean) / 10)
    if isinstance(plain, LogMel):
        power = (_least_squares(plain).to(power) @ power).clamp(min=0)
    loudness = peaks(audio)[:, :, None] if _has_peak(front_end) else 1.0
    frames = Frames.of(plain, audio.shape[-1])
    spectrum = frames.spectrum(audio)
    return frames.sound(torch.polar(frames.continued(power.sqrt() * loudness), spectrum.angle()))


@dataclass(frozen=True)
class Frames:
    """A front end's frames of `n_samples` samples, with as many more before and behind as the way back to a sound needs.

    Without those, samples that only the edge of a frame reaches would be divided by next to nothing.

    Parameters
    ----------
    n_fft, hop_length
        The front end's.
    pad
        How it continues the ends.
    n_samples
        Length of the audio.
    before, behind
        Frames added at the ends.
    """

    n_fft: int
    hop_length: int
    pad: str | None
    n_samples: int
    before: int
    behind: int

    @classmethod
    def of(cls, front_end: Plain, n_samples: int) -> Frames:
        """Return the frames of a front end."""
        n_fft, hop = front_end.n_fft, front_end.hop_length
        if 2 * hop > n_fft:
            raise ValueError(f"sound is made of frames that overlap by half or more; got n_fft {n_fft} with hop_length {hop}.")
        first = 0 if front_end.pad else n_fft // 2  # sample in the middle of the first frame
        last = first + (front_end.n_frames(n_samples) - 1) * hop
        return cls(n_fft, hop, front_end.pad, n_samples, math.ceil(first / hop), max(0, math.ceil((n_samples - last) / hop)))

    def spectrum(self, audio: Float[Tensor, "batch time"]) -> Complex[Tensor, "batch bin frame"]:
        """Return the complex STFT, the added frames with it."""
        half = self.n_fft // 2
        margin = half if self.pad else 0
        if margin:
            audio = torch.nn.functional.pad(audio, (margin, margin), mode=self.pad or "constant")
        audio = torch.nn.functional.pad(audio, (self.before * self.hop_length, self.behind * self.hop_length))
        window = torch.hann_window(self.n_fft, dtype=audio.dtype, device=audio.device)
        return torch.stft(audio, self.n_fft, self.hop_length, window=window, center=False, return_complex=True)

    def continued(self, values: Float[Tensor, "batch bin frame"]) -> Float[Tensor, "batch bin frame"]:
        """Return values of the front end's frames with the outermost ones repeated for the added frames."""
        return torch.nn.functional.pad(values, (self.before, self.behind), mode="replicate")

    def sound(self, spectrum: Complex[Tensor, "batch bin frame"]) -> Float[Tensor, "batch time"]:
        """Return the sound of a complex STFT with the added frames."""
        window = torch.hann_window(self.n_fft, dtype=spectrum.real.dtype, device=spectrum.device)
        lead = self.before * self.hop_length - (0 if self.pad else self.n_fft // 2)
        length = lead + self.n_samples
        return torch.istft(spectrum, self.n_fft, self.hop_length, window=window, center=True, length=length)[:, lead:]


def _unwrap(front_end: FrontEnd) -> tuple[Plain, float, float]:
    """Return the spectrogram behind any wrappers, and what its features are made of: features * std + mean."""
    if isinstance(front_end, LogMel | LogStft):
        return front_end, 0.0, 1.0
    if isinstance(front_end, PeakNormalised):
        return _unwrap(front_end.front_end)
    if isinstance(front_end, Standardised):
        plain, mean, std = _unwrap(front_end.front_end)
        return plain, front_end.mean * std + mean, front_end.std * std
    raise TypeError(
        f"there is no way from the features of {type(front_end).__name__} back to sound; LogStft and LogMel have one, "
        "also behind PeakNormalised and Standardised."
    )


def _has_peak(front_end: FrontEnd) -> bool:
    inner = getattr(front_end, "front_end", None)
    return isinstance(front_end, PeakNormalised) or (inner is not None and _has_peak(inner))


def _check(plain: Plain, features: Tensor, masked: Tensor) -> None:
    if features.shape[1:] != masked.shape[1:] or len(features) not in (1, len(masked)) or features.ndim != 3:
        raise ValueError(
            f"features and masked features must be alike, (batch, freq, frame); got {tuple(features.shape)} and "
            f"{tuple(masked.shape)}."
        )
    if features.shape[1] != plain.n_features:
        raise ValueError(f"this front end makes {plain.n_features} values a frame; got {features.shape[1]}.")


def _ratio(plain: Plain, features: Tensor, masked: Tensor) -> Tensor:
    """Return amplitude behind the masked features over amplitude behind the features."""
    if plain.log == "db":
        return 10 ** ((masked - features) / 20)
    before, after = (_linear(plain, values).clamp(min=0) for values in (features, masked))
    ratio = (after / before.where(before > 0, 1.0)).where(before > 0, 1.0)  # twice: a slope through 1 / 0 is NaN
    return ratio.sqrt() if getattr(plain, "power", 1.0) == 2.0 else ratio


def _linear(plain: Plain, values: Tensor) -> Tensor:
    """Return what stood under the logarithm, times the front end's gain."""
    if plain.log == "log1p":
        return torch.expm1(values)
    return 10**values - 1 if plain.log == "log10_1p" else values


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # it is kept, and gradients may want it later
def _to_bins(front_end: LogMel) -> Float[Tensor, "bin mel"]:
    """Return the share of each mel band in each bin's gain; rows sum to 1."""
    filters = mel_filters(front_end)  # (mel, bin), float64
    shares = filters.T.clone()
    reached = shares.sum(dim=1) > 0
    centres = (filters * torch.arange(filters.shape[1])).sum(dim=1) / filters.sum(dim=1)  # in bins; NaN: an empty filter
    distance = (torch.arange(filters.shape[1])[:, None] - centres).abs().nan_to_num(nan=math.inf)
    shares[~reached] = torch.nn.functional.one_hot(distance.argmin(dim=1), filters.shape[0]).to(shares)[~reached]
    return shares / shares.sum(dim=1, keepdim=True)


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # as above
def _least_squares(front_end: LogMel) -> Float[Tensor, "bin mel"]:
    """Return the pseudo-inverse of the mel filters: bands to the bins of least power that fit them."""
    return torch.linalg.pinv(mel_filters(front_end))
