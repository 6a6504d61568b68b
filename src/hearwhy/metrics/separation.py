"""How good separated sources are against the true ones; needs no model."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from hearwhy.metrics import sound

Audio = Float[Tensor, "*channel time"]


def si_sdr(estimate: Audio, reference: Audio, *, zero_mean: bool = False) -> float:
    """Scale-invariant signal-to-distortion ratio of a separated source against the true one, in dB; NaN against silence.

    `hearwhy.metrics.sound.si_sdr` of one source, its channels judged together under one gain: ``10 log10(|a s|^2 / |a s -
    e|^2)`` with ``a = <e, s> / |s|^2``, from -120 to 120, higher is closer. The published definition is of signals of zero
    mean; with the mean left in (the default) an offset counts as distortion, and with `zero_mean` it is removed from every
    channel of both first.

    Degenerate: against a silent reference (all samples 0, or constant with `zero_mean`) nothing is defined, and the answer is
    NaN, so that a mean over songs must say what it does with them. A silent estimate of a source that plays is -120.

    Parameters
    ----------
    estimate, reference
        (time,) or (channel, time), same shape.
    zero_mean
        Whether the mean of every channel is removed first.

    Raises
    ------
    ValueError
        Shapes differ, or samples are not finite.

    References
    ----------
    .. [LeRoux2019] "SDR - half-baked or well done?", ICASSP 2019, equation 3. torchmetrics' function of the long name with the
       same `zero_mean`, on flattened channels; mir_eval's ``bss_eval`` with a filter of one tap. Deviation: limited to
       +-120 dB.

    Examples
    --------
    >>> import torch
    >>> round(si_sdr(torch.tensor([2.0, 1.0]), torch.tensor([1.0, 0.0])), 4)  # |2|^2 against |1|^2
    6.0206
    """
    if zero_mean:
        estimate, reference = (audio.double() - audio.double().mean(-1, keepdim=True) for audio in (estimate, reference))
    if estimate.shape == reference.shape:  # else the metric itself says what is wrong
        estimate, reference = estimate.flatten(), reference.flatten()
    if reference.numel() and not reference.any():
        return math.nan
    return float(sound.si_sdr(estimate, reference))


def si_sdr_improvement(estimate: Audio, reference: Audio, mixture: Audio, *, zero_mean: bool = False) -> float:
    """SI-SDR of a separated source above that of the mixture taken for the source, in dB; NaN against silence.

    ``si_sdr(estimate, reference) - si_sdr(mixture, reference)``: what the separation gained. The mixture itself as the
    estimate gains 0. A source that is all of the mixture cannot be improved: the answer is then far below 0.

    Parameters
    ----------
    estimate, reference, mixture
        (time,) or (channel, time), same shape.
    zero_mean
        As for `si_sdr`.

    Raises
    ------
    ValueError
        Shapes differ, or samples are not finite.

    Examples
    --------
    >>> import torch
    >>> drums, bass = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    >>> round(si_sdr_improvement(drums + bass / 10, drums, drums + bass), 4)  # the bass is 20 dB lower than it was
    20.0
    """
    return si_sdr(estimate, reference, zero_mean=zero_mean) - si_sdr(mixture, reference, zero_mean=zero_mean)
