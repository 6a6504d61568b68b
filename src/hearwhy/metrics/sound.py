"""What a sound has lost against another, without any model: for the re-analysed sound of a mask against the recording."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

LIMIT_DB = 120.0  # where SI-SDR stops, so that means stay finite; float32 audio holds about 140 dB
_FLOOR = 1e-10  # power at which decibels stop: -100 dB, as in the dB front ends

Audio = Float[Tensor, "*batch time"]


def si_sdr(sound: Audio, recording: Audio) -> Float[Tensor, "*batch"]:
    """Scale-invariant signal-to-distortion ratio of a sound against the recording, in dB.

    ``10 log10(|a s|^2 / |a s - x|^2)`` with ``a = <x, s> / |s|^2``, x the sound and s the recording, from -120 to 120; higher
    is closer. Gain does not count, polarity and any shift in time do. The mean is not removed.

    Degenerate: the recording itself, at any gain but 0, scores 120; silence, or a sound orthogonal to the recording, -120. A
    recording without sound has no answer: an error.

    Parameters
    ----------
    sound, recording
        (..., time), same shape; each row on its own (flatten channels to judge them together).

    Returns
    -------
    Tensor
        (...), float64, dB.

    Raises
    ------
    ValueError
        Shapes differ, samples are not finite, or a recording is silent.

    References
    ----------
    Le Roux et al. 2019. torchmetrics 1.x ``scale_invariant_signal_distortion_ratio`` with ``zero_mean=False``, without its
    epsilon. Deviation: limited to +-120 dB.

    Examples
    --------
    >>> si_sdr(torch.tensor([2.0, 1.0]), torch.tensor([1.0, 0.0]))  # |2|^2 against |1|^2
    tensor(6.0206, dtype=torch.float64)
    """
    sound, recording = _checked(sound, recording)
    power = recording.square().sum(-1)
    if not (power > 0).all():
        raise ValueError(
            f"{int((power == 0).sum())} of {power.numel()} recordings are silent, and nothing can be measured against silence."
        )
    wanted = ((sound * recording).sum(-1) / power)[..., None] * recording
    kept, lost = wanted.square().sum(-1), (wanted - sound).square().sum(-1)
    ratio = torch.where(lost > 0, kept / torch.where(lost > 0, lost, 1.0), torch.where(kept > 0, torch.inf, 0.0))
    return (10 * ratio.log10()).clamp(-LIMIT_DB, LIMIT_DB)


def log_spectral_distance(
    sound: Audio, recording: Audio, *, n_fft: int = 1024, hop_length: int = 256
) -> Float[Tensor, "*batch"]:
    """Root mean square over frequency of the difference of two spectra in dB, averaged over frames.

    ``LSD = mean_t sqrt(mean_f (10 log10 P(f, t) - 10 log10 Q(f, t))^2)`` of the powers of an STFT (periodic Hann window,
    centred, reflected at the ends), each at least 1e-10. From 0 dB, lower is closer; symmetric. Gain counts: a sound at half
    the amplitude is 6.02 dB away. A bin that is silenced counts with its whole height over -100 dB, so a binary mask scores
    tens of dB by design: compare masks of equal area.

    Degenerate: two silent sounds are 0 apart.

    Parameters
    ----------
    sound, recording
        (..., time), same shape, full scale 1.
    n_fft, hop_length
        Length of a frame and distance between frames, in samples.

    Returns
    -------
    Tensor
        (...), float64, dB.

    Raises
    ------
    ValueError
        Shapes differ, samples are not finite, or there are fewer than ``n_fft // 2 + 1`` of them.

    References
    ----------
    Gray & Markel 1976; the floor is that of Pak & Teryokhina's spectrograms.

    Examples
    --------
    >>> noise = torch.rand(4096, generator=torch.Generator().manual_seed(0)) - 0.5
    >>> round(log_spectral_distance(noise / 2, noise).item(), 3)
    6.021
    """
    sound, recording = _checked(sound, recording)
    if sound.shape[-1] <= n_fft // 2:
        raise ValueError(
            f"An STFT with n_fft={n_fft} needs over {n_fft // 2} samples; got {sound.shape[-1]}. Choose a smaller n_fft."
        )
    first, second = (_decibels(audio, n_fft, hop_length) for audio in (sound, recording))
    return (first - second).square().mean(-2).sqrt().mean(-1)


def _decibels(audio: Tensor, n_fft: int, hop_length: int) -> Tensor:
    window = torch.hann_window(n_fft, dtype=audio.dtype, device=audio.device)
    spectra = torch.stft(
        audio.reshape(-1, audio.shape[-1]), n_fft, hop_length, window=window, pad_mode="reflect", return_complex=True
    )
    power = spectra.abs().square().clamp(min=_FLOOR)
    return 10 * power.log10().reshape(*audio.shape[:-1], *power.shape[-2:])


def _checked(sound: Tensor, recording: Tensor) -> tuple[Tensor, Tensor]:
    if sound.shape != recording.shape or not sound.ndim or not sound.shape[-1]:
        raise ValueError(
            f"Both sounds must be (..., time) of one shape; got {tuple(sound.shape)} and {tuple(recording.shape)}."
        )
    if not (torch.isfinite(sound).all() and torch.isfinite(recording).all()):
        raise ValueError("Some samples are NaN or infinite; mend the sound first.")
    return sound.to(torch.float64), recording.to(torch.float64)
