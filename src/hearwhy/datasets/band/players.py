"""The players: what each instrument plays in one bar, by style.

A player is a function ``(bar, rng) -> events``; an event is (beat within the bar, length in beats, pitch, velocity).
Players keep to the written beat; swing and human timing come later, in the composer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hearwhy.datasets.band.theory import above, close_voicing, open_voicing

Event = tuple[float, float, int, int]


@dataclass(frozen=True)
class Bar:
    """One bar of four beats: its chord, the next bar's root (pitch classes), and where it stands in its section."""

    chord: tuple[int, ...]
    next_root: int
    first: bool
    last: bool


Player = Callable[[Bar, np.random.Generator], list[Event]]

KICK, SIDE_STICK, SNARE, HAT, OPEN_HAT, CRASH, RIDE = 36, 37, 38, 42, 46, 49, 51
TOMS = (50, 47, 45)


def _bass_lowest(bar: Bar) -> int:
    return above(bar.chord[0], 28)


def bass_eighths(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Repeat the root in eighths, a step into the next bar's root at the end."""
    root = _bass_lowest(bar)
    pitches = [root] * 7 + [above(bar.next_root, root - 5) - 1]
    return [(step / 2, 0.45, pitch, 96 if step % 2 == 0 else 84) for step, pitch in enumerate(pitches)]


def bass_root_fifth(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Play root and fifth in turn, on one, three and the off-beats before them."""
    root, fifth = _bass_lowest(bar), _bass_lowest(bar) + 7
    return [(0, 1.4, root, 100), (1.5, 0.45, root, 84), (2, 1.4, fifth, 94), (3.5, 0.45, fifth, 82)]


def bass_walking(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Walk in quarters through the chord, from a half tone into the next root."""
    root = _bass_lowest(bar)
    tones = [above(pitch_class, root) for pitch_class in bar.chord]
    approach = above(bar.next_root, root - 4) + int(rng.choice([-1, 1]))
    line = [root, tones[1], tones[2] if rng.random() < 0.6 else root + 12, approach]
    return [(beat, 0.92, pitch, 92) for beat, pitch in enumerate(line)]


def bass_octaves(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Jump between root and octave, syncopated."""
    root = _bass_lowest(bar)
    return [
        (0, 0.7, root, 102),
        (0.75, 0.2, root, 84),
        (1.5, 0.4, root + 12, 92),
        (2.5, 0.7, root, 96),
        (3.5, 0.4, root + 12, 88),
    ]


def _strum(chord: tuple[int, ...], hits: list[tuple[float, float, int]]) -> list[Event]:
    """Strike the strings one after the other, about 12 ms apart: downwards on the beat, upwards off it."""
    events = []
    for beat, length, velocity in hits:
        strings = chord if beat % 1 == 0 else chord[::-1][:4]
        events += [(beat + 0.025 * i, length - 0.025 * i, pitch, velocity - 2 * i) for i, pitch in enumerate(strings)]
    return events


def guitar_strum(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Strum a folk pattern in eighths; now and then one stroke is left out."""
    hits = [(0, 0.95, 98), (1, 0.5, 88), (1.5, 0.5, 80), (2.5, 0.5, 84), (3, 0.5, 92), (3.5, 0.5, 80)]
    hits = [hit for i, hit in enumerate(hits) if i == 0 or rng.random() < 0.9]
    return _strum(open_voicing(bar.chord, 45, 6), hits)


def guitar_arpeggio(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Pick the chord in eighths, strings ringing on."""
    strings = open_voicing(bar.chord, 45, 5)
    order = (0, 2, 3, 4, 3, 2, 4, 3) if rng.random() < 0.7 else (0, 3, 2, 4, 1, 3, 2, 3)
    return [(step / 2, min(1.5, 4 - step / 2), strings[i], 94 if step % 4 == 0 else 82) for step, i in enumerate(order)]


def guitar_chug(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Drive root, fifth and octave in eighths, accents varying."""
    root = above(bar.chord[0], 45)
    accents = (0, 3, 6) if rng.random() < 0.5 else (0, 4)
    return [
        (step / 2 + 0.015 * i, 0.42, root + up, 104 if step in accents else 84)
        for step in range(8)
        for i, up in enumerate((0, 7, 12))
    ]


def guitar_offbeat(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Chop high chords on every off-beat, sometimes doubled."""
    chord = close_voicing(bar.chord, 57)
    events = _strum(chord, [(beat + 0.5, 0.28, 94) for beat in range(4)])
    return events + (_strum(chord, [(3.75, 0.2, 84)]) if rng.random() < 0.5 else [])


def _block(pitches: tuple[int, ...], hits: list[tuple[float, float, int]]) -> list[Event]:
    return [(beat, length, pitch, velocity) for beat, length, velocity in hits for pitch in pitches]


def piano_comp(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Comp syncopated chords in the right hand over a held left."""
    charleston = [(0, 0.9, 92), (1.5, 0.5, 84), (2.5, 0.8, 90)]
    pushed = [(0.5, 0.5, 88), (2, 0.9, 92), (3.5, 0.4, 82)]
    hits = charleston if rng.random() < 0.6 else pushed
    return [*_block(close_voicing(bar.chord, 60), hits), (0, 3.5, above(bar.chord[0], 48), 84)]


def piano_quarters(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Strike the chord in quarters, left hand in root and fifth."""
    right = _block(close_voicing(bar.chord, 62), [(beat, 0.85, 92 if beat % 2 == 0 else 82) for beat in range(4)])
    root = above(bar.chord[0], 48)
    return [*right, (0, 1.9, root, 88), (2, 1.9, root + 7, 84)]


def piano_broken(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Break the chord over two octaves in eighths, pedal held."""
    low = close_voicing(bar.chord, 52)
    run = [*low[:3], *(pitch + 12 for pitch in low[:3])]
    order = (0, 1, 2, 3, 4, 3, 2, 1) if rng.random() < 0.6 else (0, 2, 4, 5, 4, 2, 3, 1)
    return [(step / 2, min(2.0, 4 - step / 2), run[i], 92 if step % 4 == 0 else 80) for step, i in enumerate(order)]


def piano_ballad(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Hold the chord and sing a little melody of its notes above."""
    tones = close_voicing(bar.chord, 72)
    melody = [(beat, 0.9, int(rng.choice(tones)), 94) for beat in (0, 1, 2, 2.5, 3) if rng.random() < 0.8]
    held = _block(close_voicing(bar.chord, 57), [(0, 1.95, 80), (2, 1.95, 76)])
    return [*held, (0, 3.9, above(bar.chord[0], 48), 84), *melody]


def strings_pad(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Hold the whole chord for the whole bar."""
    return _block(close_voicing(bar.chord, 60), [(0, 4.0, 78)])


def strings_swell(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Hold the chord in halves, the second with one voice led upwards."""
    chord = close_voicing(bar.chord, 57)
    return _block(chord, [(0, 2.0, 74)]) + _block((*chord[1:], chord[0] + 12), [(2, 2.0, 84)])


def strings_line(bar: Bar, rng: np.random.Generator) -> list[Event]:
    """Hold root and third, and lead a slow tune above."""
    tones = close_voicing(bar.chord, 67)
    first, second = rng.choice(tones, size=2)
    held = _block(close_voicing(bar.chord, 55)[:2], [(0, 4.0, 70)])
    return [*held, (0, 2.0, int(first), 88), (2, 2.0, int(second), 84)]


def _drums(bar: Bar, rng: np.random.Generator, hits: dict[int, tuple[float, ...]]) -> list[Event]:
    """Play a pattern; a crash opens a section and a fill on the toms closes it."""
    events = [(beat, 0.2, pitch, 104 if beat % 1 == 0 else 86) for pitch, beats in hits.items() for beat in beats]
    if bar.first:
        events.append((0, 1.0, CRASH, 100))
    if bar.last:
        start = float(rng.choice([2.0, 3.0]))
        events = [event for event in events if event[0] < start or event[2] == KICK]
        steps = np.arange(start, 4, 0.25 if start == 3 else 0.5)
        events += [(float(beat), 0.2, TOMS[i * 3 // len(steps)], 92 + 3 * i) for i, beat in enumerate(steps)]
    return events


_EIGHTHS = tuple(step / 2 for step in range(8))
_SIXTEENTHS = tuple(step / 4 for step in range(16))
DRUM_PATTERNS: dict[str, dict[int, tuple[float, ...]]] = {
    "rock": {KICK: (0, 2, 2.5), SNARE: (1, 3), HAT: _EIGHTHS},
    "half time": {KICK: (0, 1.5), SNARE: (2,), HAT: _EIGHTHS},
    "four on the floor": {KICK: (0, 1, 2, 3), SNARE: (1, 3), OPEN_HAT: (0.5, 1.5, 2.5, 3.5)},
    "sixteenths": {KICK: (0, 0.75, 2.5), SNARE: (1, 3), HAT: _SIXTEENTHS},
    "ride": {KICK: (0, 2), SNARE: (1.5, 3), RIDE: (0, 1, 1.5, 2, 3, 3.5), HAT: (1, 3)},
    "bossa": {KICK: (0, 1.5, 2, 3.5), SIDE_STICK: (0, 1.5, 3), HAT: _EIGHTHS},
}


def _drummer(hits: dict[int, tuple[float, ...]]) -> Player:
    return lambda bar, rng: _drums(bar, rng, hits)


PLAYERS: dict[str, dict[str, Player]] = {
    "bass": {
        "eighths": bass_eighths,
        "root and fifth": bass_root_fifth,
        "walking": bass_walking,
        "octaves": bass_octaves,
    },
    "drums": {name: _drummer(hits) for name, hits in DRUM_PATTERNS.items()},
    "guitar": {"strum": guitar_strum, "arpeggio": guitar_arpeggio, "chug": guitar_chug, "off-beat": guitar_offbeat},
    "piano": {"comp": piano_comp, "quarters": piano_quarters, "broken": piano_broken, "ballad": piano_ballad},
    "strings": {"pad": strings_pad, "swell": strings_swell, "line": strings_line},
}
