"""What an insight over features costs beside its bare forward passes, and how far its values are from converged ones.

    python benchmarks/insight_features.py DATA --model conv-lstm:FILE [--split 5] [--limit 40] [--references 6] [--out FOLDER]

Every clip is explained for every class with one fill, the background's mean, as ``hearwhy insight DATA --components
vector:mfcc=40 --target all`` does; FOLDER then holds its explanations, and the command draws them. The time inside the network
is taken while it runs, so that it is that of the very same batches on the very same machine. References are asked about with
``--reference-masks`` other masks; the error is the relative L2 error of a class's values, the median over classes. Appends
rows and goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hearwhy
from hearwhy.insight import Question, Selection, Snippet, Study, read_insight

FIELDS = ("item", "masks", "calls", "seconds", "network_seconds", "stderr", "error", "reference_masks", "reference_stderr")


class Timed(torch.nn.Module):
    """A network that counts what it is asked, and the time that it takes."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network, self.calls, self.seconds = network, 0, 0.0
        self.eval()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        started = time.perf_counter()
        answers = self.network(features)
        self.seconds += time.perf_counter() - started
        self.calls += len(features)
        return answers


@dataclass(frozen=True)
class Asked:
    """The values of one clip, (class, feature), and their standard errors."""

    values: np.ndarray
    stderr: np.ndarray

    @staticmethod
    def of(snippet: Snippet) -> Asked:
        return Asked(*(np.array([getattr(e, name) for e in snippet.explanations]) for name in ("values", "stderr")))

    @property
    def relative(self) -> float:
        """Median over classes of the standard error relative to the values."""
        return float(np.median(norm(self.stderr) / norm(self.values)))

    def error(self, truth: Asked) -> float:
        """Median over classes of the relative error."""
        return float(np.median(norm(self.values - truth.values) / norm(truth.values)))


def norm(rows: np.ndarray) -> np.ndarray:
    return np.linalg.norm(rows, axis=1)


def studied(chosen: Any, *, masks: int, seed: int, timed: Timed | None = None) -> Study:
    model = hearwhy.classifier(chosen.model)
    question = Question(chosen.components, f"kernel_shap(n_samples={masks})", ("all",), seed=seed)
    study = Study(chosen.data, model if timed is None else replace(model, network=timed), question,
                  Selection(split=chosen.split, limit=chosen.limit))  # fmt: skip
    study.called = chosen.model  # so that the command goes on from here
    return study


def first_run(chosen: Any, table: Any) -> None:
    """Explain every clip that was not explained before; a row each."""
    timed = Timed(hearwhy.classifier(chosen.model).network)
    study = studied(chosen, masks=chosen.masks, seed=0, timed=timed)
    at: dict[str, Any] = {"started": time.perf_counter(), "calls": 0, "seconds": 0.0, "n": None}

    def told(n: int, expected: int) -> None:
        now = time.perf_counter()
        if at["n"] is not None and n > at["n"]:
            row = {"masks": chosen.masks, "calls": timed.calls - at["calls"], "seconds": now - at["started"],
                   "network_seconds": timed.seconds - at["seconds"]}  # fmt: skip
            table(row | {"item": study.units[n - 1].item.name})
            print(f"{n}/{expected} {row['calls']} calls, {row['seconds']:.1f} s", flush=True)
        at.update(started=time.perf_counter(), calls=timed.calls, seconds=timed.seconds, n=n)

    study.run(chosen.out, told)


def references(chosen: Any, table: Any, done: set[str]) -> None:
    """Ask about some clips again, with many other masks."""
    found = {snippet.item: Asked.of(snippet) for snippet in read_insight(chosen.out).snippets}
    judge = studied(chosen, masks=chosen.reference_masks, seed=1)
    units = judge.units[:: max(1, len(judge.units) // chosen.references)][: chosen.references] if chosen.references else []
    for unit in units:
        if unit.item.name in done or unit.item.name not in found:
            continue
        truth, own = Asked.of(judge.asker.ask(unit)), found[unit.item.name]
        row = {"masks": chosen.masks, "stderr": own.relative, "error": own.error(truth)}
        table(row | {"item": unit.item.name, "reference_masks": chosen.reference_masks, "reference_stderr": truth.relative})
        print(f"{unit.item.name}: error {row['error']:.3f}, its standard error {row['stderr']:.3f}", flush=True)


def tell(rows: list[dict[str, str]], out: Path) -> None:
    runs, judged = [row for row in rows if row["calls"]], [row for row in rows if row["error"]]
    if runs:
        calls, masks = (sum(int(row[name]) for row in runs) for name in ("calls", "masks"))
        spent, bare = (sum(float(row[name]) for row in runs) for name in ("seconds", "network_seconds"))
        print(f"{len(runs)} clips: {calls} forward passes for {masks} masks of the method, {calls / masks:.3f} x")
        print(f"{spent:.0f} s, {bare:.0f} s of them in the network: {spent / bare:.3f} x; "
              f"{spent / (bare * masks / calls):.3f} x the method's own forward passes")  # fmt: skip
    stderr = statistics.median(Asked.of(snippet).relative for snippet in read_insight(out).snippets)
    print(f"median relative standard error over all clips and classes: {stderr:.3f}")
    if judged:
        errors = [float(row["error"]) for row in judged]
        told = statistics.median(float(row["reference_stderr"]) for row in judged)
        print(f"{len(judged)} clips against {judged[0]['reference_masks']} other masks (their standard error {told:.3f}): "
              f"median error {statistics.median(errors):.3f}, range {min(errors):.3f} to {max(errors):.3f}")  # fmt: skip


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("data", type=Path)
    words.add_argument("--model", required=True)
    words.add_argument("--components", default="vector:mfcc=40")
    words.add_argument("--split")
    words.add_argument("--limit", type=int, default=40)
    words.add_argument("--masks", type=int, default=1000)
    words.add_argument("--references", type=int, default=6)
    words.add_argument("--reference-masks", type=int, default=16_384)
    words.add_argument("--out", type=Path, default=Path("out/insight-features"))
    words.add_argument("--rows", type=Path, default=Path(__file__).parent / "rows" / "insight_features.csv")
    chosen = words.parse_args()
    chosen.rows.parent.mkdir(parents=True, exist_ok=True)
    new = not chosen.rows.is_file()
    with chosen.rows.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, restval="", lineterminator="\n")
        if new:
            writer.writeheader()

        def table(row: dict[str, Any]) -> None:
            writer.writerow({name: f"{x:.5g}" if isinstance(x, float) else x for name, x in row.items()})
            file.flush()

        first_run(chosen, table)
        done = {row["item"] for row in read(chosen.rows) if row["error"]}
        references(chosen, table, done)
    tell(read(chosen.rows), chosen.out)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
