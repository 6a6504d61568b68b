"""Heat: a timeline as a picture: where its windows stand, a curve of probability, and values as masks for two colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from hearwhy.report import png
from hearwhy.windowing import Span

GRID = 1600  # columns of the picture: more than a screen shows
ROW_PX = 8  # of the picture, for each component: a browser that smooths it blurs the edges only
GAP = 2  # columns left free between windows, where they are wide enough to be told apart
WIDE = 24  # columns from which a window is wide enough for that
TICK_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
MOST_TICKS = 9


@dataclass(frozen=True)
class Steps:
    """Where windows stand on the axis of time: each from its start to the start of the next.

    Parameters
    ----------
    spans_s
        Start and stop of every window in seconds.
    """

    spans_s: tuple[Span, ...]

    @property
    def start_s(self) -> float:
        """Where the axis begins."""
        return self.spans_s[0][0]

    @property
    def stop_s(self) -> float:
        """Where the axis ends."""
        return max(stop for _, stop in self.spans_s)

    @property
    def edges(self) -> NDArray[np.float64]:
        """Start of every window and the end of the last, as a share of the axis, 0 to 1."""
        times = np.array([start for start, _ in self.spans_s] + [self.stop_s])
        return (times - self.start_s) / max(self.stop_s - self.start_s, 1e-9)

    def percent(self, i: int) -> tuple[float, float]:
        """Return where a window begins and how wide it is, in percent of the axis."""
        left, right = self.edges[i], self.edges[i + 1]
        return round(100 * float(left), 3), round(100 * float(right - left), 3)

    @property
    def ticks(self) -> list[tuple[float, float]]:
        """Round times, each with its place in percent."""
        length = self.stop_s - self.start_s
        step = next((step for step in TICK_STEPS_S if length / step <= MOST_TICKS - 1), TICK_STEPS_S[-1])
        first, last = math.ceil(self.start_s / step - 1e-9), math.floor(self.stop_s / step + 1e-9)
        return [(round(100 * (i * step - self.start_s) / length, 3), i * step) for i in range(first, last + 1)]

    def columns(self, first: Sequence[int] = ()) -> NDArray[np.int64]:
        """Return the window in each column of the picture; of several in one, those named `first`."""
        edges = self.edges
        found = np.searchsorted(edges[1:-1], (np.arange(GRID) + 0.5) / GRID, side="right")
        for i in first:
            left = min(int(edges[i] * GRID), GRID - 1)
            found[left : max(left + 1, round(edges[i + 1] * GRID))] = i
        return found


def curve(steps: Steps, chances: Sequence[float]) -> tuple[str, str]:
    """Return an outline and an area as SVG paths on 1000 x 100: a step a window, none where it is silent."""
    edges = [round(1000 * float(edge), 2) for edge in steps.edges]
    line, area = [], []
    for i, p in enumerate(chances):
        if math.isnan(p):
            continue
        y, broken = round(100 - 100 * p, 2), i == 0 or math.isnan(chances[i - 1])
        line.append(f"M{edges[i]:g} {y:g}H{edges[i + 1]:g}" if broken else f"V{y:g}H{edges[i + 1]:g}")
        area.append(f"M{edges[i]:g} 100V{y:g}H{edges[i + 1]:g}V100Z")
    return "".join(line), "".join(area)


def runs(columns: NDArray[np.int64], wanted: Sequence[bool]) -> list[tuple[float, float]]:
    """Return where windows that are wanted follow each other without a break, (begin, width) in percent."""
    found, at = [], 0
    for kept, group in groupby(wanted[i] for i in columns):
        n = len(list(group))
        if kept:
            found.append((100 * at / GRID, 100 * n / GRID))
        at += n
    return found


def masks(columns: NDArray[np.int64], values: Float[np.ndarray, "window component"]) -> tuple[bytes, bytes, float]:
    """Return two PNGs that say how much of the positive and of the negative colour each cell gets, and what full is.

    Opacity grows linearly with the value; the largest of either sign is opaque in both pictures.
    """
    full = float(np.nanmax(np.abs(values), initial=0.0))
    cells = np.nan_to_num(values[columns].T / (full or 1.0))  # (component, column)
    ends = np.flatnonzero(np.diff(columns, append=-1))
    for end, width in zip(ends, np.diff(ends, prepend=-1), strict=True):
        if width >= WIDE and end < GRID - 1:
            cells[:, end + 1 - GAP : end + 1] = 0
    cells = cells.repeat(ROW_PX, axis=0)
    return png.stencil(cells.clip(0, 1)), png.stencil((-cells).clip(0, 1)), full
