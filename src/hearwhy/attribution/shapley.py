"""Shapley values: what each component adds to the score, averaged over every order in which they could be added."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from decimal import Decimal  # 2**components overflows a float beyond 1023

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hearwhy.attribution.sampling import N_SAMPLES, ask, numbered, rows_a_chunk
from hearwhy.types import Estimate, Score

MAX_COMPONENTS = 24  # 17 million masks: half an hour for a model that takes 0.1 ms, and none does
FIRST_ROWS = 64  # masks timed before going on; asked twice, for the first batch may still be warming up


def shapley(score: Score, shape: tuple[int, ...], *, max_s: float = 1800.0) -> Estimate:
    """Return the exact Shapley values of the components.

    ``values[i] = sum over masks S without i of |S|! (d - |S| - 1)! / d! * (score(S + i) - score(S))``. The only
    values that sum to the score difference, give nothing to what changes nothing, treat equals alike and add up over
    scores. Costs all 2**d masks, each asked once (16 components: 65536). Summed in float64 as the answers come,
    so memory does not grow with 2**d; returned in float32. Bad at: many components, and masks that sound like nothing
    the model ever heard, for the near-empty ones count as much as the near-full ones.

    Laws: all of them, exactly.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.
    max_s
        Longest time in seconds it may be forecast to take, from the first 128 masks.

    Returns
    -------
    Estimate
        ``values`` (target, *shape), in the unit of the score, positive where the component speaks for the target; they
        sum to score(ones) - score(zeros). ``base`` is score(zeros). ``stderr`` None: nothing is sampled.

    Raises
    ------
    ValueError
        There are more than 24 components, or it would take longer than `max_s`.

    References
    ----------
    L. S. Shapley, A value for n-person games, Contributions to the Theory of Games II, 1953. No deviation.

    Examples
    --------
    >>> glove = lambda mask: (mask[:, 2] & (mask[:, 0] | mask[:, 1])).float()[:, None]  # gloves: left, left, right
    >>> shapley(glove, (3,)).values
    tensor([[0.1667, 0.1667, 0.6667]])
    """
    n = math.prod(shape)
    if not max_s > 0:
        raise ValueError(f"max_s must be a positive number of seconds; got {max_s!r}.")
    if n > MAX_COMPONENTS:
        raise ValueError(
            f"exact shapley needs 2**components masks, and {n} components would take {Decimal(2**n):.1e}. {_remedy(n)}"
        )
    nothing = ask(score, torch.zeros(1, *shape, dtype=torch.bool))[0]
    with_i, without_i = size_weights(n)
    values = torch.zeros((), dtype=torch.float64)
    for masks, scores in _answers(score, shape, max_s):
        sizes = masks.sum(dim=1)
        share = torch.where(masks, with_i[sizes][:, None], -without_i[sizes][:, None])  # (mask, component)
        # A component's shares cancel over all masks: taking score(zeros) off keeps a large offset from rounding.
        values = values + (scores - nothing).T @ share
    return Estimate(values.reshape(-1, *shape).float(), nothing.float(), n_calls=2**n)


def size_weights(n: int) -> tuple[Float[Tensor, " size"], Float[Tensor, " size"]]:
    """Return what a mask of each size 0..n counts for a component that is in it, and (negated) for one that is not."""
    fact = math.factorial
    with_i = [0.0] + [fact(s - 1) * fact(n - s) / fact(n) for s in range(1, n + 1)]
    without_i = [fact(s) * fact(n - s - 1) / fact(n) for s in range(n)] + [0.0]
    return torch.tensor(with_i, dtype=torch.float64), torch.tensor(without_i, dtype=torch.float64)


def _answers(
    score: Score, shape: tuple[int, ...], max_s: float
) -> Iterator[tuple[Bool[Tensor, "mask component"], Float[Tensor, "mask target"]]]:
    """All masks but the empty one, flat, and their scores in chunks; stops where it would take too long."""
    n, first, fastest = math.prod(shape), 1, math.inf
    while first < 2**n:
        rows = FIRST_ROWS if first < 2 * FIRST_ROWS else rows_a_chunk(shape)
        masks = numbered(torch.arange(first, min(first + rows, 2**n)), shape)
        started = time.perf_counter()
        scores = score(masks).to("cpu", torch.float64)
        fastest = min(fastest, (time.perf_counter() - started) / len(masks))
        if first == 1 + FIRST_ROWS and fastest * 2**n > max_s:
            raise ValueError(
                f"exact shapley would take about {fastest * 2**n:.3g} s for 2**{n} = {2**n} masks, longer than "
                f"max_s={max_s:g}. {_remedy(n)} Or give it the time: shapley(max_s={fastest * 2**n * 1.5:.2g})."
            )
        yield masks.flatten(1), scores
        first += len(masks)


def _remedy(n: int) -> str:
    calls = max(N_SAMPLES, 4 * n)
    method = "kernel_shap" if calls == N_SAMPLES else f"'kernel_shap(n_samples={calls})'"
    fewer = min(16, n - 2)
    return f"Use --method {method} (about {calls} masks), or at most {fewer} components."
