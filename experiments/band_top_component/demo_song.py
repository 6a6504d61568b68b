"""Cut the song that ships: ``python demo_song.py DATA TRACK START_S OUT`` writes eight seconds and its stems."""

from __future__ import annotations

import sys
from pathlib import Path

from hearwhy import audio as sound
from hearwhy.datasets.band.presets import STEMS
from hearwhy.datasets.band.songs import read_song
from hearwhy.types import Recording

PLAYING = ("bass", "drums", "piano", "strings")
DURATION_S = 8


def main(data: str, track: str, start_s: str, out: str) -> None:
    """Write ``mix.flac`` and ``stems/``; the mix is the sum of the stems to the bit, for both lie on 16-bit steps."""
    song = read_song(Path(data) / "test" / track)
    start = round(float(start_s) * song.sample_rate)
    stems = {stem: song.audio[STEMS.index(stem)][None, start : start + DURATION_S * song.sample_rate] for stem in PLAYING}
    for name, audio in stems.items():
        sound.write(Recording(audio, song.sample_rate), Path(out) / "stems" / f"{name}.flac")
    sound.write(Recording(sum(stems.values()), song.sample_rate), Path(out) / "mix.flac")


if __name__ == "__main__":
    main(*sys.argv[1:])
