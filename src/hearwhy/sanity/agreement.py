"""Agreement: how alike two explanations of one recording are, and how sure a mean of such numbers is."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.metrics.statistics import bootstrap_mean

NEGLIGIBLE = 0.01  # of the largest value


def standard_ranks(values: Float[Tensor, "*row component"]) -> Float[Tensor, "*row component"]:
    """Return the ranks of each row, centred and of length one, so that a dot product is Spearman's rank correlation.

    Ties share their mean rank. A row that is constant ranks nothing: all zero, so that it agrees with nothing.

    Examples
    --------
    >>> ranks = standard_ranks(torch.tensor([[1.0, 5.0, 9.0], [7.0, 7.0, 7.0]]))
    >>> ranks.round(decimals=3)
    tensor([[-0.7070,  0.0000,  0.7070],
            [ 0.0000,  0.0000,  0.0000]], dtype=torch.float64)
    """
    from scipy.stats import rankdata

    ranks = torch.from_numpy(rankdata(values.to(torch.float64).numpy(), axis=-1)).to(torch.float64)
    centred = ranks - ranks.mean(dim=-1, keepdim=True)
    return centred / centred.norm(dim=-1, keepdim=True).clamp(min=1e-12)


def settled(values: Float[Tensor, "*row component"]) -> Float[Tensor, "*row component"]:
    """Return values with 0 in the place of each under a hundredth of its row's largest: the order of such is chance.

    Examples
    --------
    >>> settled(torch.tensor([5.0, -0.001, 0.002]))
    tensor([5., 0., 0.])
    """
    least = NEGLIGIBLE * values.abs().amax(dim=-1, keepdim=True)
    return torch.where(values.abs() < least, 0.0, values)


def rank_correlation(first: Float[Tensor, "*row component"], second: Float[Tensor, "*row component"]) -> Float[Tensor, " *row"]:
    """Return Spearman's rank correlation of two explanations, -1 to 1; 0 where one of them is constant.

    Of `settled` values: where one component is all there is, the order of the others says nothing.

    Examples
    --------
    >>> rank_correlation(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 20.0, 15.0]))
    tensor(0.5000, dtype=torch.float64)
    """
    return (standard_ranks(settled(first)) * standard_ranks(settled(second))).sum(dim=-1)


def top(values: Float[Tensor, " component"]) -> int | None:
    """Return the component with the largest positive value; None where none is positive."""
    return int(values.argmax()) if values.numel() and float(values.max()) > 0 else None


@dataclass(frozen=True)
class Mean:
    """A mean over units with its percentile interval of 95 % over groups; None where there are fewer than two groups."""

    mean: float
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.2f}" + ("" if self.low is None else f" [{self.low:.2f}, {self.high:.2f}]")

    def as_json(self) -> dict[str, Any]:
        """Return it as a dictionary."""
        low, high = (None if end is None else round(end, 6) for end in (self.low, self.high))
        return {"mean": round(self.mean, 6), "low": low, "high": high, "n": self.n}


def mean_of(values: Sequence[float] | Tensor, groups: Sequence[Hashable] | None = None, *, seed: int = 0) -> Mean:
    """Return the mean of some numbers, with an interval from resampling their groups (by default each is its own).

    Examples
    --------
    >>> str(mean_of([0.0, 1.0], ["one", "one"])), str(mean_of([0.5, 0.5]))
    ('0.50', '0.50 [0.50, 0.50]')
    """
    row = torch.as_tensor(values, dtype=torch.float64)
    groups = list(range(len(row))) if groups is None else list(groups)
    if len(set(groups)) < 2:
        return Mean(float(row.mean()), None, None, len(row))
    found = bootstrap_mean(row, groups, seed=seed)
    return Mean(float(found.mean), float(found.low), float(found.high), len(row))
