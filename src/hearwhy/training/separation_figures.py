"""How well a trained separation network separates: SI-SDR on songs that it never heard."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from hearwhy.datasets.band.presets import STEMS
from hearwhy.datasets.band.songs import Stems
from hearwhy.metrics.separation import si_sdr
from hearwhy.separators.mask_inference import Separation
from hearwhy.types import Recording

MIXES = {
    f"{name} {label}": (label, "bass", "drums", *more)
    for name, more in (("gpdb", ()), ("gpdbs", ("strings",)))
    for label in ("guitar", "piano")
}
"""What plays together in audioLIME's confounder experiment."""
HEARD_S = 8.0  # of every song, from its middle

Table = dict[str, dict[str, dict[str, float]]]


def separation_table(separation: Separation, songs: list[Stems]) -> Table:
    """Return mix to source to ``si_sdr_db`` and ``improvement_db`` (over the mix itself), means over the songs.

    Songs in which the source is silent do not count.
    """
    table: Table = {}
    for mix, playing in MIXES.items():
        rows = [_rows(separation, song, playing) for song in songs]
        table[mix] = {}
        for source in playing:
            found = np.array([row[source] for row in rows])
            before, after = map(float, np.nanmean(found, axis=0))
            table[mix][source] = {"si_sdr_db": round(after, 2), "improvement_db": round(after - before, 2)}
    return table


def _rows(separation: Separation, song: Stems, playing: tuple[str, ...]) -> Mapping[str, tuple[float, float]]:
    """SI-SDR of every source that plays, before and after."""
    length = min(song.audio.shape[1], round(HEARD_S * song.sample_rate))
    start = (song.audio.shape[1] - length) // 2
    stems = {stem: song.audio[STEMS.index(stem), start : start + length][None] for stem in playing}
    mix = torch.stack(list(stems.values())).sum(dim=0)
    found = separation(Recording(mix, song.sample_rate))
    return {stem: (si_sdr(mix, true), si_sdr(found[stem], true)) for stem, true in stems.items()}


def summary(table: Table) -> dict[str, float]:
    """Return the means over guitar and piano mixes as flat figures, ``"gpdb drums improvement_db"`` say."""
    figures: dict[str, list[float]] = {}
    for mix, sources in table.items():
        for source, numbers in sources.items():
            for name, value in numbers.items():
                figures.setdefault(f"{mix.split()[0]} {source} {name}", []).append(value)
    return {name: round(sum(values) / len(values), 2) for name, values in figures.items()}
