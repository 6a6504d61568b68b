"""Games whose answers are known: what a score is to a method, without a model or a sound.

A game is written as a function of soft masks in float64, so that it has a gradient. Those of GAMES that are polynomials
are multilinear: 0 and 1 give the game of the textbook, and in between lies Owen's extension, whose integrated gradients
are the Shapley values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Game:
    """`play` maps flat soft masks (batch, n) to (batch, target); `shapley` (target, n) where it is known on paper."""

    shape: tuple[int, ...]
    play: Callable[[Tensor], Tensor]
    shapley: Tensor | None = None

    @property
    def n(self) -> int:
        return math.prod(self.shape)

    def __call__(self, mask: Tensor) -> Tensor:
        assert mask.shape[1:] == self.shape, f"asked about masks of {tuple(mask.shape[1:])} in a game of {self.shape}"
        return self.play(mask.reshape(len(mask), -1).to(torch.float64))

    def gradient(self, mask: Tensor) -> Tensor:
        soft = mask.reshape(len(mask), -1).to(torch.float64).requires_grad_(True)
        columns = self.play(soft).sum(dim=0)
        slopes = [
            torch.autograd.grad(c, soft, retain_graph=True, allow_unused=True, materialize_grads=True)[0] for c in columns
        ]
        return torch.stack(slopes, dim=1).reshape(len(mask), len(columns), *self.shape)

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """The score of everything and of nothing."""
        return self(torch.ones(1, *self.shape))[0], self(torch.zeros(1, *self.shape))[0]


def table(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def additive(*weights: list[float], shape: tuple[int, ...] | None = None, offset: float = 0.0) -> Game:
    weight = table(*weights)
    return Game(shape or (weight.shape[1],), lambda z: z @ weight.T + offset, weight)


def unanimity(n: int, terms: dict[tuple[int, ...], list[float]], shape: tuple[int, ...] | None = None) -> Game:
    """Sum of games in which all of some players must be there; each term is shared equally among its players."""
    targets = len(next(iter(terms.values())))
    shapley = torch.zeros(targets, n, dtype=torch.float64)
    for players, worth in terms.items():
        shapley[:, list(players)] += torch.tensor(worth, dtype=torch.float64)[:, None] / len(players)

    def play(z: Tensor) -> Tensor:
        return sum(z[:, list(p)].prod(dim=1, keepdim=True) * z.new_tensor(w) for p, w in terms.items())

    return Game(shape or (n,), play, shapley)


def glove() -> Game:
    """Target 0: two left gloves and a right one, a pair is worth 1. Target 1: a majority of the three is worth 1."""

    def play(z: Tensor) -> Tensor:
        a, b, c = z.unbind(1)
        return torch.stack([c * (1 - (1 - a) * (1 - b)), a * b + b * c + c * a - 2 * a * b * c], dim=1)

    return Game((3,), play, table([1 / 6, 1 / 6, 2 / 3], [1 / 3, 1 / 3, 1 / 3]))


def airport(*costs: float) -> Game:
    """A runway as long as the largest aircraft needs; each step is shared by those that need it."""
    steps = [high - low for low, high in zip((0.0, *costs), costs, strict=False)]
    n = len(costs)
    shares = [sum(steps[k] / (n - k) for k in range(i + 1)) for i in range(n)]

    def play(z: Tensor) -> Tensor:
        return sum(step * (1 - (1 - z[:, k:]).prod(dim=1, keepdim=True)) for k, step in enumerate(steps))

    return Game((n,), play, table(shares))


def xor() -> Game:
    """One of the first two but not both: neither is worth anything on average. The third adds 2, or takes 1."""

    def play(z: Tensor) -> Tensor:
        a, b, c = z.unbind(1)
        odd = a + b - 2 * a * b
        return torch.stack([odd + 2 * c, 3 * odd - c + 4], dim=1)

    return Game((3,), play, table([0.0, 0.0, 2.0], [0.0, 0.0, -1.0]))


def sigmoid(n: int, seed: int, *, pair: float = 0.6, targets: int = 1, shape: tuple[int, ...] | None = None) -> Game:
    """A probability: weights and all pairs of components under a sigmoid. Interacts in every order; nothing by hand."""
    g = torch.Generator().manual_seed(seed)
    weight = torch.randn(targets, n, generator=g, dtype=torch.float64)
    pairs = torch.randn(targets, n, n, generator=g, dtype=torch.float64).triu(1) * 1.5 * pair / math.sqrt(n)
    bias = torch.randn(targets, generator=g, dtype=torch.float64)

    def play(z: Tensor) -> Tensor:
        return torch.sigmoid(bias + z @ weight.T + torch.einsum("bi,tij,bj->bt", z, pairs, z))

    return Game(shape or (n,), play)


def kinked(n: int) -> Game:
    """A ReLU of a sum: nothing up to a threshold, as a network's layer has it."""
    weight = torch.arange(1, n + 1, dtype=torch.float64)

    def play(z: Tensor) -> Tensor:
        over = torch.relu(z @ weight - 0.4 * weight.sum())
        return torch.stack([over, -2 * over], dim=1)

    return Game((n,), play)


