"""Naming: what each row of a front end's features is called."""

from __future__ import annotations

from hearwhy.front_ends import FrontEnd
from hearwhy.front_ends.log_mel import LogMel
from hearwhy.front_ends.mfcc import Mfcc
from hearwhy.front_ends.stft_db import LogStft
from hearwhy.front_ends.table import FeatureTable


def feature_names(front_end: FrontEnd) -> tuple[str, tuple[str, ...]]:
    """Return the kind of a front end's rows and the name of each: ``("mfcc", ("mfcc 0", "mfcc 1", ...))``.

    Mel bands and bins of the STFT carry their frequencies: "mel 3 (95-158 Hz)", "stft 2 (62 Hz)".

    Examples
    --------
    >>> from hearwhy.front_ends import Mfcc
    >>> feature_names(Mfcc(sample_rate=22_050, n_mfcc=2))
    ('mfcc', ('mfcc 0', 'mfcc 1'))
    """
    if isinstance(front_end, FeatureTable):
        return "values", front_end.names
    if isinstance(front_end, Mfcc):
        return "mfcc", tuple(f"mfcc {i}" for i in range(front_end.n_mfcc))
    if isinstance(front_end, LogMel):
        return "mel", _bands(front_end)
    if isinstance(front_end, LogStft):
        step = front_end.sample_rate / front_end.n_fft
        return "stft", tuple(f"stft {i} ({i * step:.0f} Hz)" for i in range(front_end.n_features))
    inner = getattr(front_end, "front_end", None)
    return feature_names(inner) if inner is not None else ("rows", tuple(f"row {i}" for i in range(front_end.n_features)))


def _bands(front_end: LogMel) -> tuple[str, ...]:
    from librosa import mel_frequencies

    edges = mel_frequencies(front_end.n_mels + 2, fmin=front_end.f_min, fmax=front_end.highest_hz, htk=front_end.htk)
    spans = zip(edges[:-2], edges[2:], strict=True)
    return tuple(f"mel {i} ({low:.0f}-{high:.0f} Hz)" for i, (low, high) in enumerate(spans))
