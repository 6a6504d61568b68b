"""Which masks to ask about: all of them, each component left out, coin flips, or pairs after the Shapley kernel."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hearwhy.types import Score

N_SAMPLES = 1000  # masks asked by default where they are sampled
MAX_ROWS = 1024  # masks handed to the score at a time
MAX_CELLS = 2**24  # and their components, so that a chunk of booleans stays under 16 MiB
MAX_RANKED = 20  # components up to which pairs are drawn by number, without repeats; beyond, repeats are rare
MAX_LISTED = 2**20  # masks of one size up to which they are drawn by number; beyond, repeats are rare
BLOCK = 8  # masks drawn at a time where they are drawn by chance


def ask(score: Score, masks: Bool[Tensor, " mask *component"]) -> Float[Tensor, "mask target"]:
    """Return the score of every mask in float64, asked in chunks."""
    rows = rows_a_chunk(tuple(masks.shape[1:]))
    chunks = [masks[first : first + rows] for first in range(0, len(masks), rows)]
    return torch.cat([score(chunk).to("cpu", torch.float64) for chunk in chunks])


def rows_a_chunk(shape: tuple[int, ...]) -> int:
    """Return how many masks of this shape make a chunk."""
    return max(1, min(MAX_ROWS, MAX_CELLS // math.prod(shape)))


def seeded(seed: int) -> torch.Generator:
    """Return a source of randomness of its own; the same seed gives the same masks, to the bit."""
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"seed must be a whole number; got {seed!r}.")
    return torch.Generator().manual_seed(seed)


def check_n_samples(
    method: str, n_samples: int | str, shape: tuple[int, ...], *, per_component: int = 4, besides: int = 0
) -> None:
    """Raise ValueError where so few masks cannot tell so many components apart."""
    n = math.prod(shape)
    minimum = max(2, min(per_component * n + besides, 2**n))
    if not isinstance(n_samples, int) or isinstance(n_samples, bool) or n_samples < minimum:
        raise ValueError(
            f"{method} needs at least {minimum} masks for {n} component{'s' * (n != 1)}; got n_samples={n_samples!r}. "
            f"Use {method}(n_samples={max(N_SAMPLES, minimum)}), or fewer components."
        )


def fits(shape: tuple[int, ...], n_samples: int) -> bool:
    """Whether all 2**components masks are within the budget."""
    return 2 ** math.prod(shape) <= n_samples


def numbered(numbers: Tensor, shape: tuple[int, ...]) -> Bool[Tensor, " mask *component"]:
    """Return masks by number: 0 keeps nothing, 2**components - 1 everything; bit i of the number keeps component i."""
    kept = numbers[:, None] >> torch.arange(math.prod(shape)) & 1
    return kept.to(torch.bool).reshape(-1, *shape)


def all_masks(shape: tuple[int, ...]) -> Bool[Tensor, " mask *component"]:
    """Return all 2**components masks, the first all ones, the last all zeros."""
    return numbered(torch.arange(2 ** math.prod(shape)).flip(0), shape)


def leave_one_out(shape: tuple[int, ...]) -> Iterator[Bool[Tensor, " mask *component"]]:
    """Yield, in chunks, the masks that remove one component each, in the order of the components."""
    n, rows = math.prod(shape), rows_a_chunk(shape)
    for first in range(0, n, rows):
        removed = torch.arange(first, min(first + rows, n))
        masks = torch.ones(len(removed), n, dtype=torch.bool)
        masks[torch.arange(len(removed)), removed] = False
        yield masks.reshape(-1, *shape)


def coin_flips(shape: tuple[int, ...], n: int, generator: torch.Generator) -> Bool[Tensor, " mask *component"]:
    """Return `n` independent masks, every component kept with probability 1/2."""
    return torch.rand(n, *shape, generator=generator) < 0.5


def paired_coin_flips(shape: tuple[int, ...], n: int, generator: torch.Generator) -> Bool[Tensor, " mask *component"]:
    """Return `n` masks, n even: all ones, all zeros, then pairs of coin flips and their complements.

    Rows 2k and 2k + 1 are a pair, which cancels what an even interaction would add to the noise. Up to 20 components no
    mask comes twice.
    """
    ends = torch.zeros(1, *shape, dtype=torch.bool)
    masks = torch.cat([ends, flipped_pairs(shape, n // 2, generator, ends=False)[: n // 2 - 1]])
    return torch.stack([~masks, masks], dim=1).flatten(0, 1)


def flipped_pairs(
    shape: tuple[int, ...], n_pairs: int, generator: torch.Generator, *, ends: bool = True
) -> Bool[Tensor, " pair *component"]:
    """Return one mask of every pair of coin flips and complement; up to 20 components no pair comes twice.

    The first ones of a larger sample are the smaller sample. Without `ends`, everything and nothing are not among them.
    """
    components = math.prod(shape)
    if components <= MAX_RANKED:  # of every pair one mask lacks the last component: its number is below half
        drawn = torch.randperm(2 ** (components - 1), generator=generator)
        return numbered((drawn if ends else drawn[drawn > 0])[:n_pairs], shape)
    blocks = [coin_flips(shape, BLOCK, generator) for _ in range(-(-n_pairs // BLOCK))]
    return torch.cat([torch.zeros(0, *shape, dtype=torch.bool), *blocks])[:n_pairs]


def kernel_masks(shape: tuple[int, ...], n: int, generator: torch.Generator) -> Bool[Tensor, " mask *component"]:
    """Return `n` independent masks after the Shapley kernel.

    Size s of d with probability ~ 1 / (s (d - s)), then any mask of that size alike. With a single component there is
    no size between none and all: coin flips.
    """
    components = math.prod(shape)
    if components == 1:
        return coin_flips(shape, n, generator)
    sizes = torch.arange(1, components)
    probability = 1 / (sizes * (components - sizes)).to(torch.float64)
    drawn = sizes[torch.multinomial(probability, n, replacement=True, generator=generator)]
    return of_size(drawn, components, generator).reshape(-1, *shape)


def of_size(sizes: Tensor, components: int, generator: torch.Generator) -> Tensor:
    """One mask a size, any mask of that size alike."""
    order = torch.rand(len(sizes), components, generator=generator, dtype=torch.float64).argsort(dim=1, stable=True)
    kept = torch.arange(components) < sizes[:, None]
    return torch.zeros(len(sizes), components, dtype=torch.bool).scatter_(1, order, kept)


@dataclass(frozen=True, eq=False)
class KernelPairs:
    """One mask of every drawn pair; its complement is the other.

    ``weight`` makes a weighted sum over the pairs estimate the Shapley kernel's sum over all of them; ``left`` is the
    share of the pairs of that size that was not drawn, 0 where all were, and none of the error is theirs.
    """

    masks: Bool[Tensor, "pair component"]
    weight: Float[Tensor, " pair"]
    left: Float[Tensor, " pair"]


def kernel_pairs(components: int, n_pairs: int, generator: torch.Generator) -> KernelPairs:
    """Return pairs of a mask and its complement after their leverage scores, without repeats.

    In the least squares of the Shapley kernel all sizes of mask have the same leverage together, so they take turns, until
    the pairs of a size are used up; within a size any mask alike. The weight makes up for it: that of a size (s, d - s) is
    q = (d - 1) / (s (d - s)), shared by the pairs drawn. All pairs are returned where `n_pairs` suffices, and the first
    ones of a larger sample from the same generator are the smaller sample.
    """
    sizes = torch.arange(1, components // 2 + 1)
    halves = 2 * sizes == components  # its own complement: half as many pairs, half the weight, every other turn
    every = [math.comb(components, s) if 2 * s < components else math.comb(components - 1, s - 1) for s in sizes.tolist()]
    turns = take_turns([0.5 if half else 1.0 for half in halves.tolist()], every, n_pairs)
    seeds = torch.randint(2**62, (len(every),), generator=generator).tolist()
    masks = torch.zeros(len(turns), components, dtype=torch.bool)
    weight, left = torch.zeros(2, len(turns), dtype=torch.float64)
    for i, s in enumerate(sizes.tolist()):
        mine = (turns == i).nonzero().flatten()
        if len(mine):
            masks[mine] = _distinct(components, s, len(mine), seeded(seeds[i]))
            weight[mine] = (0.5 if halves[i] else 1.0) * (components - 1) / (s * (components - s)) / len(mine)
            left[mine] = 1 - len(mine) / every[i]
    return KernelPairs(masks, weight, left)


def lone_pairs(components: int, n_pairs: int, generator: torch.Generator) -> KernelPairs:
    """Return every component alone, with all others as its complement, then pairs of the other sizes in turn.

    For few pairs, at least one a component: what is said of each component then never hangs on which masks were drawn. Each
    pair counts by the Shapley kernel, (d - 1) / (s (d - s)), and not by how many of its size there are.
    """
    drawn = kernel_pairs(components, n_pairs, generator).masks
    masks = torch.cat([torch.eye(components, dtype=torch.bool), drawn[drawn.sum(dim=1) > 1]])[:n_pairs]
    sizes = masks.sum(dim=1).to(torch.float64)
    return KernelPairs(masks, (components - 1) / (sizes * (components - sizes)), torch.ones_like(sizes))


def take_turns(pace: list[float], available: list[int], total: int) -> Tensor:
    """Return who comes, turn by turn: each in proportion to its pace and no oftener than it can; everyone once at first."""
    longest = [min(have, total) for have in available]  # beyond 1000 components a binomial overflows a float
    due = [torch.arange(have, dtype=torch.float64) / p for have, p in zip(longest, pace, strict=True)]
    who = torch.cat([torch.full((have,), i) for i, have in enumerate(longest)] or [torch.zeros(0, dtype=torch.int64)])
    return who[torch.cat([*due, torch.zeros(0)]).argsort(stable=True)[:total]]


def _distinct(components: int, size: int, count: int, generator: torch.Generator) -> Bool[Tensor, "mask component"]:
    """Distinct masks of one size, any set of them alike; of half the components, only such as keep component 0.

    By number, out of a shuffled list of all, where the list is short enough; else by chance, where repeats are rare.
    """
    half = 2 * size == components
    free, kept = (components - 1, size - 1) if half else (components, size)
    every = math.comb(free, kept)
    if every <= MAX_LISTED:
        masks = _ranked(torch.randperm(every, generator=generator)[:count], free, kept)
    else:
        found: dict[bytes, Tensor] = {}
        while len(found) < count:  # blocks of one size, so that asking for more goes on where fewer ended
            found |= {row.numpy().tobytes(): row for row in of_size(torch.full((BLOCK,), kept), free, generator)}
        masks = torch.stack(list(itertools.islice(found.values(), count)))
    return torch.cat([torch.ones(count, 1, dtype=torch.bool), masks], dim=1) if half else masks


def _ranked(ranks: Tensor, components: int, size: int) -> Bool[Tensor, "mask component"]:
    """Masks of one size by their number in the order of the combinations (the combinatorial number system)."""
    masks = torch.zeros(len(ranks), components, dtype=torch.bool)
    left, rest = torch.full_like(ranks, size), ranks.clone()
    for i in reversed(range(components)):
        below = torch.tensor([math.comb(i, k) for k in range(size + 1)])[left]
        taken = (left > 0) & (rest >= below)
        masks[:, i] = taken
        rest, left = rest - below * taken, left - taken.long()
    return masks
