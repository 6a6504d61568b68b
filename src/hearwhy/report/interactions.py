"""Interactions: what every two components do together beyond what each does alone, in a sentence and in a small matrix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

from hearwhy.report.case import Z95, Case
from hearwhy.report.verdict import NEGLIGIBLE
from hearwhy.report.words import Name, Sentence, say, signed

MAX_MATRIX = 8  # components whose matrix can be read on a telephone; of more, the strongest pairs are listed
MAX_PAIRS = 8
MIN_SHARE = 0.1  # of the strongest value: what acts together less than that changes no reading of the values


@dataclass(frozen=True)
class Pair:
    """Two components, by number, and how much more or less they add together than alone."""

    first: int
    second: int
    value: float
    stderr: float | None


@dataclass(frozen=True, eq=False)
class Pairs:
    """The interactions of the present components of one target.

    Parameters
    ----------
    case
        The target.
    present
        Their numbers, in the order of their values.
    """

    case: Case
    present: tuple[int, ...]

    @staticmethod
    def of(case: Case) -> Pairs | None:
        """Return the interactions of a case; None where they are not known, or where there are no two components."""
        present = sorted((i for i, absent in enumerate(case.absent) if not absent), key=lambda i: -case.values[i])
        known = case.attribution.interactions is not None and case.attribution.spectrum is None
        return Pairs(case, tuple(present)) if known and len(present) > 1 else None

    def pair(self, i: int, j: int) -> Pair:
        """Return two components."""
        a, t = self.case.attribution, self.case.target
        assert a.interactions is not None
        stderr = None if a.interactions_stderr is None else float(a.interactions_stderr[t, i, j])
        return Pair(i, j, float(a.interactions[t, i, j]), stderr)

    @cached_property
    def ranked(self) -> list[Pair]:
        """Every pair once, the largest of either sign first."""
        every = [self.pair(i, j) for k, i in enumerate(self.present) for j in self.present[k + 1 :]]
        return sorted(every, key=lambda pair: -abs(pair.value))

    @property
    def worth_showing(self) -> list[Pair]:
        """The pairs that are noticeable and can be told from nothing; none: the components act by themselves.

        Of many pairs some always look large: the level of 95 % is that of all of them together (Bonferroni).
        """
        a, t = self.case.attribution, self.case.target
        values = self.case.values if self.case.signed else [float(a.score_full[t] - a.score_base[t])]
        enough = max(NEGLIGIBLE[self.case.setting("scale", "log_odds")], MIN_SHARE * max(abs(value) for value in values))
        errors = NormalDist().inv_cdf(1 - 0.025 / len(self.ranked))
        return [pair for pair in self.ranked if abs(pair.value) >= max(enough, errors * (pair.stderr or 0.0))]

    @property
    def digits(self) -> int:
        """Digits behind the point: as many as a small cell has room for."""
        return 1 if abs(self.ranked[0].value) >= 1 else 2

    @property
    def error(self) -> float | None:
        """Half of the widest 95 % interval; None where nothing was sampled."""
        errors = [pair.stderr for pair in self.ranked if pair.stderr is not None]
        return Z95 * max(errors) if errors else None

    @property
    def matrix(self) -> list[dict[str, Any]] | None:
        """Rows of the lower triangle: a component's name, and its cells with those before it; None where they are too many."""
        if len(self.present) > MAX_MATRIX or not self.worth_showing:
            return None
        full = abs(self.ranked[0].value)
        return [
            {"name": self.case.component(i), "cells": [self._cell(self.pair(j, i), full) for j in self.present[:k]]}
            for k, i in enumerate(self.present)
        ]

    @property
    def listed(self) -> list[dict[str, Any]]:
        """The strongest pairs in a row, where there are too many components for a matrix."""
        full = abs(self.ranked[0].value)
        return [self._cell(pair, full) for pair in self.worth_showing[:MAX_PAIRS]]

    def _cell(self, pair: Pair, full: float) -> dict[str, Any]:
        names = [self.case.component(i) for i in (pair.first, pair.second)]
        error = None if pair.stderr is None else Z95 * pair.stderr
        return {"names": names, "value": pair.value, "error": error, "share": abs(pair.value) / full if full else 0.0}

    @property
    def sentence(self) -> Sentence:
        """What there is to say about them."""
        shown = self.worth_showing
        if not shown:
            largest = self.ranked[0]
            names = (self._name(largest.first), self._name(largest.second), signed(largest.value))
            return say("{}s act by themselves: no two of them add noticeably more or less together than alone "
                       "(at most {} and {}, {}).", self.case.thing.capitalize(), *names)  # fmt: skip
        said = self._said(shown[0])
        return said if len(shown) == 1 else (*said, *self._opposite(shown))

    def _opposite(self, shown: list[Pair]) -> Sentence:
        """The strongest pair of the other sign."""
        other = next((pair for pair in shown if (pair.value > 0) != (shown[0].value > 0)), None)
        return () if other is None else (" ", *self._said(other))

    def _said(self, pair: Pair) -> Sentence:
        names, size = (self._name(pair.first), self._name(pair.second)), signed(abs(pair.value)).lstrip("+")
        if pair.value > 0:
            return say("{} and {} together add {} more than each alone.", *names, size)
        return say("{} and {} together add {} less than each alone: in part each does what the other does.", *names, size)

    def _name(self, i: int) -> Name:
        return self.case.component(i)

    def as_json(self) -> dict[str, Any]:
        """Return them as a dictionary: the sentence, and every pair, the largest of either sign first."""
        pairs = [
            {
                "components": [str(self._name(pair.first)), str(self._name(pair.second))],
                "value": pair.value,
                "stderr": pair.stderr,
            }
            for pair in self.ranked
        ]
        return {"text": "".join(self.sentence), "noticeable": len(self.worth_showing), "pairs": pairs}
