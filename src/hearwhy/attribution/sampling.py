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


def check_n_samples(method: str, n_samples: int, shape: tuple[int, ...], *, per_component: int = 4) -> None:
    """Raise ValueError where so few masks cannot tell so many components apart."""
    n = math.prod(shape)
    minimum = max(2, min(per_component * n, 2**n))
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
    components, pairs = math.prod(shape), n // 2
    if components <= MAX_RANKED:  # of every pair one mask lacks the last component: its number is below half
        drawn = 1 + torch.randperm(2 ** (components - 1) - 1, generator=generator)[: pairs - 1]
        masks = numbered(torch.cat([torch.zeros(1, dtype=torch.int64), drawn]), shape)
    else:
        masks = coin_flips(shape, pairs, generator)
        masks[0] = False
    return torch.stack([~masks, masks], dim=1).flatten(0, 1)


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
    return _of_size(drawn, components, generator).reshape(-1, *shape)


def _of_size(sizes: Tensor, components: int, generator: torch.Generator) -> Tensor:
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
    """Return pairs of a mask and its complement, stratified by size and without repeats.

    A pair of sizes (s, d - s) has the Shapley kernel's total weight q = (d - 1) / (s (d - s)); a pair's pull on the
    fit grows as sqrt(s (d - s)), so ~ q sqrt(s (d - s)) of the pairs go to each size, which is Neyman's allocation
    for equal residuals. Small sizes are thereby exhausted first. All pairs are returned where `n_pairs` suffices.
    """
    sizes = range(1, components // 2 + 1)
    both = [2 * s < components for s in sizes]  # s = d/2 is its own complement: half as many pairs, half the weight
    available = [math.comb(components, s) if b else math.comb(components - 1, s - 1) for s, b in zip(sizes, both, strict=True)]
    total = [(1.0 if b else 0.5) * (components - 1) / (s * (components - s)) for s, b in zip(sizes, both, strict=True)]
    wanted = [q * math.sqrt(s * (components - s)) for q, s in zip(total, sizes, strict=True)]
    masks, weight, left = [torch.zeros(0, components, dtype=torch.bool)], [], []
    for s, b, have, q, m in zip(sizes, both, available, total, allocate(wanted, available, n_pairs), strict=True):
        if m:
            masks.append(_distinct(components, s, m, generator) if b else _halves(components, m, generator))
            weight += [q / m] * m
            left += [1 - m / have] * m
    return KernelPairs(torch.cat(masks), *(torch.tensor(x, dtype=torch.float64) for x in (weight, left)))


def allocate(wanted: list[float], available: list[int], total: int) -> list[int]:
    """Return whole numbers in proportion to `wanted`, none above `available`, that sum to `total` or to all there is.

    Rounded by largest remainders; each gets at least 1 where `total` allows.
    """
    given = [0] * len(wanted)
    left = min(total, sum(available))
    available = [min(have, left) for have in available]  # beyond 1000 components a binomial overflows a float
    for i in sorted(range(len(wanted)), key=lambda i: -wanted[i])[:left]:
        given[i] = 1
    left -= sum(given)
    while left:
        open_ = [i for i in range(len(wanted)) if given[i] < available[i]]
        scale = left / sum(wanted[i] for i in open_)
        share = {i: min(wanted[i] * scale, float(available[i] - given[i])) for i in open_}
        whole = {i: math.floor(x) for i, x in share.items()}
        if not any(whole.values()):
            for i in sorted(open_, key=lambda i: whole[i] - share[i])[:left]:
                whole[i] = 1
        for i, x in whole.items():
            given[i] += x
        left -= sum(whole.values())
    return given


def _halves(components: int, count: int, generator: torch.Generator) -> Tensor:
    """Distinct masks of half the components, of each pair the one that keeps component 0."""
    rest = _distinct(components - 1, components // 2 - 1, count, generator)
    return torch.cat([torch.ones(count, 1, dtype=torch.bool), rest], dim=1)


def _distinct(components: int, size: int, count: int, generator: torch.Generator) -> Bool[Tensor, "mask component"]:
    """Distinct masks of one size, any set of them alike; from a list of all where half or more of them are wanted."""
    every = math.comb(components, size)
    if 2 * count >= every:
        kept = torch.tensor(list(itertools.combinations(range(components), size)), dtype=torch.int64).reshape(every, size)
        kept = kept[torch.randperm(every, generator=generator)[:count]]
        return torch.zeros(count, components, dtype=torch.bool).scatter_(1, kept, True)
    found: dict[bytes, Tensor] = {}
    while len(found) < count:
        drawn = _of_size(torch.full((count,), size), components, generator)
        found |= {row.numpy().tobytes(): row for row in drawn}
    return torch.stack(list(itertools.islice(found.values(), count)))
