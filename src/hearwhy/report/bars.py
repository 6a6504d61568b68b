"""Bars: where signed values with their intervals stand on one common axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MARGIN = 0.03  # of the axis, left free at either end


@dataclass(frozen=True)
class Bar:
    """One bar in percent of the axis' width: where it begins, how wide it is, and its interval."""

    x: float
    width: float
    positive: bool
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Axis:
    """A linear axis that holds zero, every value and every interval.

    Parameters
    ----------
    low, high
        Values at the two ends.
    """

    low: float
    high: float

    def percent(self, value: float) -> float:
        """Return where a value stands, in percent from the left end."""
        return round(100 * (value - self.low) / (self.high - self.low), 3)

    def bar(self, row: Mapping[str, Any]) -> Bar:
        """Return the bar of a component's row of the summary."""
        zero, end = self.percent(0), self.percent(row["value"])
        interval = row["ci95"]
        low, high = (None, None) if interval is None else map(self.percent, interval)
        return Bar(min(zero, end), abs(end - zero), row["value"] > 0, low, high)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Round values with their place in percent."""
        step = _step(self.high - self.low)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        digits = max(0, -math.floor(math.log10(step)))
        texts = [f"{i * step:.{digits}f}".replace("-", "\N{MINUS SIGN}") for i in range(first, last + 1)]
        return [(self.percent(i * step), text) for i, text in zip(range(first, last + 1), texts, strict=True)]


def axis(rows: Sequence[Mapping[str, Any]]) -> Axis:
    """Return the axis for the rows of a summary."""
    numbers = [0.0, *(row["value"] for row in rows), *(end for row in rows for end in row["ci95"] or ())]
    low, high = min(numbers), max(numbers)
    if high - low < 1e-9:  # nothing to draw: zero in the middle
        return Axis(-1.0, 1.0)
    margin = MARGIN * (high - low)
    return Axis(low - margin, high + margin)


def _step(span: float) -> float:
    """Return the round step of 1, 2 or 5 that makes at most five."""
    power = 10.0 ** math.floor(math.log10(span / 5))
    return next(step for step in (power, 2 * power, 5 * power, 10 * power) if span / step <= 5)
