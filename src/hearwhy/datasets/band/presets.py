"""Which sounds of a General MIDI SoundFont play the songs of which split: test sounds are never heard in training."""

from __future__ import annotations

from dataclasses import dataclass

STEMS = ("bass", "drums", "guitar", "piano", "strings")
INST_CLASS = {
    "bass": "Bass",
    "drums": "Drums",
    "guitar": "Guitar",
    "piano": "Piano",
    "strings": "Strings (continued)",
}
"""Slakh2100's names for the classes of instruments."""


@dataclass(frozen=True)
class Preset:
    """A sound of the SoundFont: bank and program as General MIDI (GS) counts them, from 0.

    ``level_db`` is the RMS level of its stem at MIDI volume 100, measured over three songs: presets differ by 12 dB,
    and a song's balance is set against it.
    """

    bank: int
    program: int
    name: str
    level_db: float

    def volume(self, level_db: float) -> int:
        """Return the MIDI volume (1-127) at which it plays about that loud; the SoundFont's curve is 40 log10."""
        return min(127, max(1, round(100 * 10 ** ((level_db - self.level_db) / 40))))


_TRAINING = {
    "bass": (
        Preset(0, 33, "Fingered Bass", -28.3),
        Preset(0, 34, "Picked Bass", -29.6),
        Preset(0, 36, "Slap Bass", -30.8),
        Preset(0, 38, "Synth Bass 1", -29.7),
    ),
    "drums": (
        Preset(128, 0, "Standard", -32.5),
        Preset(128, 8, "Room", -30.9),
        Preset(128, 25, "TR-808", -22.4),
        Preset(128, 40, "Brush", -30.1),
    ),
    "guitar": (
        Preset(0, 24, "Nylon String Guitar", -25.2),
        Preset(0, 27, "Clean Guitar", -26.7),
        Preset(0, 28, "Palm Muted Guitar", -31.7),
        Preset(8, 25, "12 String Guitar", -25.9),
    ),
    "piano": (
        Preset(0, 0, "Yamaha Grand Piano", -32.7),
        Preset(0, 3, "Honky Tonk", -33.7),
        Preset(0, 4, "Rhodes EP", -24.3),
        Preset(8, 5, "Detuned EP 2", -32.5),
        Preset(0, 6, "Harpsichord", -26.2),
        Preset(0, 7, "Clavinet", -26.5),
    ),
    "strings": (
        Preset(0, 44, "Tremolo", -30.2),
        Preset(0, 48, "Strings", -30.8),
        Preset(0, 50, "Synth Strings 1", -26.2),
    ),
}
_TEST = {
    "bass": (
        Preset(0, 32, "Acoustic Bass", -27.8),
        Preset(0, 35, "Fretless Bass", -27.7),
        Preset(0, 37, "Pop Bass", -32.0),
        Preset(0, 39, "Synth Bass 2", -22.7),
    ),
    "drums": (
        Preset(128, 16, "Power", -27.0),
        Preset(128, 24, "Electronic", -28.9),
        Preset(128, 32, "Jazz", -29.7),
    ),
    "guitar": (
        Preset(0, 25, "Steel String Guitar", -26.0),
        Preset(0, 26, "Jazz Guitar", -24.7),
        Preset(8, 28, "Funk Guitar", -27.7),
    ),
    "piano": (
        Preset(0, 1, "Bright Yamaha Grand", -33.2),
        Preset(0, 5, "Legend EP 2", -29.0),
        Preset(8, 4, "Detuned EP 1", -28.3),
        Preset(8, 6, "Coupled Harpsichord", -27.8),
    ),
    "strings": (
        Preset(0, 49, "Slow Strings", -28.0),
        Preset(0, 51, "Synth Strings 2", -25.8),
        Preset(8, 48, "Orchestral Pad", -29.7),
    ),
}
PRESETS = {"train": _TRAINING, "validation": _TRAINING, "test": _TEST}
"""Split to stem to the presets it may play with; validation tells when to stop, so it shares the training sounds.

Guitars without distortion, and pianos of which some are plucked: the classes are hard enough to tell apart that a
network takes a shortcut where there is one.
"""
