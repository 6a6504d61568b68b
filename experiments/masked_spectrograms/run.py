"""Masked spectrograms on ESC-10 (or ESC-50): four methods, fourteen masks and controls, clean and with three noises.

``python run.py ESC10 --noises DIR`` asks everything, or goes on where it was stopped, and writes ``rows.csv.gz``,
``accuracy.csv``, ``tables.md`` and ``figure_2.png`` into ``--out``; the answers themselves (SQLite) and sounds go into ``out/``
there, which git ignores.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from asking import SMALL, Setting, ask_all

HERE = Path(__file__).parent


def main() -> None:
    """Ask, and write what was found."""
    options = parsed()
    setting = setting_of(options)
    check_folder(setting, options.out / "out")
    started = time.perf_counter()
    for a_round, summary in ask_all(setting, options.data, options.noises, options.out / "out", jobs=options.jobs):
        lacking = f", {len(summary.problems)} problems, the first: {summary.problems[0]}" if summary.problems else ""
        print(f"{a_round}: {summary.n_units} units, {summary.n_before} from before{lacking}", *summary.warnings, flush=True)
    print(f"asking took {time.perf_counter() - started:.0f} s with {options.jobs} jobs", flush=True)
    from reporting import write_all

    write_all(setting, options.data, options.noises, options.out, options.published)
    print(f"everything took {time.perf_counter() - started:.0f} s", flush=True)


def check_folder(setting: Setting, out: Path) -> None:
    """Write down what is asked into a folder of answers, or leave where it holds answers to something else."""
    out.mkdir(parents=True, exist_ok=True)
    told = {key: value for key, value in asdict(setting).items() if key != "device"}
    file = out / "setting.json"
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != told:
        raise SystemExit(f"{out} holds answers to other settings ({file.name}); give another --out.")
    file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def parsed() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder in ESC-50's layout: meta/esc50.csv and audio/")
    parser.add_argument("--noises", type=Path, required=True, help="folder with the paper's three backgrounds")
    parser.add_argument("--published", type=Path, help="the published rows (CSV), to stand beside ours")
    parser.add_argument("--config", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--models", type=Path, nargs=2, metavar=("MEL", "STFT"), help="cnn14 weights, for --config full")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jobs", type=int, default=2, help="rounds side by side, one thread each; 1 on a GPU")
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument(
        "--features", nargs="+", choices=("mel", "stft"), default=("mel", "stft"), help="only these: for trials"
    )
    parser.add_argument("--limit", type=int, help="only so many clips of each fold: for trials")
    parser.add_argument("--masks", default="all", help="only these masks: for trials")
    parser.add_argument("--n-samples", type=int, help="masks of lime other than the configuration's: for trials")
    return parser.parse_args()


def setting_of(options: argparse.Namespace) -> Setting:
    """Return what the configuration asks."""
    common = {"masks": options.masks, "limit": options.limit, "device": options.device}
    if options.config == "cpu":
        return Setting({name: SMALL[name] for name in options.features}, 2, options.n_samples or 300, **common)
    if not options.models:
        raise SystemExit(
            "--config full is for Cnn14; give its weights with --models MEL STFT, made with: "
            "hearwhy train cnn14 DATA --init Cnn14_mAP=0.431.pth --out MEL.safetensors (and --front-end stft for the other)"
        )
    given = dict(zip(("mel", "stft"), options.models, strict=True))
    models = {name: f"cnn14:{given[name]}" for name in options.features}
    return Setting(models, None, options.n_samples or 1000, **common)


if __name__ == "__main__":
    main()
