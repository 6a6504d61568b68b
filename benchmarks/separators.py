"""How close separators come to the true stems of a data set, as a table in Markdown.

    hearwhy data band --out BAND --songs 30
    python benchmarks/separators.py BAND --split test --songs 10 --separators "hpss repet nmf=8 ova=FILE.safetensors"

For every stem of every song: SI-SDR of the part that is called like it, or, where none is, of the part nearest to it, which
is chosen by the truth and so an upper bound; and how much that is above the mix itself. Means over songs whose stem plays.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from hearwhy.datasets import read
from hearwhy.datasets.items import Item
from hearwhy.metrics.separation import si_sdr, si_sdr_improvement
from hearwhy.separators import separate

Row = tuple[str, str, float, float]


def rows(song: Item, what: str, seconds: float) -> Iterator[Row]:
    """Yield stem, part, SI-SDR and its improvement, in dB, of one song."""
    mix, stems = song.load(duration_s=seconds), song.stems(duration_s=seconds)
    assert stems is not None, f"the stems of {song.name} are not known"
    parts = separate(mix, what)
    for name, stem in stems.items():
        near = name if name in parts else max(parts, key=lambda part: si_sdr(parts[part], stem.audio))
        gained = si_sdr_improvement(parts[near], stem.audio, mix.audio)
        if not math.isnan(gained):
            yield name, near.partition(" (")[0], si_sdr(parts[near], stem.audio), gained


def main() -> None:
    """Separate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default=None)
    parser.add_argument("--songs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--separators", default="hpss repet nmf=8")
    given = parser.parse_args()
    songs = read(given.data, split=given.split).items[: given.songs]
    print(
        "| separator | stem | nearest part | SI-SDR | above the mix | lowest, highest | songs |\n|---|---|---|---|---|---|---|"
    )
    for what in given.separators.split():
        found: dict[str, list[Row]] = defaultdict(list)
        for song in songs:
            for row in rows(song, what, given.seconds):
                found[row[0]].append(row)
        for stem, some in found.items():
            parts = ", ".join(f"{part} ({n})" for part, n in Counter(part for _, part, _, _ in some).most_common(2))
            near, gained = statistics.mean(row[2] for row in some), [row[3] for row in some]
            least, mean, most = min(gained), statistics.mean(gained), max(gained)
            print(f"| {what} | {stem} | {parts} | {near:.1f} dB | {mean:+.1f} dB | {least:+.1f}, {most:+.1f} | {len(some)} |")


if __name__ == "__main__":
    main()
