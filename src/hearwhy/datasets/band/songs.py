"""Songs on disk in Slakh2100's layout, read as one waveform per class of instrument."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.datasets.band.metadata import read_metadata
from hearwhy.datasets.band.presets import STEMS
from hearwhy.datasets.headers import Header, load_span
from hearwhy.datasets.multitrack import common_header
from hearwhy.datasets.slakh import rendered
from hearwhy.types import Recording

Incomplete = Literal["refuse", "skip"]


@dataclass(frozen=True, eq=False)
class Stems:
    """One song taken apart: ``audio`` (stem, time), mono, in the order of `STEMS`; their sum is the song.

    `history` says what was done to it since it was stored, as `Recording.history`.
    """

    name: str
    audio: Float[Tensor, "stem time"]
    sample_rate: int
    history: tuple[str, ...] = ()

    def mix(self, *stems: str) -> Recording:
        """Return the named stems together; all of them where none is named."""
        rows = [STEMS.index(stem) for stem in stems or STEMS]
        name = f"{self.name}: {', '.join(stems)}"
        return Recording(self.audio[rows].sum(dim=0)[None], self.sample_rate, name=name, history=self.history)


def read_split(
    data: str | Path,
    split: str,
    *,
    limit: int | None = None,
    sample_rate: int | None = None,
    seconds: float | None = None,
    incomplete: Incomplete = "refuse",
) -> list[Stems]:
    """Return the songs of a split in the order of their track numbers, the first `limit` of them, in memory.

    A song takes 20 bytes a sample: 24 seconds at 16 kHz, as the `band` set's, 8 MB. The 1289 training songs of
    Slakh2100-redux, four minutes each at 44.1 kHz, would take 270 GB if all had all five stems; with ``sample_rate=16000,
    seconds=30`` it is 12 GB, and only these seconds are decoded.

    Parameters
    ----------
    data, split
        A folder in Slakh2100's layout and a folder in it.
    limit
        How many songs to return at most.
    sample_rate
        Resample to that many Hz (soxr, high quality; `Stems.history` says so); None: as stored.
    seconds
        Read only that much of each song, from its middle; shorter songs as they are. None: everything.
    incomplete
        What becomes of songs that lack one of `STEMS` (Slakh2100's need not have all five): an error, or they are skipped,
        with a warning that says how many and which.

    Raises
    ------
    FileNotFoundError
        The folder has no such split, or there is no (complete) song in it.
    ValueError
        A song lacks an instrument, its stems differ in length or sample rate, or a number makes no sense.
    MemoryError
        The songs would take more memory than the machine has.
    """
    if incomplete not in ("refuse", "skip"):
        raise ValueError(f"incomplete is 'refuse' or 'skip'; got {incomplete!r}.")
    folder = Path(data) / split
    tracks = sorted(path.parent for path in folder.glob("Track*/metadata.yaml"))
    if not tracks:
        raise FileNotFoundError(f"There are no songs in {folder}; make them with: hearwhy data band --out {data}")
    if incomplete == "skip":
        tracks = _complete(tracks, folder, limit)
    tracks = tracks[:limit]
    _check_memory(tracks, sample_rate, seconds)
    return [read_song(track, sample_rate=sample_rate, seconds=seconds) for track in tracks]


def read_song(folder: str | Path, *, sample_rate: int | None = None, seconds: float | None = None) -> Stems:
    """Return one song; several stems of one class are added, other classes are left out. Errors as in `read_split`."""
    folder = Path(folder)
    if not all(number is None or number > 0 for number in (seconds, sample_rate)):
        raise ValueError(f"seconds and sample_rate are positive; got {seconds} s and {sample_rate} Hz.")
    files, header = _five(folder)
    start_s, duration_s = _middle(header, seconds)
    rows: list[Tensor] = []
    history: tuple[str, ...] = ()
    for paths in files.values():
        parts = [load_span(path, header, start_s, duration_s) for path in paths]
        rows.append(torch.stack([part.audio.mean(dim=0) for part in parts]).sum(dim=0))
        history = parts[0].history
    audio, rate = torch.stack(rows), header.sample_rate
    if header.n_channels > 1:
        history += (f"{header.n_channels} channels averaged to mono",)
    if sample_rate is not None and sample_rate != rate:
        audio, history = sound.resample(audio, rate, sample_rate), (*history, f"resampled from {rate} to {sample_rate} Hz")
    return Stems(folder.name, audio, sample_rate or rate, history)


def _files(folder: Path) -> dict[str, tuple[Path, ...]]:
    everything = rendered(folder, read_metadata(folder / "metadata.yaml"))
    return {stem: everything[stem] for stem in STEMS if stem in everything}


def _five(folder: Path) -> tuple[dict[str, tuple[Path, ...]], Header]:
    files = _files(folder)
    missing = [stem for stem in STEMS if stem not in files]
    if missing:
        raise ValueError(f"{folder} has no {' and no '.join(missing)}; a song of this set needs all of {', '.join(STEMS)}.")
    return files, common_header(str(folder), files)


def _middle(header: Header, seconds: float | None) -> tuple[float, float | None]:
    if seconds is None or header.duration_s <= seconds:
        return 0.0, None
    return (header.duration_s - seconds) / 2, seconds


def _complete(tracks: list[Path], folder: Path, limit: int | None) -> list[Path]:
    """Return the first `limit` songs that have all stems; a warning names the others among which they were found."""
    whole: list[Path] = []
    skipped = []
    for track in tracks:
        if limit is not None and len(whole) == limit:
            break
        missing = [stem for stem in STEMS if stem not in _files(track)]
        if missing:
            skipped.append(f"{track.name} (no {', no '.join(missing)})")
        else:
            whole.append(track)
    if skipped:
        n = len(skipped) + len(whole)
        warnings.warn(
            f"{len(skipped)} of {n} songs in {folder} lack an instrument and are skipped: {'; '.join(skipped)}.", stacklevel=3
        )
    if not whole:
        raise FileNotFoundError(f"No song in {folder} has all of {', '.join(STEMS)}.")
    return whole


def _check_memory(tracks: list[Path], sample_rate: int | None, seconds: float | None) -> None:
    needed = 0.0
    for track in tracks:
        _, header = _five(track)
        length_s = header.duration_s if seconds is None else min(seconds, header.duration_s)
        needed += 4 * len(STEMS) * length_s * (sample_rate or header.sample_rate)
    there_is = _memory()
    if there_is is not None and needed > there_is:
        raise MemoryError(
            f"{len(tracks)} songs would take {needed / 1e9:.1f} GB and the machine has {there_is / 1e9:.1f} GB; give "
            "seconds (of each song), a lower sample_rate or a limit."
        )


def _memory() -> int | None:
    """Return the bytes of memory of the machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
