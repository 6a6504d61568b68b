"""Bands: spans of frequency from 0 Hz to Nyquist that sum to the recording, and tiles of bands and segments."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from hearwhy.components.parts import Parts, product
from hearwhy.components.segments import segments
from hearwhy.types import Recording

AUDIBLE_HZ = 20.0
PAD_S = 0.5  # room for the filters to ring, so that the end of the recording does not reach its beginning


def bands(recording: Recording, n: int) -> Parts:
    """Return the recording split into `n` bands from 0 Hz to Nyquist that sum to it.

    The first band holds what lies below 20 Hz, which nobody hears and models have been caught listening to
    [Rodriguez-Algarra2016]_; the others are equally wide on the mel scale. With n = 1 there is one band with everything.
    The filters have zero phase and cross over in raised cosines.

    Parameters
    ----------
    recording
        What to split.
    n
        Number of bands, the inaudible one included; 1 to 128.

    Raises
    ------
    ValueError
        `n` is out of range, or the bands would be narrower than the recording can resolve.

    References
    ----------
    .. [Rodriguez-Algarra2016] Rodriguez-Algarra, Sturm, Maruri-Aguilar, "Analysing scattering-based music content
       analysis systems: where's the music?", ISMIR 2016.
    """
    if not 1 <= n <= 128:
        raise ValueError(f"bands needs 1 to 128 bands; got {n}.")
    rate = recording.sample_rate
    edges = band_edges(rate, n)
    if n > 2 and min(b - a for a, b in pairwise(edges[1:])) < 1 / recording.duration_s:
        raise ValueError(
            f"{n} bands are narrower than {1 / recording.duration_s:.0f} Hz, the finest that {recording.duration_s:.2f} s "
            "can resolve; ask for fewer."
        )
    time = recording.audio.shape[1]
    padded = time + round(PAD_S * rate)
    responses = _responses(torch.fft.rfftfreq(padded, 1 / rate, dtype=torch.float64), edges)

    def spread(audio: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(audio.to(torch.float64), padded)
        return torch.stack([torch.fft.irfft(spectrum * r, padded)[..., :time].to(torch.float32) for r in responses])

    return Parts(spread(recording.audio), recording, _names(edges), (n,), spread, linear=True, spec=f"bands:{n}")


def band_edges(sample_rate: int, n: int) -> list[float]:
    """Return the n + 1 edges in Hz: 0, 20, then equally spaced in mel up to Nyquist."""
    nyquist = sample_rate / 2
    if n == 1:
        return [0.0, nyquist]
    low, high = _mel(AUDIBLE_HZ), _mel(nyquist)
    return [0.0, *(_hertz(low + (high - low) * i / (n - 1)) for i in range(n - 1)), nyquist]


def tiles(recording: Recording, n_bands: int, n_segments: int) -> Parts:
    """Return the recording cut into `n_bands` x `n_segments` tiles of frequency and time that sum to it."""
    grid = product(bands(recording, n_bands), segments(recording, n_segments))
    return replace(grid, spec=f"tiles:{n_bands}x{n_segments}")


def _responses(frequency: Tensor, edges: list[float]) -> list[Tensor]:
    """Gains whose sum is 1 at every frequency: differences of neighbouring raised-cosine steps."""
    steps = [torch.ones_like(frequency)]
    for below, edge, above in zip(edges, edges[1:], edges[2:], strict=False):
        width = 0.5 * min(edge - below, above - edge)  # half the narrower neighbour, so crossovers never overlap
        ramp = ((frequency - edge) / width + 0.5).clamp(0, 1)
        steps.append(0.5 - 0.5 * torch.cos(math.pi * ramp))
    steps.append(torch.zeros_like(frequency))
    return [step - after for step, after in pairwise(steps)]


def _names(edges: list[float]) -> tuple[str, ...]:
    spans = list(pairwise(edges))
    names = [f"{a:.0f}-{b:.0f} Hz" for a, b in spans]
    if len(spans) > 1:
        names[0] += " (inaudible)"
    return tuple(names)


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def _hertz(mel: float) -> float:
    return 700 * (10 ** (mel / 2595) - 1)
