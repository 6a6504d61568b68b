"""What asking about 1000 distinct masks of 35 components costs over the bare forward passes of the same mixed batches.

    python benchmarks/overhead.py [--pairs 7] [--masks 1000] [--out benchmarks/overhead.csv]

Each pair runs both, one after the other, in alternating order; the ratio is taken within a pair, so that a busy machine hits
both. The bare run gets the very batches that hearwhy's run made, already mixed.
"""

from __future__ import annotations

import argparse
import csv
import platform
import statistics
import time
from pathlib import Path

import torch

import hearwhy
from hearwhy.asking import Predict
from hearwhy.scoring import TargetScore


class Recorder:
    """A classifier that keeps the batches it was given."""

    def __init__(self, classifier: hearwhy.Classifier) -> None:
        self.classifier, self.batches = classifier, []
        for name in ("sample_rate", "channels", "labels", "activation", "window_s", "fingerprint"):
            setattr(self, name, getattr(classifier, name))

    def __call__(self, audio: torch.Tensor) -> torch.Tensor:
        self.batches.append(audio.clone())
        return self.classifier(audio)


def recording(seconds: float, rate: int) -> hearwhy.Recording:
    generator = torch.Generator().manual_seed(0)
    return hearwhy.Recording(0.1 * torch.randn(1, round(seconds * rate), generator=generator), rate, "noise")


def seconds_of(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--model", default="band")
    words.add_argument("--pairs", type=int, default=7)
    words.add_argument("--masks", type=int, default=1000)
    words.add_argument("--out", type=Path)
    chosen = words.parse_args()
    model = hearwhy.classifier(chosen.model)
    parts = hearwhy.components("bands:5 * segments:7", recording(model.window_s or 2.0, model.sample_rate))
    masks = torch.rand(4 * chosen.masks, *parts.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    masks = masks.unique(dim=0)[torch.randperm(4 * chosen.masks, generator=torch.Generator().manual_seed(2))[: chosen.masks]]
    recorder = Recorder(model)
    TargetScore(Predict(recorder, parts), [model.labels[0]])(masks)

    def bare() -> None:
        with torch.inference_mode():
            for batch in recorder.batches:
                model(batch)

    def asked() -> None:
        TargetScore(Predict(model, parts), [model.labels[0]])(masks)

    bare(), asked()  # warm up
    rows = []
    for pair in range(chosen.pairs):
        order = [("bare", bare), ("hearwhy", asked)]
        times = {name: seconds_of(work) for name, work in (order if pair % 2 == 0 else order[::-1])}
        rows.append({**times, "ratio": times["hearwhy"] / times["bare"]})
    ratios = [row["ratio"] for row in rows]
    item = statistics.median(row["bare"] for row in rows) / chosen.masks * 1000
    print(f"{chosen.model}: {chosen.masks} masks of {len(parts.names)} components, {item:.2f} ms a bare forward pass")
    span = f"range {min(ratios):.3f} to {max(ratios):.3f} ({len(rows)} pairs)"
    print(f"hearwhy / bare: median {statistics.median(ratios):.3f}, {span}")
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    if chosen.out:
        with chosen.out.open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)


if __name__ == "__main__":
    main()
