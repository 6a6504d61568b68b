"""The composer: a song's notes from (seed, split, index), a pure function that no other song can disturb."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from hearwhy.datasets.band.players import PLAYERS, Bar, Event
from hearwhy.datasets.band.presets import PRESETS, STEMS, Preset
from hearwhy.datasets.band.theory import PROGRESSIONS, SCALES, chord

__all__ = ["SPLITS", "STEMS", "Note", "Part", "Song", "compose"]

SPLITS = ("train", "validation", "test")
BEATS = 4  # every bar
TAIL_S = 1.0  # for the last notes to die away
SHORTEST_S = 16.0  # a song gets a third section where two are shorter
TIMING_S = 0.008  # standard deviation of a human's timing
LEVEL_DB = {"bass": -28.0, "drums": -26.0, "guitar": -29.5, "piano": -29.5, "strings": -33.0}
"""RMS level about which a song's balance varies, by 3 dB either way: none of the five drowns another."""
VARIED_DB = 3.0


@dataclass(frozen=True)
class Note:
    """One note: when it starts and stops in seconds, its MIDI pitch and velocity."""

    start_s: float
    stop_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """What one instrument plays in a song, with which sound, in which style, how loud (MIDI volume)."""

    stem: str
    preset: Preset
    style: str
    volume: int
    notes: tuple[Note, ...]

    @property
    def is_drum(self) -> bool:
        """Whether pitches mean drums rather than tones."""
        return self.stem == "drums"


@dataclass(frozen=True)
class Song:
    """A composed song: tempo in beats a minute, key (0 is C) and mode, length in seconds, one part per stem."""

    tempo: float
    key: int
    mode: str
    duration_s: float
    parts: tuple[Part, ...]


def compose(seed: int, split: str, index: int) -> Song:
    """Return song `index` of a split: the same notes for the same three numbers, whatever else is composed.

    Two or three sections of four bars on two chord progressions of a random key and mode, 80 to 150 beats a minute; all
    five stems play throughout, each with one sound and one style; timing and velocity are those of a human hand.

    Parameters
    ----------
    seed
        Which set of songs.
    split
        "train", "validation" or "test"; it decides which presets may play (`PRESETS`).
    index
        Which song of the split, from 0.

    Raises
    ------
    ValueError
        There is no such split, or a number is negative.

    Examples
    --------
    >>> song = compose(0, "test", 3)
    >>> [part.stem for part in song.parts]
    ['bass', 'drums', 'guitar', 'piano', 'strings']
    """
    if split not in SPLITS or seed < 0 or index < 0:
        raise ValueError(f"split is one of {', '.join(SPLITS)}, seed and index at least 0; got {split!r}, {seed}, {index}.")
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    tempo = float(rng.uniform(80, 150))
    key, mode = int(rng.integers(12)), str(rng.choice(list(SCALES)))
    bars = _bars(rng, tempo, key, mode)
    clock = _Clock(60 / tempo, swing=float(rng.choice([0.5, 0.5, 0.5, 0.58, 0.66])))
    parts = tuple(_part(rng, stem, PRESETS[split][stem], bars, clock) for stem in STEMS)
    return Song(tempo, key, mode, len(bars) * BEATS * 60 / tempo + TAIL_S, parts)


@dataclass(frozen=True)
class _Clock:
    """Beats to seconds; `swing` is where in the beat its second half begins."""

    beat_s: float
    swing: float

    def seconds(self, beat: float) -> float:
        whole = math.floor(beat)
        part = beat - whole
        swung = part * 2 * self.swing if part < 0.5 else self.swing + (part - 0.5) * 2 * (1 - self.swing)
        return (whole + swung) * self.beat_s


def _bars(rng: np.random.Generator, tempo: float, key: int, mode: str) -> list[Bar]:
    choices = PROGRESSIONS[mode]
    first, second = rng.choice(len(choices), size=2, replace=False)
    two_s = 8 * BEATS * 60 / tempo
    form = (first, second) if two_s >= SHORTEST_S else (first, second, first)
    seventh = bool(rng.random() < 0.35)
    chords = [chord(key, mode, degree, seventh=seventh) for section in form for degree in choices[section]]
    after = [*chords[1:], chords[0]]
    pairs = enumerate(zip(chords, after, strict=True))
    return [Bar(now, following[0], first=i % 4 == 0, last=i % 4 == 3) for i, (now, following) in pairs]


def _part(rng: np.random.Generator, stem: str, presets: tuple[Preset, ...], bars: list[Bar], clock: _Clock) -> Part:
    preset = presets[rng.integers(len(presets))]
    style = str(rng.choice(list(PLAYERS[stem])))
    volume = preset.volume(LEVEL_DB[stem] + float(rng.uniform(-VARIED_DB, VARIED_DB)))
    notes = [
        _humanise(rng, event, number * BEATS, clock)
        for number, bar in enumerate(bars)
        for event in PLAYERS[stem][style](bar, rng)
    ]
    return Part(stem, preset, style, volume, _released(notes))


def _released(notes: list[Note]) -> tuple[Note, ...]:
    """Return the notes in time, each let go before its own key is struck again (MIDI's note-off names only the key)."""
    later: dict[int, float] = {}
    released = []
    for note in sorted(notes, key=lambda note: (note.start_s, note.pitch), reverse=True):
        released.append(replace(note, stop_s=min(note.stop_s, later.get(note.pitch, note.stop_s))))
        later[note.pitch] = note.start_s
    return tuple(reversed(released))


def _humanise(rng: np.random.Generator, event: Event, bar_beat: float, clock: _Clock) -> Note:
    beat, length, pitch, velocity = event
    start = max(0.0, clock.seconds(bar_beat + beat) + float(rng.normal(0, TIMING_S)))
    # A note lasts its written length whatever its start did, and never less than a key can be struck
    stop = start + max(0.03, length * clock.beat_s)
    return Note(start, stop, pitch, int(np.clip(round(velocity + rng.normal(0, 6)), 20, 127)))
