"""Spectrogram: a recording as a log-mel picture, small enough to travel inside a page."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from hearwhy.front_ends import LogMel
from hearwhy.report.png import encode
from hearwhy.types import Recording

MAX_FRAMES = 800  # columns of the picture: more than a screen shows
N_MELS = 96
FRAME_S = 0.064  # long enough to part the notes of a bass, short enough to see a drum
RANGE_DB = 80.0  # below the loudest cell; what lies lower is drawn as nothing
CHUNK_FRAMES = 4096  # spectra held at a time, so that memory does not grow with the recording
TICKS_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
MIN_TICK_DISTANCE = 0.1  # of the height: nearer ticks would write over each other


@dataclass(frozen=True, eq=False)
class Picture:
    """A log-mel spectrogram with its axes.

    Parameters
    ----------
    db
        Level of each cell in dB below the loudest, (mel, frame), -80 to 0; the lowest frequency first.
    duration_s
        Seconds that the frames cover.
    ticks
        (height from 0 at the bottom to 1, Hz) of the frequencies to write beside it.
    """

    db: Float[np.ndarray, "mel frame"]
    duration_s: float
    ticks: tuple[tuple[float, int], ...]


def picture(recording: Recording) -> Picture:
    """Return the log-mel spectrogram of the mean of the channels, at most 800 frames of 96 mels.

    Of a long recording each column is the loudest of the frames it stands for, so that no short sound is lost.
    """
    front_end = _front_end(recording)
    audio = recording.audio.mean(dim=0, keepdim=True)
    step = CHUNK_FRAMES * front_end.hop_length
    chunks = [front_end(audio[:, start : start + step])[0] for start in range(0, audio.shape[1], step)]
    # The centred frame of a chunk's end is the next one's first: it is dropped, but for the last.
    frames = torch.cat([*(chunk[:, :CHUNK_FRAMES] for chunk in chunks[:-1]), chunks[-1]], dim=1)
    pool = math.ceil(frames.shape[1] / MAX_FRAMES)
    pooled = torch.nn.functional.max_pool1d(frames[None], pool, ceil_mode=True)[0]
    loudest = pooled.max() if audio.any() else pooled.max() + RANGE_DB  # silence is drawn as nothing, not as its own loudest
    db = (pooled - loudest).clamp(min=-RANGE_DB).numpy()
    return Picture(db, recording.duration_s, _ticks(recording.sample_rate))


def _front_end(recording: Recording) -> LogMel:
    rate = recording.sample_rate
    n_fft = 2 ** max(5, round(math.log2(FRAME_S * rate)))
    hop = min(max(recording.audio.shape[1] // MAX_FRAMES, n_fft // 16), n_fft // 2)
    n_mels = min(N_MELS, n_fft // 8)  # low rates: a filter narrower than a bin of the spectrum would stay empty
    return LogMel(rate, n_fft, hop, n_mels, log="db", pad="constant")


def _ticks(rate: int) -> tuple[tuple[float, int], ...]:
    from librosa import hz_to_mel  # takes a second to load

    top = float(hz_to_mel(rate / 2))
    ticks: list[tuple[float, int]] = []
    for hz in TICKS_HZ:
        height = float(hz_to_mel(hz)) / top
        if MIN_TICK_DISTANCE / 2 < height < 1 - MIN_TICK_DISTANCE / 2 and (
            not ticks or height - ticks[-1][0] > MIN_TICK_DISTANCE
        ):
            ticks.append((height, hz))
    return tuple(ticks)


def time_ticks(duration_s: float, most: int = 9) -> list[float]:
    """Return round times from 0 to the end, at most so many."""
    steps = [base * 10.0**power for power in range(-3, 5) for base in (1, 2, 5)]
    step = next(step for step in steps if duration_s / step <= most - 1)
    return [round(i * step, 6) for i in range(int(duration_s / step + 1e-9) + 1)]


def png(picture: Picture) -> bytes:
    """Return the picture as a PNG of 8 bits a cell with a perceptual palette (magma), the highest frequency on top."""
    cells = np.round((picture.db / RANGE_DB + 1) * 255).astype(np.uint8)[::-1]
    return encode(cells, palette=_palette().tobytes())


def _palette() -> NDArray[np.uint8]:
    from matplotlib import colormaps

    return np.round(colormaps["magma"](np.arange(256))[:, :3] * 255).astype(np.uint8)
