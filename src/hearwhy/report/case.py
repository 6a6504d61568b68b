"""Case: one target of one attribution, with what every sentence about it needs to know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from hearwhy.attribution import METHODS
from hearwhy.report.grid import Grid
from hearwhy.report.standing import Standing
from hearwhy.report.words import Name, Sentence, joined, say
from hearwhy.result import Attribution
from hearwhy.spectrum import Masked
from hearwhy.targets import SUMS_TO_ONE, Target, any_of, parse_target

Z95 = 1.96  # 95 % of a normal distribution lies within so many standard errors
INAUDIBLE_GAP_DB = -90.0  # rounding of 16 bits: components that miss less than that add up to the recording


@dataclass(frozen=True, eq=False)
class Carrier:
    """What may carry a decision: a component, or a part that was split again, as one."""

    name: Name
    value: float
    without: Tensor | None
    pieces: tuple[int, ...]


@dataclass(frozen=True)
class Whole:
    """A part before any was split again: its value as one, what the values of its pieces sum to, and which they are."""

    number: int
    name: Name
    value: float
    total: float
    pieces: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Case:
    """One target of an attribution.

    Parameters
    ----------
    attribution
        What was explained.
    target
        Number of the target in it.
    """

    attribution: Attribution
    target: int = 0

    @property
    def name(self) -> Name:
        """The target, as it was asked for."""
        return Name(self.attribution.targets[self.target])

    @property
    def aim(self) -> Name:
        """The target as it reads in a sentence: of a contrast, "A rather than B"."""
        return self.what if self.against is None else Name(f"{self.what} rather than {self.against}")

    @cached_property
    def parsed(self) -> Target:
        """The labels of the target."""
        return parse_target(self.attribution.targets[self.target], self.attribution.labels)

    @property
    def what(self) -> Name:
        """What is explained, without what it is compared with: a label, or "A or B"."""
        return self._any(self.parsed.plus)

    @property
    def against(self) -> Name | None:
        """What a contrast compares with."""
        return self._any(self.parsed.minus) if self.parsed.minus else None

    def _any(self, labels: tuple[int, ...]) -> Name:
        return Name(joined([self.attribution.labels[i] for i in labels], "or"))

    def chance(self, row: Tensor) -> float:
        """Return the probability of what is explained in a row of probabilities."""
        return float(any_of(row, self.parsed.plus))

    def chance_against(self, row: Tensor) -> float:
        """Return the probability of what a contrast compares with."""
        return float(any_of(row, self.parsed.minus))

    def is_top(self, row: Tensor) -> bool:
        """Return whether the most probable label of a row is what is explained."""
        return top(row) in self.parsed.plus

    @property
    def values(self) -> list[float]:
        """Signed value of every flat component."""
        return _floats(self.attribution.values[self.target])

    @property
    def stderr(self) -> list[float] | None:
        """Sampling error of every flat component; None where nothing was sampled."""
        stderr = self.attribution.stderr
        return None if stderr is None else _floats(stderr[self.target])

    @property
    def errors95(self) -> float:
        """How many sampling errors an interval reaches that holds the truth in 95 %: more where it is known from few."""
        from scipy.special import stdtrit

        df = self.setting("df")
        return Z95 if df is None else float(stdtrit(df, 0.975))

    @property
    def absent(self) -> tuple[bool, ...]:
        """Which components are not there at all."""
        return self.attribution.absent or (False,) * len(self.attribution.names)

    @property
    def exclusive(self) -> bool:
        """Whether the labels exclude each other, so that the model says one of them."""
        activation = self.setting("activation", "softmax")
        total = float(self.attribution.probabilities.sum())
        return activation == "softmax" or (activation == "probability" and abs(total - 1) < SUMS_TO_ONE)

    @property
    def positive(self) -> list[int]:
        """Present components that speak for the target, strongest first."""
        return self.attribution.ranked("positive", self.target)

    @cached_property
    def wholes(self) -> dict[int, float]:
        """Values of what is present, by number: of components, and where some were split again, of the parts before."""
        parents = self.attribution.parents
        if parents is None:
            return {i: value for i, value in enumerate(self.values) if value and not self.absent[i]}
        values = enumerate(_floats(parents.values[self.target]))
        return {k: value for k, value in values if value and not all(self.absent[i] for i in parents.pieces(k))}

    @property
    def split_again(self) -> list[Whole]:
        """The parts before some were split again, in their order; none where none was."""
        parents = self.attribution.parents
        if parents is None:
            return []
        values = _floats(parents.values[self.target])
        pieces = [tuple(parents.pieces(k)) for k in range(len(parents.names))]
        totals = [sum(self.values[i] for i in mine) for mine in pieces]
        rows = enumerate(zip(parents.names, values, totals, pieces, strict=True))
        return [Whole(k, Name(name), value, total, mine) for k, (name, value, total, mine) in rows]

    @property
    def first(self) -> Carrier | None:
        """What speaks most for the target; None where nothing does."""
        k = max(self.wholes, key=self.wholes.__getitem__, default=None)
        return None if k is None or self.wholes[k] <= 0 else self._carrier(k)

    @property
    def least(self) -> Carrier | None:
        """What speaks most against it."""
        k = min(self.wholes, key=self.wholes.__getitem__, default=None)
        return None if k is None or self.wholes[k] >= 0 else self._carrier(k)

    def _carrier(self, k: int) -> Carrier:
        parents, rows = self.attribution.parents, self.attribution.without
        if parents is not None:
            return Carrier(Name(parents.names[k]), self.wholes[k], parents.without[k], tuple(parents.pieces(k)))
        return Carrier(self.component(k), self.wholes[k], None if rows is None else rows[k], (k,))

    @property
    def thing(self) -> str:
        """What can be switched off, in a word."""
        return "component" if self.attribution.vector is None else "feature"

    @property
    def usual(self) -> str | None:
        """What a value is when it is switched off, in words; None of sounds and cells, which are gone."""
        if self.attribution.vector is None:
            return None
        fill = str(self.setting("fill", "silence"))
        if self._expected:
            return "as the other values suggest"
        return "as usual" if fill.startswith("mean of ") or " typical rows of " in fill else f"as in {fill}"

    @property
    def _expected(self) -> bool:
        """Whether what is off is put to what the rest lets expect."""
        return str(self.setting("fill")).startswith("conditional of ")

    def lacking(self, name: Name) -> Sentence:
        """Say that a component is switched off: "without drums", "with mfcc 3 as usual"."""
        return say("without {}", name) if self.usual is None else say("with {} {}", name, self.usual)

    @property
    def lacking_all(self) -> str:
        """Say that everything is switched off."""
        if self.usual is None:
            return "with everything removed"
        return f"with every feature {'as usual' if self._expected else self.usual}"

    def standing(self, i: int) -> Standing | None:
        """Return where the value of a feature stands beside what is usual; None of sounds and cells."""
        return Standing.of(self.attribution, i)

    @property
    def added(self) -> tuple[int, ...]:
        """Components that the recording does not have: they were mixed in."""
        return () if self.attribution.added is None else self.attribution.added.components

    def setting(self, key: str, default: Any = None) -> Any:
        """Return one setting of the attribution."""
        return self.attribution.settings.get(key, default)

    def piece(self, i: int) -> Name:
        """Return the name of a component without that of the part it is a piece of."""
        parents, name = self.attribution.parents, self.component(i)
        return name if parents is None else Name(name.removeprefix(f"{parents.names[parents.of[i]]} / "))

    def component(self, i: int) -> Name:
        """Return the name of a component; of a cell of a spectrogram where it lies."""
        spectrum = self.attribution.spectrum
        if spectrum is None or self.grid is None:
            return Name(self.attribution.names[i])
        return Name(self.grid.place(spectrum.cell == i))

    @cached_property
    def grid(self) -> Grid | None:
        """Where the bins of the spectrogram lie; None where sounds were explained."""
        return None if self.attribution.spectrum is None else Grid.of(self.attribution.spectrum)

    @property
    def masked(self) -> Masked | None:
        """What the model says of a mask of the target's map; None where it was not asked."""
        return next((masked for masked in self.attribution.masked if masked.target == self.target), None)

    @property
    def looks_inside(self) -> bool:
        """Whether the values are those of every bin of a spectrogram, and of no score that masks were asked about."""
        entry = METHODS.get(str(self.setting("method")))
        return self.attribution.spectrum is not None and entry is not None and entry.asks == "network"

    @property
    def signed(self) -> bool:
        """Whether values say for or against; else they are shares of what matters, in whichever direction."""
        entry = METHODS.get(str(self.setting("method")))
        return entry is None or entry.signed

    def label_name(self, i: int) -> Name:
        """Return the name of a label."""
        return Name(self.attribution.labels[i])

    def tied(self) -> list[int]:
        """Return the strongest components that cannot be told from the first: their difference may be sampling error.

        Of independent errors; the estimates of one sample are correlated, mostly so that this is on the careful side.
        """
        return [i for i in self.positive if i == self.positive[0] or self.as_strong(self.positive[0], i)]

    def as_strong(self, first: int, other: int) -> bool:
        """Return whether a component cannot be told from a stronger one."""
        distance = self.values[first] - self.values[other]
        if self.stderr is None:
            return distance <= 1e-6 * abs(self.values[first])  # float32 rounding: two copies of one component
        return distance <= self.errors95 * math.hypot(self.stderr[first], self.stderr[other])


def gap_db(attribution: Attribution) -> float | None:
    """Return the level of what the components miss of the recording, in dB relative to it; None where that is nothing."""
    gap = attribution.settings.get("gap_db")
    return None if gap is None or not gap > INAUDIBLE_GAP_DB else float(gap)


def top(row: Sequence[float] | Tensor) -> int:
    """Return the number of the most probable label."""
    numbers = _floats(row) if isinstance(row, Tensor) else list(row)
    return max(range(len(numbers)), key=numbers.__getitem__)


def log_odds(p: float) -> float:
    """Return log p/(1-p), kept finite for probabilities that were rounded to 0 or 1."""
    p = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


def _floats(tensor: Tensor) -> list[float]:
    return [float(value) for value in tensor.flatten().tolist()]
