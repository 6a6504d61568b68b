"""Errors of Shapley and LIME estimates at equal calls, beside captum's, shap's and lime's, on games whose answers are known.

    python benchmarks/estimators.py [--games 30] [--seeds 20] [--kinds games-16,band-16,...] [--music FILE] [--out FILE.csv]
    python benchmarks/estimators.py --table docs/estimators.md

Games: sigmoids of weights and all pairs of components (d = 8, 12, 16; all masks are the truth), and sums of such of five
components each (d = 35, 40, 100; truth by the definition). ``band-12``, ``band-16``: the model `band` on four spans of two
seconds of its demo song, stems x segments, all masks; ``band-36``: finer, truth from 16000 masks. ``musicnn-10``: five tags
of each window of the ``--music``. Every estimator is asked about the same game with the same seed, one after the other, in an
order that changes from seed to seed. Appends rows and goes on where it stopped; ``--table`` asks nothing and writes what the
rows say.
"""

from __future__ import annotations

import argparse
import csv
import random
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scenes
import torch
from rivals import RIVALS
from scenes import BUDGETS, Scene, scene

from hearwhy.attribution import METHODS

OURS = {
    "kernel_shap": "kernel_shap",
    "regression_adjusted": "regression_adjusted",
    "regression_adjusted(trees)": "regression_adjusted",
    "permutation": "permutation",
    "lime": "lime",
}
OPTIONS = {"regression_adjusted(trees)": {"proxy": "trees"}}
FIELDS = ["kind", "masks", "game", "seed", "estimator", "n_calls", "error", "rank", "between", "seconds"]
REAL = {"band-12": 4, "band-16": 4, "band-36": 2, "musicnn-10": 15}  # games there are of the real models
SYNTHETIC = {("games-16", 64): 10, ("games-16", 1600): 6, ("sums-100", 500): 10}  # games of the dearest; of others --games
FIRST_GAMES, FIRST_SEEDS = 3, 2  # that the slowest are asked about, and with


def ours(name: str) -> Callable[[Scene, int, int], torch.Tensor]:
    function = METHODS[OURS[name]].function
    return lambda s, masks, seed: function(s, (s.n,), n_samples=masks, seed=seed, **OPTIONS.get(name, {})).values[0].double()


ESTIMATORS = {name: ours(name) for name in OURS} | RIVALS


def row(s: Scene, masks: int, seed: int, name: str) -> tuple[dict[str, Any], torch.Tensor]:
    """One estimate: relative squared error, rank correlation with the truth, seconds of one core; and the values."""
    truth = s.lime if "lime" in name.lower() else s.shapley
    random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)  # noqa: NPY002 (captum and shap draw from these)
    s.calls, start = 0, time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = ESTIMATORS[name](s, masks, seed)
    seconds = time.process_time() - start
    error = float((values - truth).square().sum() / truth.square().sum())
    found = {"n_calls": s.calls, "error": f"{error:.4g}", "rank": f"{ranks_alike(values, truth):.4f}"}
    return found | {"seconds": f"{seconds:.4f}"}, values


def ranks_alike(values: torch.Tensor, others: torch.Tensor) -> float:
    """Spearman's correlation; 0 where one of them ranks nothing."""
    from scipy.stats import spearmanr

    if len(values.unique()) == 1 or len(others.unique()) == 1:
        return 0.0
    return float(spearmanr(values, others).statistic)


def able(name: str, s: Scene, masks: int, game: int, seed: int) -> bool:
    """LIME has a truth only where all masks can be asked; ours refuse too few masks; some need no more seeds, or are slow."""
    if "lime" in name.lower() and s.lime is None:
        return False
    if name in OURS and name != "kernel_shap" and masks < 4 * s.n:
        return False
    if "Partition" in name:
        return seed == 0 and s.n <= 36  # draws nothing
    return "trees" not in name or (s.n <= 16 and game < FIRST_GAMES and seed < FIRST_SEEDS)


def rows(kind: str, masks: int, game: int, seeds: int) -> Iterator[dict[str, Any]]:
    """All estimators with all seeds on one game, and how alike two seeds in a row rank the components."""
    s, before = scene(kind, game), {}
    for seed in range(seeds):
        names = [name for name in ESTIMATORS if able(name, s, masks, game, seed)]
        random.Random(f"{kind} {masks} {game} {seed}").shuffle(names)
        for name in names:
            found, values = row(s, masks, seed, name)
            alike = f"{ranks_alike(values, before[name]):.4f}" if name in before else ""
            before[name] = values
            yield {"kind": kind, "masks": masks, "game": game, "seed": seed, "estimator": name, "between": alike} | found


def units(kinds: list[str], games: int) -> list[tuple[str, int, int]]:
    """Kind, masks and game, in such an order that whatever is finished is spread over kinds."""
    every = [(kind, masks, game) for game in range(games) for kind in kinds for masks in BUDGETS[kind]]
    return [unit for unit in every if unit[2] < min(REAL.get(unit[0], games), SYNTHETIC.get(unit[:2], games))]


def measure(out: Path, asked: list[tuple[str, int, int]], seeds: int) -> None:
    """Append a game's rows when all of them are there, so that a run cut off goes on where it stopped."""
    for name in ESTIMATORS:
        row(scene("games-8", 0), 64, 0, name)  # what is imported or compiled at first is nobody's time
    known = list(csv.DictReader(out.open())) if out.exists() else []
    done = {(r["kind"], int(r["masks"]), int(r["game"])) for r in known}
    with out.open("a", newline="") as file:
        table = csv.DictWriter(file, FIELDS)
        if not known:
            table.writeheader()
        for kind, masks, game in asked:
            if (kind, masks, game) not in done:
                table.writerows(list(rows(kind, masks, game, seeds)))
                file.flush()


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--games", type=int, default=30)
    words.add_argument("--seeds", type=int, default=20)
    words.add_argument("--kinds", default="games-8,games-12,games-16,sums-35,sums-40,sums-100,band-12,band-16,band-36")
    words.add_argument("--music", type=Path, help="a piece of music at 16000 Hz, for musicnn-10")
    words.add_argument("--out", type=Path, default=Path(__file__).parent / "rows" / "estimators.csv")
    words.add_argument("--table", type=Path, help="ask nothing; write the tables into this page, and its figure beside it")
    chosen = words.parse_args()
    torch.set_num_threads(1)
    if chosen.table:
        from estimator_tables import write

        write(list(csv.DictReader(chosen.out.open())), chosen.table)
        return
    kinds = chosen.kinds.split(",")
    if chosen.music:
        scenes.MUSIC.append(chosen.music)
        kinds = list(dict.fromkeys([*kinds, "musicnn-10"]))
    measure(chosen.out, units(kinds, chosen.games), chosen.seeds)


if __name__ == "__main__":
    main()
