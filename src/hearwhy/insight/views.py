"""Views: what was found on common axes: one row a snippet, one column a component, and what counts most in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from hearwhy.insight.rows import Explanation, Snippet
from hearwhy.targets import SUMS_TO_ONE

NOTHING = "nothing present"
"""The outcome where no component that is there explains the target."""
PREDICTED = "what the model predicts"
"""The view that holds, of every snippet, the explanation of the label that the model predicts."""
# Below these a value changes nothing that anyone would act on: 0.05 log-odds are 5 % of the odds.
NOTICEABLE = {"log_odds": 0.05, "logit": 0.05, "probability": 0.01}
NOTICEABLE_SHARE = 0.05  # of the strongest value of either sign


@dataclass(frozen=True, eq=False)
class Insight:
    """Everything that was found about a dataset.

    Parameters
    ----------
    about
        What was asked of which model: ``model labels activation scale method components data layout`` and more.
    snippets
        All that were explained.
    n_silent
        Snippets that were left out because they are silent.
    problems
        Recording, condition and what was wrong, of all that could not be explained.
    seconds
        Time that the explanations took.
    """

    about: Mapping[str, Any]
    snippets: tuple[Snippet, ...]
    n_silent: int = 0
    problems: tuple[tuple[str, str, str], ...] = ()
    seconds: float = 0.0

    @property
    def labels(self) -> tuple[str, ...]:
        """What the model tells apart."""
        return tuple(self.about["labels"])

    @property
    def scale(self) -> str:
        """What the values are measured on."""
        return str(self.about["scale"])

    @cached_property
    def exclusive(self) -> bool:
        """Whether the labels exclude each other, so that the model says one of them."""
        if self.about["activation"] != "probability":
            return bool(self.about["activation"] == "softmax")
        return all(abs(sum(snippet.chances) - 1) < SUMS_TO_ONE for snippet in self.snippets)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every component that any snippet has: one axis each, in the order in which they first stand."""
        return tuple(dict.fromkeys(name for snippet in self.snippets for name in snippet.names))

    @property
    def of_values(self) -> bool:
        """Whether components are values of features, which have values of their own and no sound."""
        return any(value is not None for snippet in self.snippets for value in snippet.own)

    def predicted(self, snippet: Snippet) -> str:
        """Return the most probable label of a snippet."""
        return self.labels[snippet.predicted]

    @cached_property
    def views(self) -> tuple[View, ...]:
        """What can be looked at as one: of every snippet its predicted label, and every target that all of them share.

        The first is the main one: the predicted labels where they were all explained, else the first target.
        """
        found = []
        own = [_of(snippet, self.predicted(snippet)) for snippet in self.snippets]
        if all(explanation is not None for explanation in own):
            found.append(View(self, PREDICTED, self.snippets, tuple(e for e in own if e is not None)))
        counts = Counter(e.target for snippet in self.snippets for e in snippet.explanations)
        for target in (target for target, n in counts.items() if n == len(self.snippets)):
            of_target = [_of(snippet, target) for snippet in self.snippets]
            found.append(View(self, target, self.snippets, tuple(e for e in of_target if e is not None)))
        if not found:  # "top:3" of a tagger whose targets differ from snippet to snippet
            pairs = [(snippet, e) for snippet in self.snippets for e in snippet.explanations[:1]]
            found.append(View(self, "the first target", tuple(s for s, _ in pairs), tuple(e for _, e in pairs)))
        return tuple(_without_twins(found))

    @cached_property
    def by_target(self) -> dict[str, View]:
        """All explanations of each target, the most frequent and then the most probable first: what profiles are made of."""
        held: dict[str, list[tuple[Snippet, Explanation]]] = {}
        for snippet in self.snippets:
            for explanation in snippet.explanations:
                held.setdefault(explanation.target, []).append((snippet, explanation))
        mean = dict(zip(self.labels, np.mean([snippet.chances for snippet in self.snippets], axis=0), strict=True))
        ranked = sorted(held.items(), key=lambda pair: (-len(pair[1]), -float(mean.get(pair[0], 0.0))))
        return {target: View(self, target, tuple(s for s, _ in pairs), tuple(e for _, e in pairs)) for target, pairs in ranked}