def random_unanimity(shape: tuple[int, ...], seed: int, *, terms: int = 40, targets: int = 2) -> Game:
    """Shapley values known in closed form at any size, from interactions of one to four components."""
    n = math.prod(shape)
    g = torch.Generator().manual_seed(seed)
    drawn = {}
    for _ in range(terms):
        size = int(torch.randint(1, 5, (), generator=g))
        players = tuple(sorted(torch.randperm(n, generator=g)[:size].tolist()))
        drawn[players] = torch.randn(targets, generator=g, dtype=torch.float64).tolist()
    return unanimity(n, drawn, shape)


def subgames(n: int, seed: int, *, size: int = 5) -> Game:
    """Sum of sigmoids of a few components each: any number of components, and Shapley values by the definition."""
    g = torch.Generator().manual_seed(seed)
    members = torch.randperm(n, generator=g).split(size)
    parts = [sigmoid(len(mine), seed=1000 * seed + k, pair=1.0) for k, mine in enumerate(members)]
    scales = torch.randn(len(members), generator=g, dtype=torch.float64).abs()
    shapley = torch.zeros(1, n, dtype=torch.float64)
    for mine, part, scale in zip(members, parts, scales, strict=True):
        shapley[0, mine] = scale * by_sets(part)

    def play(z: Tensor) -> Tensor:
        return sum(scale * part.play(z[:, mine]) for mine, part, scale in zip(members, parts, scales, strict=True))

    return Game((n,), play, shapley)


def by_sets(game: Game) -> Tensor:
    """Shapley values of the first target as defined: a weighted sum over all sets of the others."""
    n = game.n
    masks = (torch.arange(2**n)[:, None] >> torch.arange(n) & 1).double()
    worth, sizes = game.play(masks)[:, 0], masks.sum(1).long()
    weight = torch.tensor([1 / (n * math.comb(n - 1, s)) if s < n else 0.0 for s in range(n + 1)], dtype=torch.float64)
    without = [masks[:, i] == 0 for i in range(n)]
    return torch.stack([(weight[sizes[w]] * (worth[w.nonzero()[:, 0] + 2**i] - worth[w])).sum() for i, w in enumerate(without)])


GAMES: dict[str, Game] = {
    "additive": additive([2.0, -1.0, 0.5, 0.0], [-3.0, 4.0, 0.25, 1.0], offset=0.7),
    "glove": glove(),
    "xor": xor(),
    "airport": airport(1.0, 2.0, 4.0, 7.0),
    "unanimity": unanimity(4, {(0, 2): [1.0, -2.0], (1,): [0.5, 0.0], (0, 1, 3): [3.0, 1.0]}),
    "sigmoid": sigmoid(5, seed=1, targets=2),
    "kinked": kinked(4),
    "large sigmoid": sigmoid(10, seed=2, targets=2),
    "large unanimity": random_unanimity((3, 3), seed=3),
    "large kinked": kinked(9),
}
