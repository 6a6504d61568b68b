"""Songs on disk in Slakh2100's layout, read as one waveform per class of instrument."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.datasets.band.metadata import read_metadata
from hearwhy.datasets.band.presets import INST_CLASS, STEMS
from hearwhy.types import Recording


@dataclass(frozen=True, eq=False)
class Stems:
    """One song taken apart: ``audio`` (stem, time) in the order of `STEMS`; their sum is the song."""

    name: str
    audio: Float[Tensor, "stem time"]
    sample_rate: int

    def mix(self, *stems: str) -> Recording:
        """Return the named stems together; all of them where none is named."""
        rows = [STEMS.index(stem) for stem in stems or STEMS]
        return Recording(self.audio[rows].sum(dim=0)[None], self.sample_rate, name=f"{self.name}: {', '.join(stems)}")


def read_split(data: str | Path, split: str, *, limit: int | None = None) -> list[Stems]:
    """Return the songs of a split in the order of their track numbers, the first `limit` of them.

    Raises
    ------
    FileNotFoundError
        The folder has no such split, or there is no song in it.
    ValueError
        A song lacks an instrument, or its stems differ in length or sample rate.
    """
    folder = Path(data) / split
    tracks = sorted(path.parent for path in folder.glob("Track*/metadata.yaml"))
    if not tracks:
        raise FileNotFoundError(f"There are no songs in {folder}; make them with: hearwhy data band --out {data}")
    return [read_song(track) for track in tracks[:limit]]


def read_song(folder: str | Path) -> Stems:
    """Return one song; several stems of one class are added, other classes are left out. Errors as in `read_split`."""
    folder = Path(folder)
    found: dict[str, list[Recording]] = {stem: [] for stem in STEMS}
    for name, about in read_metadata(folder / "metadata.yaml")["stems"].items():
        stem = next((stem for stem in STEMS if INST_CLASS[stem] == about["inst_class"]), None)
        if stem and about["audio_rendered"]:
            found[stem].append(sound.load(folder / "stems" / f"{name}.flac"))
    missing = [stem for stem, recordings in found.items() if not recordings]
    if missing:
        raise ValueError(f"{folder} has no {' and no '.join(missing)}; a song of this set needs all of {', '.join(STEMS)}.")
    everything = [recording for recordings in found.values() for recording in recordings]
    formats = {(recording.sample_rate, tuple(recording.audio.shape)) for recording in everything}
    if len(formats) > 1:
        raise ValueError(f"{folder}: stems must agree in rate and (channel, time); got {sorted(formats)}.")
    rows = [torch.stack([r.audio.mean(dim=0) for r in recordings]).sum(dim=0) for recordings in found.values()]
    return Stems(folder.name, torch.stack(rows), everything[0].sample_rate)
