"""Segments: equal spans of time that cross-fade and sum to the recording."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.components.parts import Parts
from hearwhy.types import Recording


def segments(recording: Recording, n: int, *, fade_s: float = 0.01) -> Parts:
    """Return the recording cut into `n` equal spans of time that cross-fade and sum to it exactly; no tail is dropped.

    Parameters
    ----------
    recording
        What to cut.
    n
        Number of spans, 1 to the number of samples.
    fade_s
        Length of a cross-fade in seconds (raised cosine, no clicks); shortened where the spans are shorter.

    Raises
    ------
    ValueError
        `n` is not between 1 and the number of samples, or the fade is negative.

    Examples
    --------
    >>> import hearwhy, torch
    >>> tone = hearwhy.Recording(torch.sin(torch.arange(8000) / 5), 8000)
    >>> segments(tone, 4).names
    ('0.00-0.25 s', '0.25-0.50 s', '0.50-0.75 s', '0.75-1.00 s')
    """
    time = recording.audio.shape[1]
    if not 1 <= n <= time:
        raise ValueError(f"segments needs 1 to {time} spans for {recording.name}; got {n}.")
    if fade_s < 0:
        raise ValueError(f"segments needs a cross-fade of 0 s or more; got {fade_s} s.")
    windows = raised_cosine_partition(time, n, min(round(fade_s * recording.sample_rate), time // n))

    def spread(audio: Tensor) -> Tensor:
        return windows[:, None] * audio

    edges = [recording.duration_s * i / n for i in range(n + 1)]
    digits = max(2, math.ceil(-math.log10(recording.duration_s / n)) + 1)  # short spans still get different names
    names = tuple(f"{a:.{digits}f}-{b:.{digits}f} s" for a, b in pairwise(edges))
    return Parts(spread(recording.audio), recording, names, (n,), spread, linear=True, spec=f"segments:{n}")


def raised_cosine_partition(time: int, n: int, fade: int) -> Float[Tensor, "n time"]:
    """Return windows whose columns sum to 1, with cross-fades of `fade` samples centred on the n - 1 cuts."""
    position = torch.arange(time, dtype=torch.float64) + 0.5
    rises = [torch.ones(time, dtype=torch.float64)]
    for i in range(1, n):
        ramp = ((position - time * i / n) / max(fade, 1e-9) + 0.5).clamp(0, 1)
        rises.append(0.5 - 0.5 * torch.cos(math.pi * ramp))
    rises.append(torch.zeros(time, dtype=torch.float64))
    # Each window is the difference of two neighbouring rises, so the sum telescopes to 1.
    return torch.stack([rise - after for rise, after in pairwise(rises)]).to(torch.float32)
