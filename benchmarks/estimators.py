"""Errors of Shapley and LIME estimates at equal calls, beside captum's and shap's, on games whose answers are known.

    python benchmarks/estimators.py [--games 30] [--seeds 20] [--kinds games-16,...] [--band 0] [--quick] [--out FILE.csv]

Games: sigmoids of weights and all pairs of components (d = 8, 12, 16; all masks are the truth), and sums of such of five
components each (d = 35, 100; truth by the definition). ``--band N``: the model `band` on N spans of its demo song, sources x
segments. Every estimator is asked about the same game with the same seed, one after the other, in an order that changes from
run to run. Appends rows and goes on where it stopped; prints medians with their ranges over games.
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
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
FIELDS = ["kind", "masks", "game", "seed", "estimator", "n_calls", "error", "rank", "seconds"]


def ours(name: str) -> Callable[[Scene, int, int], torch.Tensor]:
    function = METHODS[OURS[name]].function
    return lambda s, masks, seed: function(s, (s.n,), n_samples=masks, seed=seed, **OPTIONS.get(name, {})).values[0].double()


ESTIMATORS = {name: ours(name) for name in OURS} | RIVALS


def row(s: Scene, masks: int, seed: int, name: str) -> dict[str, Any]:
    """One estimate: relative squared error, rank correlation with the truth, seconds."""
    from scipy.stats import spearmanr

    truth = s.lime if "lime" in name.lower() else s.shapley
    random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)  # noqa: NPY002 (captum and shap draw from these)
    s.calls, start = 0, time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = ESTIMATORS[name](s, masks, seed)
    seconds = time.perf_counter() - start
    error = float((values - truth).square().sum() / truth.square().sum())
    rank = float(spearmanr(values, truth).statistic)
    return {"n_calls": s.calls, "error": f"{error:.4g}", "rank": f"{rank:.4f}", "seconds": f"{seconds:.4f}"}


def fits(name: str, s: Scene, masks: int) -> bool:
    """LIME has a truth of its own only where all masks can be asked; the slowest stay out of the largest games."""
    return not ("lime" in name.lower() and s.lime is None) and not ("trees" in name and s.n > 16)


def runs(games: dict[str, int], seeds: int) -> Iterator[tuple[str, int, int, int]]:
    """Kind, masks, game and seed, in such an order that whatever is finished is spread over kinds and games."""
    for seed in range(seeds):
        for game in range(max(games.values())):
            for kind in [kind for kind, count in games.items() if game < count]:
                for masks in BUDGETS[kind]:
                    yield kind, masks, game, seed


def summary(rows: list[dict[str, str]]) -> Iterator[str]:
    yield "| game | masks | estimator | runs | squared error, median (range over games) | times kernel_shap's | rank |"
    yield "|---|---|---|---|---|---|---|"
    for kind, masks in dict.fromkeys((r["kind"], r["masks"]) for r in rows):
        here = [r for r in rows if (r["kind"], r["masks"]) == (kind, masks)]
        own = statistics.median(float(r["error"]) for r in here if r["estimator"] == "kernel_shap")
        for name in [n for n in ESTIMATORS if any(r["estimator"] == n for r in here)]:
            mine = [r for r in here if r["estimator"] == name]
            each = [
                statistics.median(float(r["error"]) for r in mine if r["game"] == game)
                for game in dict.fromkeys(r["game"] for r in mine)
            ]
            middle = statistics.median(float(r["error"]) for r in mine)
            rank = statistics.median(float(r["rank"]) for r in mine)
            ratio = "" if "lime" in name.lower() else f"{middle / own:.2f}"
            span = f"{middle:.2g} ({min(each):.2g} to {max(each):.2g})"
            yield f"| {kind} | {masks} | {name} | {len(mine)} | {span} | {ratio} | {rank:.3f} |"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--games", type=int, default=30)
    words.add_argument("--seeds", type=int, default=20)
    words.add_argument("--kinds", default="games-8,games-12,games-16,sums-35,sums-100")
    words.add_argument("--band", type=int, default=0)
    words.add_argument("--quick", action="store_true", help="two games, two seeds, eight and twelve components")
    words.add_argument("--out", type=Path, default=Path(__file__).parent / "rows" / "estimators.csv")
    chosen = words.parse_args()
    torch.set_num_threads(1)
    games = dict.fromkeys(chosen.kinds.split(","), chosen.games) | {"band-16": chosen.band}
    asked = list(runs({"games-8": 2, "games-12": 2}, 2) if chosen.quick else runs(games, chosen.seeds))
    rows = list(csv.DictReader(chosen.out.open())) if chosen.out.exists() else []
    done = {tuple(r[key] for key in FIELDS[:5]) for r in rows}
    with chosen.out.open("a", newline="") as file:
        table = csv.DictWriter(file, FIELDS)
        if not rows:
            table.writeheader()
        for kind, masks, game, seed in asked:
            names = list(ESTIMATORS)
            random.Random(f"{kind} {masks} {game} {seed}").shuffle(names)
            for name in names:
                where = {"kind": kind, "masks": masks, "game": game, "seed": seed, "estimator": name}
                if tuple(map(str, where.values())) not in done and fits(name, scene(kind, game), masks):
                    table.writerow(where | row(scene(kind, game), masks, seed, name))
            file.flush()
    print(*summary(list(csv.DictReader(chosen.out.open()))), sep="\n")


if __name__ == "__main__":
    main()
