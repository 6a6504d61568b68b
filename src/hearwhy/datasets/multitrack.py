"""Multitrack recordings: songs whose sources lie beside each other as sound files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

from hearwhy import audio as sound
from hearwhy.datasets.headers import Header, load_span, read_header
from hearwhy.types import Recording

Stems = Mapping[str, tuple[Path, ...]]
"""Name of a stem to the sound files that are added to make it."""


@dataclass(frozen=True)
class Multitrack:
    """A song that is the sum of its stems.

    Parameters
    ----------
    name, group
        As in `Item`.
    files
        Stem to its sound files, in order.
    header
        Length, rate and channels that all of them share.
    stored
        The mixture as somebody stored it; None where there is none, or where not all stems are asked for.
    """

    name: str
    group: str
    files: tuple[tuple[str, tuple[Path, ...]], ...]
    header: Header
    stored: Path | None = None
    label: None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.header.duration_s

    def stems(self, *, start_s: float = 0.0, duration_s: float | None = None) -> dict[str, Recording]:
        """Return every stem, its files added; errors as `hearwhy.load`."""
        found = {}
        for stem, paths in self.files:
            parts = [load_span(path, self.header, start_s, duration_s) for path in paths]
            found[stem] = added(parts, f"{self.name}: {stem}", what="files of its class")
        return found

    def load(self, *, start_s: float = 0.0, duration_s: float | None = None) -> Recording:
        """Return the sum of the stems, which is what the song is here, whatever the stored mixture is."""
        stems = self.stems(start_s=start_s, duration_s=duration_s)
        return added(list(stems.values()), self.name, what=f"stems {', '.join(stems)}")

    def mixture(self, *, start_s: float = 0.0, duration_s: float | None = None) -> Recording | None:
        """Return the mixture as it was stored; None where there is none."""
        return None if self.stored is None else sound.load(self.stored, start_s=start_s, duration_s=duration_s)


def added(parts: list[Recording], name: str, *, what: str) -> Recording:
    """Return the sum of recordings of one rate and shape."""
    audio = torch.stack([part.audio for part in parts]).sum(dim=0)
    history = parts[0].history if len(parts) == 1 else (*parts[0].history, f"the sum of its {len(parts)} {what}")
    return replace(parts[0], audio=audio, name=name, history=history)


def common_header(name: str, files: Stems) -> Header:
    """Return the length, rate and channels of a song's files.

    Raises
    ------
    FileNotFoundError, ValueError
        One of them is missing or damaged, or they are not alike.
    """
    headers = {path: read_header(path) for paths in files.values() for path in paths}
    first, *others = headers.items()
    for path, header in others:
        if header != first[1]:
            shown = [f"{h.n_samples} samples, {h.sample_rate} Hz, {h.n_channels} channels" for h in (first[1], header)]
            raise ValueError(f"{name}: stems must be alike; {first[0].name} has {shown[0]}, {path.name} has {shown[1]}.")
    return first[1]


def chosen(name: str, files: Stems, stems: tuple[str, ...] | None) -> Stems:
    """Return the stems that are asked for, in that order; ValueError where the song lacks one."""
    if stems is None:
        return files
    missing = [stem for stem in stems if stem not in files]
    if missing:
        raise ValueError(f"{name} has no {' and no '.join(missing)}; it has {', '.join(files)}.")
    return {stem: files[stem] for stem in stems}


class Mixed(Protocol):
    """A song with its sources and a stored mixture."""

    name: str

    def load(self, *, start_s: float = 0.0, duration_s: float | None = None) -> Recording:
        """Return the sum of the stems."""
        ...

    def mixture(self, *, start_s: float = 0.0, duration_s: float | None = None) -> Recording | None:
        """Return the mixture as it was stored."""
        ...


@dataclass(frozen=True)
class MixtureGap:
    """How a stored mixture differs from the sum of the stems.

    Parameters
    ----------
    gain_db
        The gain that brings the sum nearest to the mixture.
    gap_db
        Level of what differs even then, relative to the mixture; -inf where nothing does.
    """

    gain_db: float
    gap_db: float


def mixture_gap(song: Mixed) -> MixtureGap:
    """Return how far the stored mixture of a song is from the sum of its stems, by least squares.

    Raises
    ------
    ValueError
        There is no stored mixture, its shape differs from the stems', or one of them is silent.
    """
    whole, stored = song.load(), song.mixture()
    if stored is None:
        raise ValueError(f"{song.name} has no stored mixture, or not all of its stems were asked for.")
    if (stored.sample_rate, stored.audio.shape) != (whole.sample_rate, whole.audio.shape):
        raise ValueError(
            f"{song.name}: the stored mixture has {tuple(stored.audio.shape)} samples at {stored.sample_rate} Hz, "
            f"the sum of the stems {tuple(whole.audio.shape)} at {whole.sample_rate} Hz; they cannot be compared."
        )
    mix, total = stored.audio.double(), whole.audio.double()
    gain = float((mix * total).sum() / total.square().sum().clamp_min(1e-30))
    if gain <= 0:
        raise ValueError(f"{song.name}: the stored mixture or the sum of the stems is silent, or they are opposed.")
    gap_db = sound.level_db(mix - gain * total) - sound.level_db(mix)
    return MixtureGap(20 * float(torch.tensor(gain).log10()), gap_db)
