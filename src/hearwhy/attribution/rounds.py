"""Rounds: asking about more masks until the values are known well enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hearwhy.attribution.sampling import ask
from hearwhy.types import Estimate, Score

Auto = Literal["auto"]
TOLERANCE = 0.01  # of the range of values, that the largest standard error may be
FIRST = 64  # masks of the first round, or 8 a component: fewer do not know their own error
MOST = 2**17  # masks, after which it ends whatever the error
BEYOND = 1.15  # times the masks forecast: stopping again and again on the brink would pick the rounds that flatter themselves
GROWTH = 2.0  # a round at most doubles the masks, as the error it is forecast from is uncertain itself
PRECISION = 1e-6  # of the largest value: what scores in float32 can resolve
Z95 = 1.959964
WORTH_IT = 1.1  # times the masks so far: a round that adds less changes next to nothing


@dataclass(frozen=True)
class Round:
    """What is known after a round: masks asked, masks forecast in the end, and the largest error as a share of the range."""

    n_masks: int
    expected: int
    error: float
    tolerance: float


class Remembered:
    """A score in float64 that asks about no mask twice; ``n_asked`` masks so far."""

    def __init__(self, score: Score, shape: tuple[int, ...]) -> None:
        self._score, self._shape = score, shape
        self._row: dict[bytes, int] = {}
        self._answers: list[Tensor] = []

    def __call__(self, mask: Bool[Tensor, " mask *component"]) -> Float[Tensor, "mask target"]:
        """Return the score of every mask."""
        flat = mask.reshape(len(mask), -1)
        keys = [row.tobytes() for row in flat.numpy()]
        fresh = {key: i for i, key in enumerate(keys) if key not in self._row}
        if fresh:
            self._row |= {key: len(self._answers) + i for i, key in enumerate(fresh)}
            self._answers.extend(ask(self._score, flat[list(fresh.values())].reshape(-1, *self._shape)))
        return torch.stack([self._answers[self._row[key]] for key in keys])

    @property
    def n_asked(self) -> int:
        """How many distinct masks were asked."""
        return len(self._answers)


def in_rounds(
    estimate: Callable[[Score, int], Estimate], score: Score, shape: tuple[int, ...], *, tolerance: float,
    first: int | None = None, every: int | None = None,
) -> Estimate:  # fmt: skip
    """Return the first of ever larger samples whose largest standard error is under `tolerance` times the range of values.

    Errors fall as one over the root of the masks, which says how many it will take. A round goes there, but at most doubles
    the masks; where `every` one takes at most twice as many, all are asked and nothing is left to doubt. Every round keeps
    the masks of the last. A score that has ``expect(Round)`` is told after each, and returns how many masks there is time for
    in all: the next round asks no more, and where that is hardly more than were asked it ends.

    Parameters
    ----------
    estimate
        ``(score, n_samples)`` to an Estimate; the masks of a smaller sample are among those of a larger one.
    score, shape
        As of a method.
    tolerance
        Above 0, below 1.
    first
        Masks of the first round; 64, or 8 a component, by default.
    every
        Masks after which the values are exact; 2**components by default.

    Raises
    ------
    ValueError
        The tolerance is not between 0 and 1.
    """
    if not isinstance(tolerance, (int, float)) or not 0 < tolerance < 1:
        raise ValueError(
            f"tolerance is a share of the range of values, between 0 and 1; got {tolerance!r}. The usual one is 0.01."
        )
    asked, d = Remembered(score, shape), math.prod(shape)
    expect: Callable[[Round], float] = getattr(score, "expect", None) or (lambda told: math.inf)
    masks = 2**d if d < MOST.bit_length() else math.inf
    n: float = min(masks, first or max(FIRST, 8 * d))
    exhausted = every or masks
    while True:
        found = estimate(asked, int(n))
        error = doubt(found)
        wanted = _wanted(n, error / tolerance, exhausted)
        expected = asked.n_asked if error <= tolerance else max(asked.n_asked, math.ceil(wanted))
        told = Round(asked.n_asked, expected, error, tolerance)
        most = min(MOST, expect(told))
        if error <= tolerance or most < WORTH_IT * n:
            return replace(found, n_calls=asked.n_asked)
        n = min(_next(n, wanted, exhausted), most // 2 * 2)


def _wanted(n: float, excess: float, every: float) -> float:
    """Masks that it takes to bring the error down by `excess`: all there are, where that is at most twice as many."""
    wanted = n if excess <= 1 else min(n * excess**2, MOST)
    return every if excess > 1 and every <= 2 * wanted else wanted


def _next(n: float, wanted: float, every: float) -> float:
    """Masks of the next round."""
    if wanted == every and 2 * GROWTH * n >= every:
        return every
    return min(2 * math.ceil(min(max(BEYOND * wanted, 1.25 * n), GROWTH * n) / 2), every)


def doubt(estimate: Estimate) -> float:
    """Return the largest standard error over the range of its target's values, the worst target; 0 where nothing was sampled.

    Errors that few degrees of freedom know poorly count for more, as they do in an interval: by Student's t over the normal.

    Examples
    --------
    >>> doubt(Estimate(torch.tensor([[1.0, 3.0]]), torch.zeros(1), 9, torch.tensor([[0.1, 0.02]])))
    0.05...
    """
    if estimate.stderr is None:
        return 0.0
    values = estimate.values.flatten(1).double()
    stderr = estimate.margin().flatten(1).double().amax(1) / Z95
    span = (values.amax(1) - values.amin(1)).clamp(min=1e-300)
    known = stderr <= PRECISION * torch.maximum(values.abs().amax(1), estimate.base.abs().double())
    return float(torch.where(known, 0.0, stderr / span).max())
