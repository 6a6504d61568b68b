"""A classifier as a user would bring it: scikit-learn on log-mel statistics, trained on ESC-10, explained through `py:`.

    python examples/esc10_classifier.py ESC-10-FOLDER          # trains on folds 1-3, prints the accuracy on fold 5
    cd examples; hearwhy explain DOG.ogg --model py:esc10_classifier:predict --components bands:8

ESC-10-FOLDER has ESC-50's layout: `meta/esc50.csv` and `audio/`.
"""

import csv
import json
import sys
from pathlib import Path

import librosa
import numpy as np
import torch

FILE = Path(__file__).with_name("esc10_classifier.json")  # weights are numbers in JSON: nothing is unpickled
RATE, N_MELS = 22050, 40


def features(audio: np.ndarray) -> np.ndarray:
    """Mean and spread over time of each log-mel band, and of its change."""
    mel = librosa.feature.melspectrogram(y=audio, sr=RATE, n_mels=N_MELS, n_fft=2048, hop_length=512)
    log = np.log1p(1e4 * mel)
    change = np.abs(np.diff(log, axis=1))
    return np.concatenate([log.mean(1), log.std(1), change.mean(1), np.quantile(log, 0.95, axis=1)])


def predict(audio: torch.Tensor) -> np.ndarray:
    """Logits (batch, label) of audio (batch, channel, time)."""
    kept = json.loads(FILE.read_text())
    rows = np.stack([features(clip.mean(0)) for clip in audio.numpy()])
    rows = (rows - np.array(kept["mean"])) / np.array(kept["scale"])
    return rows @ np.array(kept["weights"]).T + np.array(kept["bias"])


predict.sample_rate = RATE
predict.labels = tuple(json.loads(FILE.read_text())["labels"]) if FILE.exists() else ("train it first",)


def train(folder: Path) -> None:
    """Train on folds 1-3 of ESC-10, print the accuracy on folds 4 and 5, keep the weights beside this file."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    with (folder / "meta" / "esc50.csv").open() as file:
        clips = list(csv.DictReader(file))
    rows = np.stack([features(librosa.load(folder / "audio" / clip["filename"], sr=RATE)[0]) for clip in clips])
    names, folds = np.array([clip["category"] for clip in clips]), np.array([int(clip["fold"]) for clip in clips])
    learn = folds <= 3
    scaler = StandardScaler().fit(rows[learn])
    model = LogisticRegression(C=0.05, max_iter=2000).fit(scaler.transform(rows[learn]), names[learn])
    for fold in (4, 5):
        accuracy = model.score(scaler.transform(rows[folds == fold]), names[folds == fold])
        print(f"fold {fold}: accuracy {accuracy:.3f} on {int((folds == fold).sum())} clips")
    kept = {"labels": list(model.classes_), "mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist(),
            "weights": model.coef_.tolist(), "bias": model.intercept_.tolist()}  # fmt: skip
    FILE.write_text(json.dumps(kept))


if __name__ == "__main__":
    train(Path(sys.argv[1]))
