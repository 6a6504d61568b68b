"""Networks: trained by the recipe where none are given, and how many clips each is right about."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from clips import cut_band, tutorial_split
from setting import Setting
from working import Rows, say

import hearwhy
from hearwhy import audio as sound
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.datasets.items import Item
from hearwhy.datasets.reading import read
from hearwhy.datasets.splitting import split
from hearwhy.training import train

NETWORKS = {"ours": "ESC-10, split by source", "paper": "ESC-10, the tutorial's split", "band": "band, five instruments"}
"""What each network learnt from."""


@dataclass(frozen=True)
class Place:
    """Where the data and the results lie, and weights that were trained before."""

    esc10: Path
    band: Path
    out: Path
    given: dict[str, Path]

    def weights(self, name: str) -> Path:
        """Return the weights of a network."""
        return self.given.get(name) or self.out / f"{name}.safetensors"


def train_all(place: Place, setting: Setting) -> None:
    """Train what is lacking, as ``hearwhy train conv-lstm DATA --out FILE [--protocol paper]`` does."""
    cut_band(place.band, place.out / "band", limit=setting.songs)
    data = {"ours": place.esc10, "paper": place.esc10, "band": place.out / "band" / "songs"}
    epochs = {"ours": setting.epochs, "paper": setting.epochs, "band": setting.band_epochs}
    for name in NETWORKS:
        file = place.weights(name)
        if not file.exists():
            options = {"protocol": "paper" if name == "paper" else "ours", "epochs": epochs[name],
                       "resume": file.with_suffix(".state").exists()}  # fmt: skip
            figures = train("conv-lstm", data[name], file, options=options)
            say(f"{name} trained: {figures}")


def curves(place: Place) -> dict[str, dict[str, object]]:
    """Return what every weights file says of its training."""
    return {name: json.loads(place.weights(name).with_suffix(".json").read_text(encoding="utf-8")) for name in NETWORKS}


def score_rows(place: Place, name: str) -> dict[str, Rows]:
    """Return how often each class of a set was taken for which, for each set that tells something."""
    model = hearwhy.classifier(f"conv-lstm:{place.weights(name)}")
    rows: Rows = []
    for called, items in sets_of(place, name).items():
        said = Counter((str(item.label), answer) for item, answer in zip(items, answers(model, items), strict=True))
        rows += [{"network": name, "set": called, "is_a": is_a, "said": said_, "clips": n} for (is_a, said_), n in
                 sorted(said.items())]  # fmt: skip
    return {"scores": rows}


def sets_of(place: Place, name: str) -> dict[str, Sequence[Item]]:
    """Return the clips that nothing was learnt from; of the tutorial's, those apart whose source was learnt from."""
    if name == "ours":
        return {"test (fold 5)": read(place.esc10, split="5").items}
    if name == "paper":
        learnt, test = tutorial_split(place.esc10)
        known = {item.group for item in learnt}
        return {
            "test (chose the epoch)": test,
            "test, source learnt from": [item for item in test if item.group in known],
            "test, source unknown": [item for item in test if item.group not in known],
        }
    parts = split(read(place.out / "band" / "songs"), test=0.2, validation=0.16, seed=0)  # as the recipe with seed 0
    return {"test (other songs)": parts["test"], "other songs of other sounds": read(place.out / "band" / "fresh").items}


@torch.inference_mode()
def answers(model: SpectrogramClassifier, items: Sequence[Item]) -> list[str]:
    """Return the label that the model says of every clip."""
    heard = [sound.convert(item.load(), model.sample_rate, 1).audio[None] for item in items]
    return [model.labels[int(model(audio).argmax())] for audio in heard]
