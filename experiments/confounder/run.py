"""AudioLIME's confounder experiment (tables 2 and 3, figures 2 and 3), with controls, on `band` songs or Slakh2100.

``python run.py DATA`` trains what is lacking, explains, and writes ``tables.md``, figures and rows into ``--out``; weights
and the rows of every unit lie in ``out/`` there, which git ignores. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from separating import RECIPES, trained_file
from setting import CONFIGURATIONS, Setting
from units import Job, explain_all, measure_models, train_models

HERE = Path(__file__).parent


def main() -> None:
    """Train, explain, and write what was found."""
    options = parsed()
    job = Job(setting_of(options), options.data, options.out / "out")
    told = asdict(job.setting)
    del told["training"]["device"]
    check_folder(told, job.out / "setting.json")
    clock = Clock()
    train_models(job, options.workers)
    clock.tell("training of classifiers")
    job = replace(job, separators=separators(options, job))
    clock.tell("training of separators")
    measure_models(job, options.workers)
    clock.tell("accuracies")
    units = explain_all(job, options.workers)
    clock.tell("explanations")
    from reporting import write_all

    write_all(job, units, options.out)
    clock.tell("tables and figures")


def separators(options: argparse.Namespace, job: Job) -> tuple[tuple[str, Path], ...]:
    """Return the weights of the separators, trained first where none are given or there."""
    asked = {"network": job.setting.separator, "device": options.device, "epochs": options.epochs}
    files = tuple((how, trained_file(how, getattr(options, how), job.data, job.out, asked)) for how in RECIPES)
    told = {how: hashlib.sha256(file.read_bytes()).hexdigest()[:16] for how, file in files}
    check_folder(told, job.out / "separators.json")
    return files


class Clock:
    """Says how long each step took, and how much of that its processes worked."""

    def __init__(self) -> None:
        self._last = self._read()

    def tell(self, what: str) -> None:
        """Print a step with its seconds."""
        now = self._read()
        clock, worked = (after - before for after, before in zip(now, self._last, strict=True))
        print(f"{what}: {clock:.0f} s, {worked:.0f} s of processor time", flush=True)
        self._last = now

    def _read(self) -> tuple[float, float]:
        return time.perf_counter(), sum(os.times()[:4])


def check_folder(told: dict[str, Any], file: Path) -> None:
    """Write down what results are of, or leave where the folder holds results of something else."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != told:
        raise SystemExit(f"{file.parent} holds results of other settings ({file.name}); give another --out.")
    file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def parsed() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="band songs (hearwhy data band) or Slakh2100")
    parser.add_argument("--config", choices=tuple(CONFIGURATIONS), default="cpu")
    parser.add_argument("--runs", type=int, help="confounded networks other than the configuration's")
    parser.add_argument("--ova", type=Path, metavar="FILE", help="trained separator; none: one is trained")
    parser.add_argument("--cerberus", type=Path, metavar="FILE", help="likewise")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=2, help="processes side by side, one thread each; 1 on a GPU")
    parser.add_argument("--seconds", type=float, help="only so much of each song, where memory is short (Slakh2100)")
    parser.add_argument("--limit", type=int, help="only so many songs of each split: for trials")
    parser.add_argument("--untrained", type=int, default=10, help="networks without training")
    parser.add_argument("--epochs", type=int, help="at most so many, of separators too: for trials")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    if options.device != "cpu":
        options.workers = 1
    return options


def setting_of(options: argparse.Namespace) -> Setting:
    """Return what the configuration asks, changed by the command line."""
    setting = CONFIGURATIONS[options.config]
    training = replace(setting.training, device=options.device, epochs=options.epochs or setting.training.epochs)
    runs = options.runs or setting.runs
    controls = min(setting.control_runs, runs)
    return replace(
        setting, training=training, runs=runs, control_runs=controls, n_untrained=options.untrained, limit=options.limit,
        seconds=options.seconds,
    )  # fmt: skip


if __name__ == "__main__":
    main()
