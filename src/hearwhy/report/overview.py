"""Overview: a timeline in words and numbers: when its target is heard, and what that rests on in the mean."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hearwhy.report.case import Case, top
from hearwhy.report.summary import label_row, likeliest, plain, summarise
from hearwhy.report.words import Sentence, probability, say
from hearwhy.targets import any_of
from hearwhy.timeline import Timeline

HEARD = 0.5  # a label of a model that may hear several at once counts as heard from here on
N_LEADERS = 3  # labels that a headline names
MINUTES_FROM_S = 180.0  # a time in a longer recording is told in minutes and seconds


@dataclass(frozen=True, eq=False)
class Course:
    """One target over the windows of a timeline.

    Parameters
    ----------
    timeline
        All windows.
    case
        The target in the first window that was explained.
    names
        Components by position; where windows have components of their own, those of the first with the most.
    values
        What each component adds in each window, (window, component); NaN where a window was not explained.
    same
        Whether every window was explained in the same components, so that their mean means something.
    """

    timeline: Timeline
    case: Case
    names: tuple[str, ...]
    values: NDArray[np.float64]
    same: bool

    @cached_property
    def chances(self) -> list[float]:
        """Probability of what is explained in every window; NaN where it is silent."""
        return self._any(self.case.parsed.plus)

    @cached_property
    def chances_against(self) -> list[float] | None:
        """Probability of what a contrast compares with in every window."""
        return self._any(self.case.parsed.minus) if self.case.parsed.minus else None

    @cached_property
    def explained(self) -> frozenset[int]:
        """Which windows were explained."""
        return frozenset(self.timeline.numbers)

    def _any(self, labels: tuple[int, ...]) -> list[float]:
        return [float(p) for p in any_of(self.timeline.probabilities, labels)]

    @property
    def highest(self) -> int:
        """The window in which what is explained is most probable; of a contrast, in which it leads by most."""
        lead = np.array(self.chances) - np.array(self.chances_against or 0.0)
        return int(np.nanargmax(lead))

    @property
    def mean(self) -> list[dict[str, Any]] | None:
        """Mean value of every component over the explained windows; None where they differ in components."""
        if not self.same:
            return None
        means = self.values[list(self.timeline.numbers)].mean(axis=0).tolist()
        return [{"name": name, "value": value} for name, value in zip(self.names, means, strict=True)]

    def chance_words(self, i: int) -> str:
        """Say how probable the target is in a window."""
        said = f"{self.case.what} {probability(self.chances[i])}"
        other = self.chances_against
        return said if other is None else f"{said}, {self.case.against} {probability(other[i])}"


def courses(timeline: Timeline) -> tuple[list[Course], dict[int, dict[str, Any]]]:
    """Return each target over time, and the summary of every explained window.

    Attributions are read one at a time, and only the first is kept.

    Raises
    ------
    ValueError
        No window was explained.
    """
    if not timeline.numbers:
        raise ValueError(f"No window of {timeline.name} was explained; there is nothing to report. Explain at least one.")
    first = timeline.attributions[timeline.numbers[0]]
    assert first is not None
    said = {}
    for i in timeline.numbers:
        attribution = first if i == timeline.numbers[0] else timeline.attributions[i]
        assert attribution is not None
        said[i] = summarise(attribution)
    return [_course(timeline, Case(first, target), said) for target in range(len(first.targets))], said


def _course(timeline: Timeline, case: Case, said: Mapping[int, dict[str, Any]]) -> Course:
    if case.attribution.spectrum is not None:  # cells and bins of one window have nothing to do with those of another
        return Course(timeline, case, (), np.full((len(timeline), 0), math.nan), False)
    rows = {i: summary["targets"][case.target]["components"] for i, summary in said.items()}
    names = [tuple(str(row["name"]) for row in found) for found in rows.values()]
    longest = max(names, key=len)
    values = np.full((len(timeline), len(longest)), math.nan)
    for i, found in rows.items():
        values[i, : len(found)] = [math.nan if row["value"] is None else row["value"] for row in found]
    return Course(timeline, case, longest, values, len(set(names)) == 1)


def marked(course: Course, said: Mapping[int, dict[str, Any]]) -> dict[str, Any] | None:
    """Return what masks of the maps show in the mean over the explained windows; None where sounds were explained.

    The probability of what is explained ``as_is``, of what the mask keeps (``kept``) and of what it removes (``removed``), and
    the mean of every metric over the windows in which it has a value.
    """
    maps = [summary["targets"][course.case.target]["map"] for summary in said.values()]
    asked = [found for found in maps if found is not None and found["chances"] is not None]
    if not asked:
        return None
    chances = {row: float(np.mean([found["chances"][row] for found in asked])) for row in ("as_is", "kept", "removed")}
    names = dict.fromkeys(name for found in asked for name in found["metrics"])
    values = {name: [found["metrics"][name] for found in asked if found["metrics"].get(name) is not None] for name in names}
    metrics = {name: float(np.mean(found)) for name, found in values.items() if found}
    return {"mask": asked[0]["mask"], "n_windows": len(asked), "chances": chances, "metrics": metrics}


def headline(course: Course) -> Sentence:
    """Return in words when the target is heard: in how many windows, and where most."""
    silent = sum(course.timeline.silent)
    if course.chances_against is not None:
        said = _contrast(course)
    else:
        said = _leaders(course) if course.case.exclusive else _heard(course)
    if not silent:
        return said
    return (*said, *say(" {} silent.", "1 window is" if silent == 1 else f"{silent} windows are"))


def _heard(course: Course) -> Sentence:
    i = course.highest
    number = sum(p >= HEARD for p in course.chances)
    p, where = probability(course.chances[i]), span(course.timeline, i)
    if len(course.timeline) == 1:
        return say("{} is {} in the only window, {}: {}.", course.case.what, "heard" if number else "not heard", where, p)
    words = (course.case.what, of(number, len(course.timeline)), f"{HEARD:g}", where, p)
    return say("{} is heard in {} windows (probability at least {}), most at {}, {}.", *words)


def _contrast(course: Course) -> Sentence:
    i, others = course.highest, course.chances_against or []
    number = sum(p > q for p, q in zip(course.chances, others, strict=True))
    how = "the only window" if len(course.timeline) == 1 else f"{of(number, len(course.timeline))} windows"
    how = f"not {how}" if len(course.timeline) == 1 and not number else how
    sides = (span(course.timeline, i), probability(course.chances[i]), probability(others[i]))
    return say("{} is more probable than {} in {}, most at {}, {} to {}.", course.case.what, course.case.against, how, *sides)


def _leaders(course: Course) -> Sentence:
    """Which labels are the most probable ones, in how many windows each; then where the target is."""
    timeline, case, i = course.timeline, course.case, course.highest
    tops = Counter(top(row) for row in timeline.probabilities if not row.isnan().any())
    ranked = tops.most_common()
    where = say("{} is most probable at {}, {}.", case.what, span(timeline, i), probability(course.chances[i]))
    if len(timeline) == 1:
        return (*say("{} leads in the only window. ", case.label_name(ranked[0][0])), *where)
    pieces = list(say("{} leads in {} windows", case.label_name(ranked[0][0]), of(ranked[0][1], len(timeline))))
    for at, (label, number) in enumerate(ranked[1:N_LEADERS], start=2):
        pieces += say("{}{} in {}", " and " if at == len(ranked) else ", ", case.label_name(label), number)
    others = ranked[N_LEADERS:]
    if others:
        pieces += say(" and {} in {}", "one other" if len(others) == 1 else f"{len(others)} others", sum(n for _, n in others))
    return (*pieces, ". ", *where)


def of(number: int, n: int) -> str:
    """Return how many of how many."""
    return f"{number or 'none'} of {n}"


def span(timeline: Timeline, i: int, to: str = "-") -> str:
    """Return from when to when a window lasts."""
    start, stop = timeline.spans_s[i]
    # Windows follow each other evenly: the first two show how fine the times are.
    digits = max(_digits(time) for pair in timeline.spans_s[:2] for time in pair)
    if timeline.spans_s[-1][1] <= MINUTES_FROM_S:
        return f"{start:.{max(1, digits)}f}{to}{stop:.{max(1, digits)}f} s"
    return f"{clock(start, digits)}{to}{clock(stop, digits)}"


def _digits(seconds: float) -> int:
    return next((digits for digits in (0, 1) if abs(seconds - round(seconds, digits)) < 1e-3), 2)


def clock(seconds: float, digits: int = 0) -> str:
    """Return a time as hours, minutes and seconds.

    Examples
    --------
    >>> clock(75.0), clock(75.26, 1), clock(3675.0), clock(59.999, 2)
    ('1:15', '1:15.3', '1:01:15', '1:00.00')
    """
    minutes, rest = divmod(round(seconds, digits), 60)
    hours, minutes = divmod(int(minutes), 60)
    tail = f"{rest:0{digits + 3 if digits else 2}.{digits}f}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def predictions(course: Course) -> dict[str, Any]:
    """Return the mean over the windows that are not silent, and the window in which the target is highest."""
    timeline, i = course.timeline, course.highest
    start, stop = timeline.spans_s[i]
    rows = (timeline.prediction, timeline.probabilities[i])
    mean, highest = (label_row(row, timeline.labels, _shown(course, row)) for row in rows)
    return {"mean": mean, "highest": {"start_s": start, "stop_s": stop, "labels": highest}}


def _shown(course: Course, row: Tensor) -> list[int]:
    return likeliest(row, [*course.case.parsed.plus, *course.case.parsed.minus])


def state(course: Course, i: int) -> str:
    """Return what became of a window: "silent", "explained" or "not explained"."""
    if math.isnan(course.chances[i]):
        return "silent"
    return "explained" if i in course.explained else "not explained"


def summarise_timeline(timeline: Timeline) -> dict[str, Any]:
    """Return what the page of a timeline says as a dictionary that JSON can hold; no number in it is NaN or infinite.

    Attributions are read one at a time.

    Returns
    -------
    dict
        ``verdict``; ``prediction``: the ``mean`` over windows and the ``highest`` window; ``windows``: of every one
        ``start_s``, ``stop_s``, ``verdict`` and the target's ``probability``, and of those explained everything that
        `summarise` returns; ``mean``: name and value of each component over the explained windows, None where these have
        components of their own; ``map``: what masks of spectrograms show in the mean, None where sounds were explained. All
        of the first target; ``targets`` holds verdict, prediction, mean and map of each one.

    Raises
    ------
    ValueError
        No window was explained.
    """
    found, said = courses(timeline)
    targets = [
        {"target": str(course.case.name), "verdict": "".join(headline(course)), "prediction": predictions(course),
         "mean": course.mean, "map": marked(course, said)} for course in found
    ]  # fmt: skip
    first = {key: targets[0][key] for key in ("verdict", "prediction", "mean", "map")}
    windows = [_window(found[0], i, said) for i in range(len(timeline))]
    return plain({"name": timeline.name, **first, "windows": windows, "targets": targets})


def _window(course: Course, i: int, said: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    start, stop = course.timeline.spans_s[i]
    verdict = state(course, i)
    if verdict == "not explained":
        verdict += f": {course.chance_words(i)}"
    return {"start_s": start, "stop_s": stop, "verdict": verdict, "probability": course.chances[i]} | said.get(i, {})