@dataclass(frozen=True, eq=False)
class View:
    """One explanation each of some snippets, on common axes.

    Parameters
    ----------
    insight
        What it is a view of.
    name
        What is explained.
    snippets, explanations
        One of each a row.
    """

    insight: Insight = field(repr=False)
    name: str
    snippets: tuple[Snippet, ...]
    explanations: tuple[Explanation, ...]

    def __len__(self) -> int:
        return len(self.snippets)

    @property
    def names(self) -> tuple[str, ...]:
        """The axes."""
        return self.insight.names

    @cached_property
    def values(self) -> Float[np.ndarray, "row component"]:
        """Value of every component; 0 where it is absent, NaN where a snippet has no such component."""
        return self._spread([explanation.values for explanation in self.explanations])

    @cached_property
    def stderr(self) -> Float[np.ndarray, "row component"]:
        """Sampling error of every value; 0 where it is exact."""
        return self._spread([explanation.stderr or (0.0,) * len(explanation.values) for explanation in self.explanations])

    @cached_property
    def own(self) -> Float[np.ndarray, "row component"]:
        """What each feature's own value is; NaN of components that are none."""
        return self._spread([snippet.own for snippet in self.snippets])

    @cached_property
    def levels_db(self) -> Float[np.ndarray, "row component"]:
        """Level of every component; NaN where there is none."""
        return self._spread([snippet.levels_db for snippet in self.snippets])

    @cached_property
    def present(self) -> Bool[np.ndarray, "row component"]:
        """Which components are there."""
        return self._spread([[float(not absent) for absent in snippet.absent] for snippet in self.snippets]) == 1

    def _spread(self, rows: Sequence[Sequence[float | None]]) -> Float[np.ndarray, "row component"]:
        place = {name: i for i, name in enumerate(self.names)}
        found = np.full((len(rows), len(place)), np.nan)
        for i, (snippet, row) in enumerate(zip(self.snippets, rows, strict=True)):
            found[i, [place[name] for name in snippet.names]] = [np.nan if x is None else x for x in row]
        return found

    @cached_property
    def groups(self) -> list[str]:
        """What each row's recording was cut from."""
        return [snippet.group for snippet in self.snippets]

    @cached_property
    def predictions(self) -> list[str]:
        """What the model predicts in each row."""
        return [self.insight.predicted(snippet) for snippet in self.snippets]

    @cached_property
    def right(self) -> list[bool | None]:
        """Whether the model predicts the true label; None where that is not known, or no label of the model."""
        known = [snippet.label if snippet.label in self.insight.labels else None for snippet in self.snippets]
        return [None if label is None else label == said for label, said in zip(known, self.predictions, strict=True)]

    @cached_property
    def tops(self) -> list[str]:
        """The most important component of each row, or `NOTHING`."""
        return [self._top(*pair) for pair in zip(self.snippets, self.explanations, strict=True)]

    @cached_property
    def loudest(self) -> list[str | None]:
        """The loudest component of each row."""
        return [snippet.loudest for snippet in self.snippets]

    def _top(self, snippet: Snippet, explanation: Explanation) -> str:
        """The component with the largest positive value, unless that is no answer: see the report's own verdict."""
        values = [0.0 if gone else value for value, gone in zip(explanation.values, snippet.absent, strict=True)]
        best = max(range(len(values)), key=values.__getitem__)
        least = max(NOTICEABLE[self.insight.scale], NOTICEABLE_SHARE * max(map(abs, values)))
        return NOTHING if values[best] < least or self._fill_alone(snippet, explanation, values[best]) else snippet.names[best]

    def _fill_alone(self, snippet: Snippet, explanation: Explanation, strongest: float) -> bool:
        """Whether what stands for the removed components says it by itself, and more than any component adds."""
        insight = self.insight
        if explanation.target not in insight.labels:
            return explanation.score_base > 0 and explanation.score <= explanation.score_base
        label = insight.labels.index(explanation.target)
        if insight.exclusive:
            said = snippet.predicted == label == int(np.argmax(snippet.chances_removed))
        else:
            said = snippet.chances_removed[label] >= 0.5
        undecided = 0.0 if insight.scale != "probability" else 1 / len(insight.labels) if insight.exclusive else 0.5
        return said and strongest < explanation.score_base - undecided


def _of(snippet: Snippet, target: str) -> Explanation | None:
    return next((explanation for explanation in snippet.explanations if explanation.target == target), None)


def _without_twins(views: Sequence[View]) -> list[View]:
    """Leave out a target's view where it is the same as the first: a model with one label predicts that one always."""
    return [view for i, view in enumerate(views) if i == 0 or view.explanations != views[0].explanations]
