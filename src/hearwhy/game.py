"""The game a method plays: the score over the components that are there."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from hearwhy.attribution.rounds import Round
from hearwhy.scoring import TargetScore


class Game:
    """The score over the components that are present; the absent ones stay as they are and are never asked about.

    Parameters
    ----------
    score
        Score over all components.
    gradient
        Whether its slope is wanted; finding out whether there is one costs a forward pass.
    expect
        Told after every round of a method that goes on until it knows enough; returns how many masks there is time for.
        None: there is time.

    Raises
    ------
    ValueError
        Every component is absent.
    """

    def __init__(self, score: TargetScore, *, gradient: bool = False, expect: Callable[[Round], float] | None = None) -> None:
        parts = score.predict.parts
        self.score, self.full_shape = score, parts.shape
        self.present = ~torch.tensor(parts.absent).reshape(parts.shape)
        if not self.present.any():
            raise ValueError(f"Every part of {parts.recording.name} is over 60 dB below it; there is nothing to switch off.")
        self.n = int(self.present.sum())
        self.shape = self.full_shape if bool(self.present.all()) else (self.n,)
        self._slope = score.gradient if gradient else None
        self.gradient: Callable[[Tensor], Tensor] | None = None if self._slope is None else self._gradient
        self.expect = expect
        self.seconds = 0.0  # that asking took
        self._asked: dict[bytes, Tensor] = {}

    def __call__(self, mask: Tensor) -> Tensor:
        """Return the score (batch, target) of masks over the present components."""
        for row in mask.reshape(len(mask), -1).to(torch.bool):
            self._asked[row.numpy().tobytes()] = row
        started = time.perf_counter()
        answers = self.score(self.expand(mask))
        self.seconds += time.perf_counter() - started
        return answers

    def asked(self) -> Tensor:
        """Return every distinct mask that was scored, (mask, component), in the order of asking."""
        return torch.stack(list(self._asked.values())) if self._asked else torch.zeros(0, self.n, dtype=torch.bool)

    def probabilities(self, mask: Tensor) -> Tensor:
        """Return the probabilities (batch, label) under masks over the present components."""
        return self.score.predict.probabilities(self.expand(mask))

    def expand(self, mask: Tensor) -> Tensor:
        """Return the mask over all components, absent ones kept."""
        full = torch.ones(len(mask), self.present.numel(), dtype=mask.dtype)
        full[:, self.present.flatten()] = mask.reshape(len(mask), -1)
        return full.reshape(len(mask), *self.full_shape)

    def scatter(self, values: Tensor) -> Tensor:
        """Return values (target, *component) over all components; exactly 0 for what is absent."""
        full = torch.zeros(len(values), self.present.numel(), dtype=values.dtype)
        full[:, self.present.flatten()] = values.reshape(len(values), -1)
        return full.reshape(len(values), *self.full_shape)

    def _gradient(self, mask: Tensor) -> Tensor:
        assert self._slope is not None
        return self._slope(self.expand(mask)).flatten(2)[:, :, self.present.flatten()].reshape(len(mask), -1, *self.shape)
