"""Datasets: recordings with what is known about them, one folder layout a module."""

from __future__ import annotations

from pathlib import Path

__all__ = ["demo_song"]


def demo_song() -> Path:
    """Return the folder of the song that ships with hearwhy: ``mix.flac`` and ``stems/`` that add up to it.

    Eight seconds of a test song of the `band` set at 16 kHz: piano, drums, bass and strings, no guitar. ``README.md``
    in it says how it was made.
    """
    return Path(__file__).parent.parent / "demo_song"
