"""The laws that methods declare, as checks: what must be zero, for one answer or for many seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from games import GAMES, Game
from hearwhy.attribution import METHODS as EVERY_METHOD
from hearwhy.attribution import Entry, Law
from hearwhy.types import Estimate

SEEDS = 30
STANDARD_ERRORS = 4  # with 29 degrees of freedom missed by chance once in 2500; the seeds are fixed, so never anew
# Values are rounded to float32 once, at the end (half a unit in the last place); what is compared is a difference or a
# sum of a few of them, relative to the largest number in play.
ROUNDING = 8 * torch.finfo(torch.float32).eps

METHODS = {name: entry for name, entry in EVERY_METHOD.items() if entry.asks != "network"}  # those that play games
CASES = [(method, game) for method in METHODS for game in GAMES]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Matrices of ten columns: threads that wait for each other make them ten times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def declaring(law: Law, *, declared: bool = True) -> list[tuple[str, str]]:
    """Every (method, game) whose method declares this law, or does not."""
    return [(method, game) for method, game in CASES if (law in METHODS[method].laws) == declared]


def samples(entry: Entry, game: Game) -> bool:
    """Whether the method answers this game from a sample, with the options that `estimate` gives it."""
    return entry.sampled and game.n >= 8


def estimate(entry: Entry, game: Game, seed: int = 0) -> Estimate:
    """The method's answer: 10 masks a component where it samples and not all of them fit."""
    if not entry.sampled:
        return entry.function(game, game.shape)
    return entry.function(game, game.shape, n_samples=10 * game.n if game.n >= 8 else 1000, seed=seed)


def flat_values(entry: Entry, game: Game, seed: int = 0) -> Tensor:
    """Values (target, component) in float64."""
    return estimate(entry, game, seed).values.flatten(1).to(torch.float64)


def over_seeds(entry: Entry, game: Game, what: Callable[[int], Tensor]) -> Tensor:
    """`what` at 30 seeds where this game is sampled, at one otherwise: (seed, ...)."""
    return torch.stack([what(seed) for seed in range(SEEDS if samples(entry, game) else 1)])


def excess(rows: Tensor, unit: float) -> float:
    """By how much the worst entry of (seed, ...) misses zero, 1 being the most that is allowed."""
    allowed = torch.full(rows.shape[1:], ROUNDING * unit, dtype=torch.float64)
    if len(rows) > 1:
        allowed = allowed + STANDARD_ERRORS * rows.std(dim=0) / math.sqrt(len(rows))
    return float((rows.mean(dim=0).abs() / allowed).max())


def unit_of(game: Game) -> float:
    """The largest number in a game: scores of the ends and what one component can do."""
    masks = torch.cat([torch.ones(1, game.n), torch.zeros(1, game.n), torch.eye(game.n), 1 - torch.eye(game.n)])
    return max(1.0, float(game.play(masks.to(torch.float64)).abs().max()))


def shifted(game: Game, by: float) -> Game:
    return replace(game, play=lambda z: game.play(z) + by)


def scaled(game: Game, by: float) -> Game:
    return replace(game, play=lambda z: game.play(z) * by)


def padded(game: Game) -> Game:
    """With one component more, the last, that the score never looks at."""
    return replace(game, shape=(game.n + 1,), play=lambda z: game.play(z[:, :-1]))


def renamed(game: Game, order: Tensor) -> Game:
    """Component ``order[j]`` plays what component j played."""
    return replace(game, play=lambda z: game.play(z[:, order]))


def symmetrised(game: Game) -> Game:
    """Components 0 and 1 do the same."""

    def play(z: Tensor) -> Tensor:
        return (game.play(z) + game.play(torch.cat([z[:, [1, 0]], z[:, 2:]], dim=1))) / 2

    return replace(game, play=play)


def offset(entry: Entry, game: Game) -> float:
    by = 100.0
    rows = over_seeds(entry, game, lambda s: flat_values(entry, shifted(game, by), s) - flat_values(entry, game, s))
    return excess(rows, unit_of(game))


def scaling(entry: Entry, game: Game) -> float:
    by = -2.5
    rows = over_seeds(entry, game, lambda s: flat_values(entry, scaled(game, by), s) - by * flat_values(entry, game, s))
    return excess(rows, unit_of(game) * abs(by))


def irrelevance(entry: Entry, game: Game) -> float:
    game = padded(game)
    return excess(over_seeds(entry, game, lambda s: flat_values(entry, game, s)[:, -1]), unit_of(game))


def permutation(entry: Entry, game: Game) -> float:
    order = torch.arange(game.n).roll(1).flip(0)
    other = renamed(game, order)
    rows = over_seeds(entry, game, lambda s: flat_values(entry, other, s)[:, order] - flat_values(entry, game, s))
    return excess(rows, unit_of(game))


def efficiency(entry: Entry, game: Game) -> float:
    ones, zeros = game.ends
    # Holds for each seed, not on average: every row is judged by rounding alone.
    rows = over_seeds(entry, game, lambda s: flat_values(entry, game, s).sum(dim=1) - (ones - zeros))
    return max(excess(row[None], unit_of(game)) for row in rows)


def symmetry(entry: Entry, game: Game) -> float:
    game = symmetrised(game)
    rows = over_seeds(entry, game, lambda s: flat_values(entry, game, s)[:, 0] - flat_values(entry, game, s)[:, 1])
    return excess(rows, unit_of(game))


CHECKS: dict[Law, Callable[[Entry, Game], float]] = {
    "offset": offset,
    "irrelevance": irrelevance,
    "scaling": scaling,
    "permutation": permutation,
    "efficiency": efficiency,
    "symmetry": symmetry,
}
