"""Clips: who is explained of ESC-10, and a folder an instrument of `band` songs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.datasets.band.presets import STEMS
from hearwhy.datasets.band.songs import read_split
from hearwhy.datasets.items import Item
from hearwhy.datasets.reading import read
from hearwhy.types import Recording

SPLITS = {"songs": ("train", "validation"), "fresh": ("test",)}
"""Folder of clips to the splits of `band` they are cut from; the fresh ones are songs of other sounds, for a last test."""
CLIP_S = 2.0


def tutorial_split(esc10: Path) -> tuple[list[Item], list[Item]]:
    """Return the tutorial's training and test clips: at random, whatever recording they were cut from."""
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(list(read(esc10).items), test_size=0.2, random_state=42)
    return train, test


def spread(items: Sequence[Item], n: int) -> list[Item]:
    """Return `n` clips, as many of each class as the other: the first of every class, then the second, and so on."""
    seen: dict[str | None, int] = {}
    ranks = []
    for item in items:
        ranks.append(seen.get(item.label, 0))
        seen[item.label] = ranks[-1] + 1
    order = sorted(range(len(items)), key=lambda i: (ranks[i], str(items[i].label)))
    return [items[i] for i in order[:n]]


def cut_band(band: Path, out: Path, *, limit: int | None) -> None:
    """Write the loudest two seconds of every instrument of every song, alone: ``out/songs/piano/Track00001_04.wav`` say.

    The class is the instrument, and the track's name tells the recipe which clips are of one song.
    """
    for folder, splits in SPLITS.items():
        if (out / folder).exists():
            continue
        unfinished = out / f".{folder}"
        for song in (song for split in splits for song in read_split(band, split, limit=limit)):
            for number, stem in enumerate(STEMS, start=1):
                clip = loudest(song.audio[STEMS.index(stem)], round(CLIP_S * song.sample_rate))
                sound.write(Recording(clip[None], song.sample_rate), unfinished / stem / f"{song.name}_{number:02d}.wav")
        unfinished.rename(out / folder)


def loudest(wave: Float[Tensor, " time"], length: int) -> Float[Tensor, " time2"]:
    """Return the span of so many samples with the most energy; they begin a quarter of their length apart."""
    spans = wave.unfold(0, length, length // 4)
    return spans[int(spans.square().sum(dim=1).argmax())]
