"""How often the models are right, over whole folds: table I and the accuracies of tables IV to VI."""

from __future__ import annotations

import csv
from pathlib import Path

import torch
from asking import NOISES, SNR_DB, TEST, VALIDATION, Setting

from hearwhy import audio as sound
from hearwhy.datasets.esc50 import Clip, Esc50, read_esc50
from hearwhy.evaluate.conditions import Condition
from hearwhy.evaluate.work import load_model

PUBLISHED = {
    ("stft", "clean", "train"): 87.58, ("stft", "clean", "validation"): 79.50, ("stft", "clean", "test"): 78.00,
    ("mel", "clean", "train"): 97.00, ("mel", "clean", "validation"): 93.25, ("mel", "clean", "test"): 92.25,
    ("mel", "white", "test"): 64.25, ("mel", "room", "test"): 84.50, ("mel", "horse", "test"): 73.00,
}  # fmt: skip
"""Per cent right, of ESC-50's 50 classes."""


def accuracies(setting: Setting, data: Path, noises: Path, out: Path) -> list[dict[str, object]]:
    """Return accuracy by model, condition and part of the data, written to ``accuracy.csv`` as well; asked only once."""
    file = out / "accuracy.csv"
    if not file.exists():
        rows = _asked(setting, read_esc50(data), noises)
        with file.open("w", newline="", encoding="utf-8") as handle:
            table = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
    with file.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def _asked(setting: Setting, dataset: Esc50, noises: Path) -> list[dict[str, object]]:
    train = tuple(fold for fold in dataset.folds if fold not in (VALIDATION, TEST))
    parts = {"train": dataset.of_folds(*train), "validation": dataset.of_folds(VALIDATION), "test": dataset.of_folds(TEST)}
    rows: list[dict[str, object]] = []
    for (features, condition, part), published in PUBLISHED.items():
        if features not in setting.models:
            continue
        clips = parts[part][: setting.limit]
        noise = Condition() if condition == "clean" else Condition(condition, noises / NOISES[condition], SNR_DB)
        right = _n_right(setting, features, clips, noise)
        rows.append({
            "features": features, "condition": condition, "part": part, "n_clips": len(clips),
            "accuracy": f"{100 * right / len(clips):.2f}", "published": published,
        })  # fmt: skip
    return rows


def _n_right(setting: Setting, features: str, clips: tuple[Clip, ...], noise: Condition) -> int:
    classifier = load_model(setting.models[features], setting.device)
    length, right = round(classifier.window_s * classifier.sample_rate), 0
    for clip in clips:
        heard = noise.of(sound.load(clip.path))
        audio = sound.resample(sound.remix(heard.audio, 1), heard.sample_rate, classifier.sample_rate)[:, :length]
        audio = torch.nn.functional.pad(audio, (0, length - audio.shape[1]))
        with torch.inference_mode():
            given = classifier.features(audio[None])
            answer = classifier.answers(given.to(setting.device))[0].argmax()
        right += classifier.labels[int(answer)].replace("_", " ") == clip.category.replace("_", " ")
    return right
