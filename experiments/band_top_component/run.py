"""Which component carries the decision? Counted over unseen `band` songs, beside two answers that know nothing.

Every test song's first eight seconds as piano, drums, bass and strings (no guitar: the confounding set), explained for the
class that the model says. ``python run.py DATA`` writes ``rows.csv`` and ``table.md`` beside this file.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import hearwhy
from hearwhy import audio as sound
from hearwhy.components.sources import sources
from hearwhy.datasets.band.presets import STEMS
from hearwhy.datasets.band.songs import Stems, read_split
from hearwhy.types import Recording

PLAYING = ("piano", "drums", "bass", "strings")
MODELS = ("band", "band:bass", "band:independent")
METHODS = ("shapley", "kernel_shap", "lime")
BLIND = ("energy only", "random")
DURATION_S = 8.0
HERE = Path(__file__).parent


def main() -> None:
    """Explain, count and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder made by: hearwhy data band")
    parser.add_argument("--limit", type=int, default=100, help="how many test songs")
    parser.add_argument("--out", type=Path, default=HERE, help="where rows.csv and table.md go")
    options = parser.parse_args()
    songs = read_split(options.data, "test", limit=options.limit)
    rows = [row for number, song in enumerate(songs) for row in explain_song(number, song)]
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (options.out / "table.md").write_text(table(rows), encoding="utf-8")


def explain_song(number: int, song: Stems) -> Iterator[dict[str, object]]:
    """Yield one row per model and method: what the model says, and which component is named."""
    recording, stems = cut(song)
    loudest = max(stems, key=lambda stem: sound.level_db(stems[stem]))
    guess = PLAYING[np.random.default_rng([0, number]).integers(len(PLAYING))]  # a song's guess depends on it alone
    parts = sources(recording, stems)
    for model in MODELS:
        classifier = hearwhy.classifier(model)
        common: dict[str, object] = {}
        for method in METHODS:
            found = hearwhy.explain(classifier, recording, components=parts, target="top", method=method)
            top = found.top()
            best = int(found.probabilities.argmax())
            common = {"song": song.name, "model": model, "says": found.labels[best]}
            common["probability"] = f"{float(found.probabilities[best]):.4f}"
            values = dict(zip(found.names, found.values[0].tolist(), strict=True))
            named = "nothing present" if top is None else found.names[top]
            yield {**common, "method": method, "top": named, **{stem: f"{values[stem]:.4f}" for stem in PLAYING}}
        for method, top_stem in zip(BLIND, (loudest, guess), strict=True):
            yield {**common, "method": method, "top": top_stem, **dict.fromkeys(PLAYING, "")}


def cut(song: Stems) -> tuple[Recording, dict[str, object]]:
    """Return the first eight seconds of the confounding mix, and its stems."""
    length = round(DURATION_S * song.sample_rate)
    stems = {stem: song.audio[STEMS.index(stem), :length][None] for stem in PLAYING}
    mix = sum(stems.values())
    return Recording(mix, song.sample_rate, name=song.name), stems


def table(rows: list[dict[str, object]]) -> str:
    """Return counts of the top component, agreement of the methods and what the models say, as Markdown."""
    names = (*PLAYING, "nothing present")
    lines = ["| model | method | songs | " + " | ".join(names) + " |", "|---|---|---|" + "---|" * len(names)]
    for model in MODELS:
        for method in (*METHODS, *BLIND):
            counts = Counter(row["top"] for row in rows if row["model"] == model and row["method"] == method)
            cells = " | ".join(str(counts[name]) for name in names)
            lines.append(f"| {model} | {method} | {counts.total()} | {cells} |")
    lines += ["", "| model | says guitar | all three methods name the same component |", "|---|---|---|"]
    for model in MODELS:
        mine = [row for row in rows if row["model"] == model]
        songs = sorted({str(row["song"]) for row in mine})
        tops = [{row["top"] for row in mine if row["song"] == song and row["method"] in METHODS} for song in songs]
        guitars = sum(row["says"] == "guitar" for row in mine if row["method"] == METHODS[0])
        lines.append(f"| {model} | {guitars} of {len(songs)} | {sum(len(top) == 1 for top in tops)} of {len(songs)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
