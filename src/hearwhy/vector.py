"""Vector: the values that were explained, what they usually are, and what each one is as sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.components.audible import Audible, audible
from hearwhy.components.cells import Cells
from hearwhy.front_ends import FrontEnd
from hearwhy.spectrum import described, front_end_of
from hearwhy.types import Recording


@dataclass(frozen=True, eq=False)
class Vector:
    """The values of a recording's features, one a component.

    Parameters
    ----------
    values
        Of this recording: the mean over the frames, and over the features of a component that has several.
    usual, spread
        Mean and standard deviation over the clips of the classifier's background; NaN where it has none.
    rows
        Numbers of the features that each component is made of.
    front_end
        What made the features.
    """

    values: Float[Tensor, " component"]
    usual: Float[Tensor, " component"]
    spread: Float[Tensor, " component"]
    rows: tuple[tuple[int, ...], ...]
    front_end: FrontEnd

    @staticmethod
    def of(cells: Cells) -> Vector:
        """Return the values of vectors."""
        number, n = cells.cell[:, 0].cpu(), len(cells.names)
        share = torch.nn.functional.one_hot(number, n).T.to(torch.float64)
        share = share / share.sum(dim=1, keepdim=True)
        values = share @ cells.features.cpu().double().mean(dim=1)
        background = cells.classifier.background
        unknown = torch.full((n,), torch.nan)
        usual = unknown if background is None else (share @ background.mean.double()).float()
        variance = None if background is None else (share @ background.covariance.double() @ share.T).diagonal()
        spread = unknown if variance is None else variance.clamp(min=0).sqrt().float()
        rows = tuple(tuple(torch.nonzero(number == i)[:, 0].tolist()) for i in range(n))
        return Vector(values.float(), usual, spread, rows, cells.classifier.front_end)

    def audible(self, recording: Recording) -> tuple[Audible, ...]:
        """Return what each component is as sound: see `hearwhy.components.audible`."""
        return audible(recording, self.front_end, self.rows, self.spread)

    def voice(self, recording: Recording, i: int) -> Audible:
        """Return what one component is as sound, without making that of the others."""
        return audible(recording, self.front_end, self.rows[i : i + 1], self.spread[i : i + 1])[0]

    def described(self) -> dict[str, Any]:
        """Return all but the tensors as JSON can hold it."""
        return {"front_end": described(self.front_end), "rows": [list(mine) for mine in self.rows]}

    @staticmethod
    def from_described(told: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Vector:
        """Return the vector that `described` and `as_tensors` wrote down."""
        values, usual, spread = (tensors[f"vector_{name}"] for name in ("values", "usual", "spread"))
        return Vector(values, usual, spread, tuple(tuple(mine) for mine in told["rows"]), front_end_of(told["front_end"]))

    def as_tensors(self) -> dict[str, Tensor]:
        """Return what a file of arrays holds of it."""
        return {f"vector_{name}": getattr(self, name) for name in ("values", "usual", "spread")}
