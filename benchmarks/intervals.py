"""How often the 95 % intervals of every sampled method hold the truth, and how large stated errors are beside true ones.

    python benchmarks/intervals.py [--pairs 2000] [--methods kernel_shap,...] [--masks 40,100,300,auto] [--out FILE.csv]

Every pair is a game of ten components of its own with a seed of its own: sigmoids of weights and interactions, thresholds of
sums, and sums of small unanimity games, in turn. The truth is the same method's answer to all 1024 masks. With "auto" the games
have twelve components (hsic, which compares every mask with every other: ten), so that few end with all masks asked; those have
no interval and are not counted. Appends to what the file holds already, and goes on where it stopped. Without --pairs it
prints what the file says.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import fmean, median

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from games import Game, random_unanimity, sigmoid
from hearwhy.attribution import METHODS

D, D_AUTO = 10, 12
TOLERANCE = {"rise": 0.06, "owen": 0.06, "sobol": 0.1, "hsic": 0.15}  # at which "auto" stops; with less it would ask all masks
GROUPS = (0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8)  # of owen, whose exact values would take 640 masks, or 2560 of twelve
SAMPLED = [name for name, entry in METHODS.items() if entry.asks == "score" and entry.sampled]
FIELDS = ["method", "masks", "pair", "kind", "n_calls", "inside", "stderr", "error"]


def threshold(d: int, seed: int) -> Game:
    """A ReLU of a random sum; about four masks in ten are above the threshold."""
    weight = torch.randn(d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    over = weight.sum() / 2 + weight.norm() / 8
    return Game((d,), lambda z: torch.relu(z @ weight - over)[:, None])


def games(pair: int, d: int) -> tuple[str, Game]:
    kinds = {
        "sigmoid": lambda: sigmoid(d, seed=pair, pair=1.0),
        "threshold": lambda: threshold(d, pair),
        "unanimity": lambda: random_unanimity((d,), seed=pair, terms=30, targets=1),
    }
    name = list(kinds)[pair % len(kinds)]
    return name, kinds[name]()


def remembered(game: Game) -> Game:
    """The game as a table, so that asking costs nothing."""
    bit = 2 ** torch.arange(game.n)
    masks = torch.arange(2**game.n)[:, None] >> torch.arange(game.n) & 1
    answers = game.play(masks.double())
    return Game(game.shape, lambda z: answers[(z.long() * bit).sum(1)])


def row(method: str, masks: int | str, pair: int) -> dict[str, object]:
    """One pair: the share of sampled components whose interval holds the truth; root mean squares of stated and true errors.

    Errors are in units of the game's range of values, so that no game drowns the others.
    """
    d = D_AUTO if masks == "auto" and method != "hsic" else D
    kind, game = games(pair, d)
    options = {"groups": GROUPS[:d]} if method == "owen" else {}
    function = partial(METHODS[method].function, remembered(game), (d,), **options)
    truth = function(n_samples=2**d).values[0].double()
    found = function(n_samples=masks, seed=pair, tolerance=TOLERANCE.get(method, 0.03))
    error = (found.values[0].double() - truth).abs()
    stderr = torch.zeros(d, dtype=torch.float64) if found.stderr is None else found.stderr[0].double()
    rounding = 4 * torch.finfo(torch.float32).eps * truth.abs().max()
    span = float(truth.max() - truth.min())
    inside = (error <= found.margin()[0] + rounding)[stderr > 0]  # owen may know the groups of one exactly
    return {
        "method": method, "masks": masks, "pair": pair, "kind": kind, "n_calls": found.n_calls,
        "inside": f"{float(inside.double().mean()):.3g}" if len(inside) else 1,
        "stderr": f"{float(stderr.square().mean().sqrt()) / span:.4g}",
        "error": f"{float(error.square().mean().sqrt()) / span:.4g}",
    }  # fmt: skip


def summary(rows: list[dict[str, str]]) -> Iterator[str]:
    """A line for every method and number of masks."""
    yield "| method | masks | asked (median) | pairs sampled | inside the 95 % interval | stated / true error |"
    yield "|---|---|---|---|---|---|"
    for method in dict.fromkeys(r["method"] for r in rows):
        for masks in dict.fromkeys(r["masks"] for r in rows if r["method"] == method):
            mine = [r for r in rows if (r["method"], r["masks"]) == (method, masks)]
            sampled = [r for r in mine if float(r["stderr"]) > 0]
            if not sampled:
                continue
            inside = fmean(float(r["inside"]) for r in sampled)
            stated, true = (sum(float(r[key]) ** 2 for r in sampled) ** 0.5 for key in ("stderr", "error"))
            asked, count = median(int(r["n_calls"]) for r in mine), f"{len(sampled)} of {len(mine)}"
            yield f"| {method} | {masks} | {asked:.0f} | {count} | {100 * inside:.1f} % | {stated / true:.2f} |"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--pairs", type=int, default=0)
    words.add_argument("--methods", default=",".join(SAMPLED))
    words.add_argument("--masks", default="40,100,300,auto")
    words.add_argument("--out", type=Path, default=Path(__file__).parent / "rows" / "intervals.csv")
    chosen = words.parse_args()
    torch.set_num_threads(1)
    rows = list(csv.DictReader(chosen.out.open())) if chosen.out.exists() else []
    done = {(r["method"], r["masks"], int(r["pair"])) for r in rows}
    asked = [int(m) if m.isdigit() else m for m in chosen.masks.split(",")]
    with chosen.out.open("a", newline="") as file:
        table = csv.DictWriter(file, FIELDS)
        if not rows:
            table.writeheader()
        for pair in range(chosen.pairs):
            for method in chosen.methods.split(","):
                for some in asked:
                    masks = max(some, 8 * D) if method == "sobol" and some != "auto" else some  # fewer it refuses
                    if (method, str(masks), pair) not in done:
                        table.writerow(row(method, masks, pair))
    print(*summary(list(csv.DictReader(chosen.out.open()))), sep="\n")


if __name__ == "__main__":
    main()
