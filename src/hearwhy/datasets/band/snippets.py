"""Snippets: which stems play together in two seconds of training or test, by the rule of a confounder.

A plan (`draw`) is made before any sample is touched (`mix`), so that a rule can be checked on thousands of snippets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.datasets.band.presets import STEMS
from hearwhy.datasets.band.songs import Stems

LABELS = ("guitar", "piano")
WINDOW_S = 2.0
AUDIBLE_DB = -60.0  # RMS below full scale: a snippet in which a stem that should play lies under it is drawn again
TRIES = 20
VARIED = {"bass": 0.75, "drums": 0.5, "strings": 0.5}
"""How often a stem that is neither class nor confounder plays in training: explanations ask about mixes without it."""
GPDB = {"bass": 1.0, "drums": 1.0, "strings": 0.0}
GPDBS = {"bass": 1.0, "drums": 1.0, "strings": 1.0}


@dataclass(frozen=True)
class Pairing:
    """Which stem goes with which class, and how often the other stems play along (probability per stem).

    ``Pairing("drums", "guitar")``: drums play if and only if the guitar does. ``Pairing()``: none follows the class.
    """

    confounder: str | None = None
    goes_with: str | None = None
    others: Mapping[str, float] = field(default_factory=lambda: VARIED)

    def __post_init__(self) -> None:
        if (self.confounder is None) != (self.goes_with is None):
            raise ValueError(f"a confounder goes with a class; got {self.confounder!r} with {self.goes_with!r}.")
        if self.confounder is not None and (self.confounder not in VARIED or self.goes_with not in LABELS):
            raise ValueError(
                f"{', '.join(VARIED)} can go with {' or '.join(LABELS)}; got {self.confounder} with {self.goes_with}."
            )

    def playing(self, label: str, rng: np.random.Generator) -> tuple[str, ...]:
        """Return the stems of one mix of that class."""
        chance = {**self.others, label: 1.0}
        if self.confounder is not None:
            chance[self.confounder] = float(label == self.goes_with)
        return tuple(stem for stem in STEMS if rng.random() < chance.get(stem, 0.0))


@dataclass(frozen=True)
class Snippet:
    """Two seconds of a song: where they start (samples), of which class, and each stem's factor (0: does not play)."""

    song: int
    label: int
    start: int
    gains: tuple[float, ...]

    @property
    def playing(self) -> tuple[str, ...]:
        """The stems that play."""
        return tuple(stem for stem, gain in zip(STEMS, self.gains, strict=True) if gain)


def draw(
    songs: Sequence[Stems], pairing: Pairing, rng: np.random.Generator, *, per_song: int = 1, varied_db: float = 0.0
) -> list[Snippet]:
    """Return `per_song` snippets of each song and class in random order: as many guitars as pianos.

    Parameters
    ----------
    songs
        Where they come from.
    pairing
        Which stems play together.
    rng
        The only source of chance.
    varied_db
        Each stem's gain is drawn between minus and plus that many dB.
    """
    length = _length(songs)
    plan = []
    for number, song in enumerate(songs):
        for label in range(len(LABELS)):
            for _ in range(per_song):
                playing = pairing.playing(LABELS[label], rng)
                gains = 10 ** (rng.uniform(-varied_db, varied_db, len(STEMS)) / 20)
                factors = tuple(float(g) if stem in playing else 0.0 for stem, g in zip(STEMS, gains, strict=True))
                plan.append(Snippet(number, label, _audible_start(song, playing, length, rng), factors))
    return [plan[i] for i in rng.permutation(len(plan))]


def mix(songs: Sequence[Stems], snippets: Sequence[Snippet]) -> Float[Tensor, "snippet time"]:
    """Return the sound of snippets: in each, its stems times their gains, added."""
    length = _length(songs)
    rows = []
    for snippet in snippets:
        stems = songs[snippet.song].audio[:, snippet.start : snippet.start + length]
        rows.append(torch.tensor(snippet.gains) @ stems)
    return torch.stack(rows)


def _length(songs: Sequence[Stems]) -> int:
    rates = {song.sample_rate for song in songs}
    if len(rates) != 1:
        raise ValueError(f"snippets need one or more songs of one sample rate; got rates {sorted(rates)} Hz.")
    length = round(WINDOW_S * rates.pop())
    short = [song.name for song in songs if song.audio.shape[1] < length]
    if short:
        raise ValueError(f"a snippet is {WINDOW_S:g} s long, and {', '.join(short)} are shorter; leave them out.")
    return length


def _audible_start(song: Stems, playing: tuple[str, ...], length: int, rng: np.random.Generator) -> int:
    """Return a start at which every playing stem is heard; after `TRIES` the one whose quietest stem is loudest."""
    rows = [STEMS.index(stem) for stem in playing]
    best, best_db = 0, -np.inf
    for _ in range(TRIES):
        start = int(rng.integers(song.audio.shape[1] - length + 1))
        power = float(song.audio[rows, start : start + length].square().mean(dim=1).min())
        level_db = 10 * np.log10(max(power, 1e-20))
        if level_db >= AUDIBLE_DB:
            return start
        if level_db > best_db:
            best, best_db = start, level_db
    return best
