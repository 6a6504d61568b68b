"""Waterfall: the way from the score with nothing to the score of the recording, one component a step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hearwhy.report.bars import MARGIN, Axis, Bar
from hearwhy.report.case import Case
from hearwhy.report.words import Name

MOST = 10  # steps of their own; the rest is one step
MIN_GAP = 0.005  # what would be read as 0.00 gets no step


@dataclass(frozen=True)
class Step:
    """One step: what takes it, where it begins and ends, and half of its 95 % interval (None where nothing was sampled)."""

    name: str
    start: float
    stop: float
    error: float | None = None

    @property
    def value(self) -> float:
        """How far it goes."""
        return self.stop - self.start


@dataclass(frozen=True)
class Waterfall:
    """Steps that lead from `base` to `score`.

    Parameters
    ----------
    base
        The model's own score with everything switched off.
    steps
        The largest components, strongest first; then all the others as one; then what the values miss of the score.
    score
        The model's own score of the recording, where the last step ends.
    """

    base: float
    steps: tuple[Step, ...]
    score: float

    @staticmethod
    def of(case: Case, *, most: int = MOST) -> Waterfall:
        """Return the waterfall of a target.

        Values of most methods add up by construction to what the model's two scores differ by; of those that do not (lime,
        occlusion) a last step says what they miss. The interval of the others together takes their sampling errors as
        independent.

        Raises
        ------
        ValueError
            The values are shares without a sign, or those of a method that looks inside: they add up to no score.
        """
        if not case.signed or case.looks_inside:
            raise ValueError(f"Values of {case.setting('method')} do not add up to a score, so there is no waterfall of them; "
                             "explain with kernel_shap.")  # fmt: skip
        values, a = case.values, case.attribution
        ranked = sorted((i for i, value in enumerate(values) if not case.absent[i]), key=lambda i: -abs(values[i]))
        kept = ranked if len(ranked) <= most + 1 else ranked[:most]
        groups = [(str(label(case, i)), [i]) for i in kept]
        if others := ranked[len(kept) :]:
            groups.append((f"the other {len(others)}", others))
        base, score = float(a.score_base[case.target]), float(a.score_full[case.target])
        at, steps = base, []
        for name, mine in groups:
            steps.append(Step(name, at, at + sum(values[i] for i in mine), _error(case, mine)))
            at = steps[-1].stop
        if abs(score - at) >= MIN_GAP:
            steps.append(Step("what the values miss", at, score))
        return Waterfall(base, tuple(steps), score)

    @property
    def axis(self) -> Axis:
        """The axis that holds every step and its interval."""
        ends = [self.base, self.score]
        for step in self.steps:
            ends += [step.stop, step.stop - (step.error or 0.0), step.stop + (step.error or 0.0)]
        low, high = min(ends), max(ends)
        margin = MARGIN * (high - low) or 1.0
        return Axis(low - margin, high + margin)

    def bar(self, step: Step) -> Bar:
        """Return the bar of a step in percent of the axis."""
        scale = self.axis
        start, stop = scale.percent(step.start), scale.percent(step.stop)
        error = step.error
        low, high = (None, None) if error is None else (scale.percent(step.stop - error), scale.percent(step.stop + error))
        return Bar(min(start, stop), abs(stop - start), step.value > 0, low, high)


def label(case: Case, i: int) -> Name:
    """Return what a component is called where there is room for its value: "mfcc 3 = \N{MINUS SIGN}12.3"."""
    standing = case.standing(i)
    return case.component(i) if standing is None else Name(f"{case.component(i)} = {standing.here}")


def _error(case: Case, mine: list[int]) -> float | None:
    stderr = case.stderr
    return None if stderr is None else case.errors95 * math.hypot(*(stderr[i] for i in mine))
