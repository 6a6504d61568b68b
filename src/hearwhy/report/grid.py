"""Grid: where the bins of a spectrogram lie, in seconds and in Hz, and how a cell of it is called."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from hearwhy.front_ends import LogMel, LogStft
from hearwhy.front_ends.fbank import Fbank
from hearwhy.front_ends.whisper import WhisperLogMel
from hearwhy.report.spectrogram import MIN_TICK_DISTANCE, TICKS_HZ
from hearwhy.spectrum import Spectrum

FINE_S = 0.3  # cells and hops shorter than that are told in hundredths of a second


@dataclass(frozen=True, eq=False)
class Grid:
    """The axes of a spectrogram.

    Parameters
    ----------
    edges_s
        Where frames begin, and the last ends: half a hop around their middles.
    edges_hz
        Where rows begin, and the last ends, the lowest first; None where the front end does not tell.
    n_rows
        Number of rows.
    duration_s
        Where the axis of time ends; it begins at 0.
    """

    edges_s: Float[np.ndarray, " frame_edge"]
    edges_hz: Float[np.ndarray, " row_edge"] | None
    n_rows: int
    duration_s: float

    @staticmethod
    def of(spectrum: Spectrum) -> Grid:
        """Return the axes of what a network was given."""
        n_rows, n_frames = spectrum.features.shape
        plain = innermost(spectrum.front_end)
        duration_s = spectrum.n_samples / spectrum.front_end.sample_rate
        hop_s, first_s = _frames(plain, n_frames, duration_s)
        edges_s = first_s + hop_s * (np.arange(n_frames + 1) - 0.5)
        edges_hz = _edges_hz(plain)
        known = edges_hz is not None and len(edges_hz) == n_rows + 1
        # Some front ends fill up to a length of their own; of the others the last frame ends half a hop behind the sound.
        end_s = float(edges_s[-1])
        return Grid(edges_s, edges_hz if known else None, n_rows, end_s if end_s > duration_s + hop_s else duration_s)

    @cached_property
    def ticks(self) -> tuple[tuple[float, int], ...]:
        """(height from 0 at the bottom to 1, Hz) of the frequencies to write beside it; none where they are not known."""
        if self.edges_hz is None:
            return ()
        ticks: list[tuple[float, int]] = []
        for hz in TICKS_HZ:
            height = float(np.interp(hz, self.edges_hz, np.arange(self.n_rows + 1))) / self.n_rows
            inside = MIN_TICK_DISTANCE / 2 < height < 1 - MIN_TICK_DISTANCE / 2
            if inside and (not ticks or height - ticks[-1][0] > MIN_TICK_DISTANCE):
                ticks.append((height, hz))
        return tuple(ticks)

    @property
    def what(self) -> str:
        """Say what the picture shows."""
        return "spectrogram" if self.edges_hz is not None else f"{self.n_rows} rows of features"

    def place(self, inside: Bool[Tensor, "freq frame"]) -> str:
        """Return from when to when and from which frequency to which a cell reaches: "2.1-2.6 s, 400-1200 Hz"."""
        rows, frames = (inside.any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
        start, stop = (float(np.clip(self.edges_s[i], 0, self.duration_s)) for i in (frames[0], frames[-1] + 1))
        digits = 2 if stop - start < FINE_S else 1
        when = f"{start:.{digits}f}-{stop:.{digits}f} s"
        if self.edges_hz is None:
            return f"{when}, rows {rows[0] + 1}-{rows[-1] + 1}"
        return f"{when}, {_hz(self.edges_hz[rows[0]])}-{_hz(self.edges_hz[rows[-1] + 1])} Hz"


def innermost(front_end: Any) -> Any:
    """Return the front end that makes the spectrogram, without what stands around it."""
    while hasattr(front_end, "front_end"):
        front_end = front_end.front_end
    return front_end


def is_decibel(front_end: Any) -> bool:
    """Return whether a step of 1 in the features is a step of 1 dB."""
    spread = getattr(front_end, "std", 1.0)
    inner = getattr(front_end, "front_end", None)
    return bool(spread == 1.0) and (getattr(front_end, "log", None) == "db" if inner is None else is_decibel(inner))


def _frames(plain: Any, n_frames: int, duration_s: float) -> tuple[float, float]:
    """Return the distance between frames and the middle of the first, in seconds."""
    hop = getattr(plain, "hop_length", None)
    if hop is None:
        return duration_s / n_frames, duration_s / n_frames / 2
    from_first_sample = isinstance(plain, (LogMel, LogStft)) and plain.pad is None
    length = plain.n_fft if from_first_sample else getattr(plain, "frame_length", 0)  # other frames lie around their times
    return hop / plain.sample_rate, length / 2 / plain.sample_rate


def _edges_hz(plain: Any) -> Float[np.ndarray, " row_edge"] | None:
    """Return the middles between the centres of the rows; the outermost reach as far as their filters do."""
    if isinstance(plain, LogStft):
        top = plain.sample_rate / 2
        return np.clip((np.arange(plain.n_features + 1) - 0.5) * plain.sample_rate / plain.n_fft, 0, top)
    if isinstance(plain, LogMel):
        return _mel_edges(plain.n_mels, plain.f_min, plain.highest_hz, htk=plain.htk)
    if isinstance(plain, WhisperLogMel):
        return _mel_edges(plain.n_mels, 0.0, 8000.0, htk=False)
    if isinstance(plain, Fbank):
        return _mel_edges(plain.n_mels, 20.0, plain.sample_rate / 2, htk=True)  # Kaldi's scale is HTK's
    return None


def _mel_edges(n_mels: int, low: float, high: float, *, htk: bool) -> Float[np.ndarray, " row_edge"]:
    from librosa import mel_frequencies  # takes a second to load

    points: Float[np.ndarray, " point"] = mel_frequencies(n_mels=n_mels + 2, fmin=low, fmax=high, htk=htk)
    middles = (points[1:-2] + points[2:-1]) / 2
    return np.concatenate([points[:1], middles, points[-1:]])


def _hz(frequency: float) -> str:
    """Return a frequency as it is read: two digits are as much as a cell's ragged edge means."""
    return f"{float(f'{frequency:.2g}'):g}"
