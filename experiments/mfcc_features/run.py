"""The MFCC tutorial, measured: its network trained and scored, the error of its SHAP values, LIME beside SHAP.

``python run.py --esc10 DIR --band DIR`` trains what is lacking, explains, and writes tables, rows and figures into ``--out``;
weights and finished units lie in ``out/`` there, which git ignores. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from absence import fill_rows
from anchors import anchor_rows
from asked import Asked, fast_model, tutorial_model
from beside import beside_rows, cost_rows
from clips import spread, tutorial_split
from curve import estimate_rows, reference_rows
from setting import COMPONENTS, CONFIGURATIONS, Setting
from trained import NETWORKS, Place, score_rows, train_all
from working import Rows, Unit, do_all

HERE = Path(__file__).parent


def main() -> None:
    """Train, explain, and write what was found."""
    options = parsed()
    place = Place(options.esc10, options.band, options.out / "out", given(options))
    setting = CONFIGURATIONS[options.config]
    check_folder(json.loads(json.dumps(asdict(setting))), place.out / "setting.json")
    torch.set_num_threads(1)
    if not options.report:
        train_all(place, setting)
    units = all_units(place, setting)
    if not options.report:
        do_all(units, place.out, options.workers)
    from reporting import write_all

    write_all(place, units, options.out)


def all_units(place: Place, setting: Setting) -> list[Unit]:
    """Return everything that is counted, clip by clip, so that a run that was stopped has all of some of them."""
    clips = spread(tutorial_split(place.esc10)[1], max(setting.curve_clips, setting.beside_clips))
    units = [Unit("cost", partial(cost_unit, place, setting, clips[0].name))]
    for i, clip in enumerate(clips):
        job = (place, setting, clip.name)
        if i < setting.exact_clips:
            units.append(Unit(f"anchor-{i:02d}", partial(anchor_unit, *job)))
        if i < setting.curve_clips:
            units += [Unit(f"estimates-{i:02d}-{n}", partial(estimate_unit, *job, n)) for n in setting.budgets]
            units.append(Unit(f"reference-{i:02d}", partial(reference_unit, *job, i < setting.checked_clips)))
        if i < setting.fill_clips:
            units.append(Unit(f"fills-{i:02d}", partial(fill_unit, *job)))
        if i < setting.beside_clips:
            units.append(Unit(f"beside-{i:02d}", partial(beside_unit, *job)))
    return units + [Unit(f"scores-{name}", partial(score_rows, place, name)) for name in NETWORKS]


def reference_unit(place: Place, setting: Setting, name: str, twice: bool) -> dict[str, Rows]:
    """Return what estimates of one clip are compared with."""
    return reference_rows(asked(place, name), setting, twice=twice)


def estimate_unit(place: Place, setting: Setting, name: str, budget: int) -> dict[str, Rows]:
    """Return the estimates of one clip from so many masks."""
    return estimate_rows(asked(place, name), budget, setting)


def beside_unit(place: Place, setting: Setting, name: str) -> dict[str, Rows]:
    """Return LIME and SHAP of one clip."""
    return beside_rows(asked(place, name), setting)


def anchor_unit(place: Place, setting: Setting, name: str) -> dict[str, Rows]:
    """Return what must be equal on one clip."""
    return anchor_rows(asked(place, name, f"mfcc={setting.n_groups}"), asked(place, name), setting)


def fill_unit(place: Place, setting: Setting, name: str) -> dict[str, Rows]:
    """Return one clip under every meaning of absent."""
    item = next(item for item in tutorial_split(place.esc10)[1] if item.name == name)
    return fill_rows(fast_model(place.weights("paper")), item, setting)


def cost_unit(place: Place, setting: Setting, name: str) -> dict[str, Rows]:
    """Return what the methods cost on one clip."""
    return cost_rows(asked(place, name), setting)


def asked(place: Place, name: str, how: str = COMPONENTS) -> Asked:
    """Return the game of a clip of the tutorial's test set."""
    train, test = tutorial_split(place.esc10)
    item = next(item for item in test if item.name == name)
    return Asked(tutorial_model(place.weights("paper"), train), item, how)


def check_folder(told: dict[str, object], file: Path) -> None:
    """Write down what results are of, or leave where the folder holds results of something else."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != told:
        raise SystemExit(f"{file.parent} holds results of other settings ({file.name}); give another --out.")
    file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def given(options: argparse.Namespace) -> dict[str, Path]:
    """Return the weights that are not trained here."""
    return {name: file for name in NETWORKS if (file := getattr(options, f"{name}_weights")) is not None}


def parsed() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--esc10", type=Path, required=True, help="ESC-10 in ESC-50's layout")
    parser.add_argument("--band", type=Path, required=True, help="songs made by: hearwhy data band")
    for name, learnt in NETWORKS.items():
        parser.add_argument(f"--{name}-weights", type=Path, metavar="FILE", help=f"of {learnt}; none: trained here")
    parser.add_argument("--config", choices=tuple(CONFIGURATIONS), default="cpu")
    parser.add_argument("--workers", type=int, default=2, help="processes side by side, one thread each")
    parser.add_argument("--report", action="store_true", help="only write what finished units say")
    parser.add_argument("--out", type=Path, default=HERE)
    return parser.parse_args()


if __name__ == "__main__":
    main()
