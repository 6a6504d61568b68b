"""Accuracy of the shipped `band` weights on songs that nobody had looked at when they were made.

The recipe of the songs was changed once after a look at test figures (the model card says how), so the card's own test songs
are no longer untouched. ``hearwhy data band --out DATA --songs 300 --seed 1``, then ``python run.py DATA``: writes ``rows.csv``
beside this file.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import hearwhy
from hearwhy.datasets.band.songs import read_split
from hearwhy.training import evaluate_band_cnn

MODELS = ("band", "band:bass", "band:independent")
HERE = Path(__file__).parent


def main() -> None:
    """Evaluate the three models on the test songs of another seed, and write one row a test set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder made by: hearwhy data band --seed 1")
    songs = read_split(parser.parse_args().data, "test")
    figures = {model: evaluate_band_cnn(hearwhy.classifier(model).network, songs, seed=1) for model in MODELS}
    with (HERE / "rows.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["test set", *MODELS])
        for name in figures["band"]:
            row = [name, *(figures[model][name] for model in MODELS)]
            table.writerow(row)
            print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
