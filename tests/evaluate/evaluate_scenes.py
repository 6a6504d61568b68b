"""A tiny dataset in ESC-50's layout, and tiny networks whose answer is known."""

from __future__ import annotations

import csv
import math
import sqlite3
from pathlib import Path

import torch

from hearwhy import audio as sound
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.front_ends import LogStft
from hearwhy.types import Recording

RATE = 2000
FRONT = LogStft(sample_rate=RATE, n_fft=64, hop_length=32)  # 33 x 63 for a second
LABELS = ("low", "high")
TONES = {"low": 250.0, "high": 750.0}  # bins 8 and 24
BURST_S = (0.3, 0.5)


def burst(category: str, *, seed: int = 0, seconds: float = 1.0) -> Recording:
    """A tone of a fifth of a second in faint noise."""
    time = torch.arange(round(seconds * RATE)) / RATE
    gate = ((time >= BURST_S[0]) & (time < BURST_S[1])).float()
    hiss = 0.001 * torch.randn(len(time), generator=torch.Generator().manual_seed(seed))
    return Recording((0.3 * gate * torch.sin(2 * math.pi * TONES[category] * time) + hiss)[None], RATE, f"{category} {seed}")


def dataset(root: Path, *, folds: int = 3, per_class: int = 2) -> Path:
    """Clips of both classes in every fold, two clips a source."""
    (root / "meta").mkdir(parents=True)
    rows = []
    for fold in range(1, folds + 1):
        for target, category in enumerate(LABELS):
            for i in range(per_class):
                name = f"{fold}-{fold}{target}{i // 2}-{'AB'[i % 2]}{i}-{target}.wav"
                rows.append((name, fold, target, category))
                sound.write(burst(category, seed=100 * fold + 10 * target + i), root / "audio" / name)
    with (root / "meta" / "esc50.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("filename", "fold", "target", "category"), *rows])
    return root


class Detector(torch.nn.Module):
    """Which of the two tones is there: the mean level of each tone's bins, seen through a convolution with a grid."""

    def __init__(self) -> None:
        super().__init__()
        self.smooth = torch.nn.Conv2d(1, 2, (5, 3), padding=(2, 1), bias=False)
        self.level = torch.nn.Sequential(torch.nn.ReLU())
        with torch.no_grad():
            self.smooth.weight.fill_(1 / 15)
        rows = torch.zeros(2, 33)
        rows[0, 6:11] = rows[1, 22:27] = 0.1
        self.register_buffer("rows", rows)
        self.eval()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        loud = self.level(self.smooth((features + 100) / 100))  # (batch, 2, freq, frame)
        return 8 * torch.einsum("bkft,kf->bk", loud, self.rows) / features.shape[-1] * 4


def detector(**options: object) -> SpectrogramClassifier:
    return SpectrogramClassifier(FRONT, Detector(), LABELS, window_s=1.0, name="detector", **options)


def contents(path: Path) -> dict[str, list[tuple]]:
    """All rows by what they are called, without how long they took."""
    file = sqlite3.connect(path)
    unit = "recordings.name, conditions.name, models.fingerprint, protocol, questions.method"
    joins = (
        "JOIN recordings ON recordings.id = units.recording JOIN conditions ON conditions.id = units.condition "
        "JOIN questions ON questions.id = units.question JOIN models ON models.id = questions.model"
    )
    asked = {
        "recordings": "SELECT name, fold, category, source, fingerprint FROM recordings",
        "answers": "SELECT recordings.name, conditions.name, models.fingerprint, target, logits, silence, rounded FROM answers "
        "JOIN recordings ON recordings.id = recording JOIN conditions ON conditions.id = condition "
        "JOIN models ON models.id = model",
        "units": f"SELECT {unit}, target, map, n_freq, n_frames, n_calls FROM units {joins}",
        "masks": f"SELECT {unit}, mask, control, logits_in, logits_out, heard_in, heard_out, area, sps, comp, si_sdr, "
        f"log_spectral_distance FROM masks JOIN units ON units.id = unit {joins}",
        "problems": "SELECT recordings.name, condition, method, problem FROM problems JOIN recordings ON id = recording",
    }
    found = {table: sorted(file.execute(query).fetchall(), key=repr) for table, query in asked.items()}
    file.close()
    return found
