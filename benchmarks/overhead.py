"""What asking about distinct masks costs over the bare forward passes of the very same batches.

    python benchmarks/overhead.py [--pairs 7] [--masks 1000] [--out benchmarks/overhead.csv]

Networks that take about 0.5 and 5 ms an item (a stack of convolutions, as deep as that takes here) are asked about parts of two
seconds of sound (8, 16 and 35 of them) and about 40 cells of a spectrogram. The bare run gets the batches that hearwhy's run
made, already mixed. Each pair runs both, one after the other, in alternating order; the ratio is taken within a pair, so that a
busy machine hits both. The peak is what resident memory rises to above where it stood before, on Linux.
"""

from __future__ import annotations

import argparse
import csv
import gc
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import hearwhy
from hearwhy.asking import Predict
from hearwhy.classifiers.callable import CallableClassifier
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.front_ends import LogMel
from hearwhy.scoring import TargetScore

RATE, SECONDS = 16_000, 2.0
AUDIO = {8: "bands:8", 16: "bands:16", 35: "bands:5 * segments:7"}
CELLS = "cells:tiles=5x8"
FRONT_END = LogMel(RATE, 1024, 512, 64)


class Stack(nn.Module):
    """A stack of equal convolutions, as deep as it is told: how long an item takes is set by the depth."""

    def __init__(self, depth: int, *, of_sound: bool) -> None:
        super().__init__()
        self.stem = nn.Conv1d(1, 32, 64, 32) if of_sound else nn.Conv2d(1, 32, 3, 2)
        layer = nn.Conv1d(32, 32, 3, padding=1) if of_sound else nn.Conv2d(32, 32, 3, padding=1)
        self.depth, self.layer, self.head = depth, layer, nn.Linear(32, 10)

    def forward(self, given: Tensor) -> Tensor:
        held = self.stem(given)
        for _ in range(self.depth):
            held = torch.relu(self.layer(held))
        return self.head(held.flatten(2).mean(2))


@dataclass(frozen=True)
class Case:
    """A network and what it is asked about; `kept` holds the batches that it is given while it is told to keep them."""

    name: str
    classifier: hearwhy.Classifier
    network: nn.Module
    parts: object
    masks: Tensor

    def asked(self) -> None:
        TargetScore(Predict(self.classifier, self.parts), ["0"])(self.masks)

    def batches(self) -> list[Tensor]:
        """Return what the network is given when hearwhy asks."""
        kept: list[Tensor] = []
        handle = self.network.register_forward_pre_hook(lambda module, given: kept.append(given[0].clone()))
        self.asked()
        handle.remove()
        return kept


def noise() -> hearwhy.Recording:
    generator = torch.Generator().manual_seed(0)
    return hearwhy.Recording(0.1 * torch.randn(1, round(SECONDS * RATE), generator=generator), RATE, "noise")


def seconds_of(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds of the clock and of the processors."""
    start, at_work = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - at_work


def network(item_ms: float, *, of_sound: bool) -> nn.Module:
    """Return a stack that takes about so long an item, in batches of 16."""
    given = torch.zeros(16, 1, round(SECONDS * RATE)) if of_sound else torch.zeros(16, 1, 64, 63)
    torch.manual_seed(0)
    stack = Stack(1, of_sound=of_sound).eval()
    with torch.inference_mode():
        while min(seconds_of(lambda: stack(given))[0] for _ in range(5)) < 16 * item_ms / 1000:
            stack.depth += 1 + stack.depth // 20
    return stack


def case(item_ms: float, d: int | None, n_masks: int) -> Case:
    stack, labels = network(item_ms, of_sound=d is not None), tuple(map(str, range(10)))
    if d is None:
        classifier: hearwhy.Classifier = SpectrogramClassifier(FRONT_END, stack, labels, window_s=SECONDS)
        parts = hearwhy.components(CELLS, noise(), classifier=classifier)
    else:
        classifier = CallableClassifier(stack, RATE, labels, window_s=SECONDS)
        parts = hearwhy.components(AUDIO[d], noise())
    flat = torch.rand(8 * n_masks, len(parts.names), generator=torch.Generator().manual_seed(1)) < 0.5
    masks = flat.unique(dim=0)
    masks = masks[torch.randperm(len(masks), generator=torch.Generator().manual_seed(2))[:n_masks]]
    what = "cells" if d is None else f"audio {d}"
    return Case(f"{item_ms:g} ms, {what}", classifier, stack, parts, masks.reshape(-1, *parts.shape))


def peak_mb(work: Callable[[], None]) -> float:
    """How far resident memory rises above where it stood; NaN where the system does not tell."""
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not clear.exists():
        work()
        return float("nan")

    def of(word: str) -> float:
        return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith(word))

    gc.collect()
    clear.write_text("5")
    before = of("VmRSS:")
    work()
    return of("VmHWM:") - before


def measured(case: Case, pairs: int) -> list[dict[str, object]]:
    batches = case.batches()

    def bare() -> None:
        with torch.inference_mode():
            for batch in batches:
                case.network(batch)

    bare(), case.asked()  # warm up
    rows = []
    for pair in range(pairs):
        order = [("bare", bare), ("hearwhy", case.asked)]
        times = {name: seconds_of(work) for name, work in (order if pair % 2 == 0 else order[::-1])}
        (bare_s, bare_cpu_s), (hearwhy_s, hearwhy_cpu_s) = times["bare"], times["hearwhy"]
        rows.append({
            "case": case.name, "masks": len(case.masks), "batches": len(batches), "threads": torch.get_num_threads(),
            "pair": pair, "bare_s": bare_s, "hearwhy_s": hearwhy_s, "ratio": hearwhy_s / bare_s,
            "cpu_ratio": hearwhy_cpu_s / bare_cpu_s,
        })  # fmt: skip
    peaks = {"bare_peak_mb": peak_mb(bare), "hearwhy_peak_mb": peak_mb(case.asked)}
    return [row | peaks for row in rows]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--pairs", type=int, default=7)
    words.add_argument("--masks", type=int, default=1000)
    words.add_argument("--items-ms", type=float, nargs="+", default=[0.5, 5.0])
    words.add_argument("--out", type=Path)
    chosen = words.parse_args()
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print("case | masks | ms a bare pass | hearwhy / bare: median (range) | of processor time | peak MB: bare, hearwhy")
    for item_ms in chosen.items_ms:
        for d in (*AUDIO, None):
            rows = measured(case(item_ms, d, chosen.masks), chosen.pairs)
            item = statistics.median(row["bare_s"] for row in rows) / rows[0]["masks"] * 1000
            peaks = f"{rows[0]['bare_peak_mb']:.0f}, {rows[0]['hearwhy_peak_mb']:.0f}"
            told = f"{rows[0]['case']} | {rows[0]['masks']} | {item:.2f} | {span(rows, 'ratio')} | {span(rows, 'cpu_ratio')}"
            print(f"{told} | {peaks}", flush=True)
            if chosen.out:
                keep(chosen.out, rows)


def span(rows: list[dict[str, object]], column: str) -> str:
    ratios = [row[column] for row in rows]
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


def keep(path: Path, rows: list[dict[str, object]]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        if new:
            table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()
