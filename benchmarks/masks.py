"""What the seven metrics of the 14 published masks cost over the bare forward passes of the same batches.

    python benchmarks/masks.py [--model esc10-small] [--pairs 9] [--audio FILE]

One map of one recording: masks made, applied, asked about, and measured (the seven metrics of each), against the network
alone given the very batches that were asked. Each pair runs both, one after the other, in alternating order; the ratio is
taken within a pair, so that a busy machine hits both. No more than 29 spectrograms may be asked: X, and each mask's two.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch

import hearwhy
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.evaluate.answering import Asked, ask_masks
from hearwhy.evaluate.maps import Scene
from hearwhy.masking import ask_features
from hearwhy.masks import PAPER_MASKS
from hearwhy.metrics import evaluate

MODEL_METRICS = ("ff", "ai", "ad", "ag", "fid_in")


class Recorder(torch.nn.Module):
    """A network that keeps the batches it was given."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network, self.batches = network, []

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        self.batches.append(given.clone())
        return self.network(given)


def network_of(name: str) -> SpectrogramClassifier:
    """A classifier by name; of a PANNs network by its own, with weights drawn anew: time does not hang on them."""
    if not name.startswith("cnn"):
        return hearwhy.classifier(name)
    from hearwhy.classifiers.cnn14 import FRONT_ENDS, WINDOW_S, fresh_network

    kind, _, front_end = name.partition(":")
    network, labels = fresh_network(kind, front_end or "mel", 50).eval(), tuple(f"label {i}" for i in range(50))
    front = FRONT_ENDS[front_end or "mel"]
    return SpectrogramClassifier(front, network, labels, layout="batch freq frame", window_s=WINDOW_S, name=name)


def scene_of(model: SpectrogramClassifier, audio: Path | None) -> Scene:
    """The recording, or five seconds of noise."""
    noise = 0.1 * torch.randn(1, 5 * 32_000, generator=torch.Generator().manual_seed(0))
    recording = hearwhy.load(audio) if audio else hearwhy.Recording(noise, 32_000, "noise")
    return Scene.of(recording, model, device="cpu", batch_size=16)


def seconds_of(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--model", default="esc10-small")
    words.add_argument("--pairs", type=int, default=9)
    words.add_argument("--audio", type=Path)
    chosen = words.parse_args()
    model = network_of(chosen.model)
    scene = scene_of(model, chosen.audio)
    values = torch.randn(scene.spectrum.features.shape, generator=torch.Generator().manual_seed(1))
    asked = Asked(PAPER_MASKS, [(name, "") for name in PAPER_MASKS], [], "corrected", 0)

    def measured(scene: Scene) -> None:
        features = scene.spectrum.features[None]
        logits = ask_features(scene.classifier, features, device="cpu")
        rows = ask_masks(scene, values, asked)  # sps and comp are in it
        given = {name: torch.stack([row.logits[name] for row in rows])[None] for name in ("logits_in", "logits_out")}
        evaluate({"logits": logits, **given}, MODEL_METRICS)

    recorder = Recorder(model.network)
    measured(replace(scene, classifier=replace(model, network=recorder.eval())))
    n_passes = sum(len(batch) for batch in recorder.batches)

    def bare() -> None:
        with torch.inference_mode():
            for batch in recorder.batches:
                model.network(batch)

    both = [("bare", bare), ("hearwhy", lambda: measured(scene))]
    bare(), measured(scene)  # warm up
    pairs = [{name: seconds_of(work) for name, work in both[:: 1 if i % 2 else -1]} for i in range(chosen.pairs)]
    ratios = [pair["hearwhy"] / pair["bare"] for pair in pairs]
    item = statistics.median(pair["bare"] for pair in pairs) / n_passes * 1000
    print(f"{chosen.model}: {len(PAPER_MASKS)} masks, {n_passes} forward passes (at most 29), {item:.2f} ms a bare one")
    span = f"range {min(ratios):.3f} to {max(ratios):.3f} ({len(pairs)} pairs)"
    print(f"hearwhy / bare: median {statistics.median(ratios):.3f}, {span}")
    of_all = statistics.median(ratios) * n_passes / 29
    print(f"hearwhy / 29 bare passes: median {of_all:.3f} (masks that are alike are asked once)")
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")


if __name__ == "__main__":
    main()
