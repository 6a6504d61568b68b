"""Harmony in numbers: scales, chord progressions and where a chord's notes lie on an instrument."""

from __future__ import annotations

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
PROGRESSIONS = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (1, 4, 0, 5), (0, 3, 1, 4), (5, 3, 0, 4), (0, 2, 3, 4)),
    "minor": ((0, 5, 2, 6), (0, 3, 6, 2), (0, 6, 5, 6), (0, 3, 0, 4), (0, 2, 6, 5)),
    "dorian": ((0, 3, 0, 3), (0, 6, 3, 0), (0, 2, 3, 0)),
    "mixolydian": ((0, 6, 3, 0), (0, 3, 6, 3), (0, 4, 6, 3)),
}
"""Mode to four-bar progressions, as degrees of its scale counted from 0."""


def chord(key: int, mode: str, degree: int, *, seventh: bool = False) -> tuple[int, ...]:
    """Return the pitch classes (0 is C) of the chord on `degree`, root first: every other note of the scale."""
    scale = SCALES[mode]
    return tuple((key + scale[(degree + step) % 7]) % 12 for step in (0, 2, 4, 6)[: 4 if seventh else 3])


def above(pitch_class: int, lowest: int) -> int:
    """Return the first MIDI pitch of that class from `lowest` up."""
    return lowest + (pitch_class - lowest) % 12


def close_voicing(pitch_classes: tuple[int, ...], lowest: int) -> tuple[int, ...]:
    """Return one pitch per class within the octave over `lowest`, ascending, so that voices move by small steps."""
    return tuple(sorted(above(pitch_class, lowest) for pitch_class in pitch_classes))


def open_voicing(pitch_classes: tuple[int, ...], lowest: int, n: int) -> tuple[int, ...]:
    """Return `n` ascending pitches from the root up, every second chord note next, as a guitar's strings lie."""
    order = [pitch_classes[0], pitch_classes[2], *pitch_classes, *pitch_classes[1:]]
    pitches = [above(order[0], lowest)]
    for pitch_class in order[1:n]:
        pitches.append(above(pitch_class, pitches[-1] + 1))
    return tuple(pitches)
