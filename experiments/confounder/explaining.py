"""Explaining: every mask of a snippet is asked once; both methods, with the residual and without, are read off the answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from setting import METHODS
from torch import Tensor

from hearwhy import attribution
from hearwhy.asking import Predict
from hearwhy.classifiers.band import BandClassifier
from hearwhy.components.parts import Parts
from hearwhy.datasets.band.presets import STEMS
from hearwhy.game import Game
from hearwhy.scoring import TargetScore

RESIDUAL = "residual"
COMPONENTS = (*STEMS, RESIDUAL)
Row = dict[str, Any]


class Asked:
    """A classifier's answers about one snippet taken apart: what it says, and values of what is there."""

    def __init__(self, classifier: BandClassifier, parts: Parts, device: str) -> None:
        self._predict = Predict(classifier, parts, device=device)
        self._parts, self._labels = parts, classifier.labels
        ones = torch.ones(1, *parts.shape, dtype=torch.bool)
        self.probabilities = self._predict.probabilities(ones)[0]
        self.says = self._labels[int(self.probabilities.argmax())]

    def values(self, method: str, *, without: str | None = None) -> dict[str, float]:
        """Return a method's value of each part that is there, for what the classifier says of all parts together.

        The part `without` is left out of every mix, as if the separator had not found it.
        """
        scale, options = METHODS[method]
        game = Game(TargetScore(self._predict, [self.says], scale=scale))
        names = [name for name, there in zip(self._parts.names, game.present.flatten().tolist(), strict=True) if there]
        kept = [i for i, name in enumerate(names) if name != without]

        def score(mask: Tensor) -> Tensor:
            every = torch.zeros(len(mask), len(names), dtype=mask.dtype)
            every[:, kept] = mask
            return game(every)

        estimate = attribution.METHODS[method].function(score, (len(kept),), **options)
        return dict(zip((names[i] for i in kept), estimate.values[0].tolist(), strict=True))


def most_important(values: dict[str, float]) -> str:
    """Return the component of the highest positive value, "none" where no value is positive, "tie" where several share it."""
    best = max(values.values(), default=0.0)
    if best <= 0:
        return "none"
    leaders = [name for name, value in values.items() if value == best]
    return leaders[0] if len(leaders) == 1 else "tie"


def explanations(
    classifier: BandClassifier, parts: Parts, rests: Sequence[str], device: str, seed: Sequence[int]
) -> Iterator[Row]:
    """Yield a row a method for each of `rests`, beside the loudest part and one by lot.

    What becomes of the residual: "part", it is one; "drop", it is left out; "none", there is none.
    """
    asked = Asked(classifier, parts, device)
    levels = {name: level for name, level, gone in zip(parts.names, parts.levels_db, parts.absent, strict=True) if not gone}
    for rest in rests:
        without = RESIDUAL if rest == "drop" else None
        there = {name: level for name, level in levels.items() if name != without}
        guess = list(there)[np.random.default_rng([*seed, len(there)]).integers(len(there))]
        for method in METHODS:
            values = asked.values(method, without=without)
            yield {
                "predicted": asked.says, "p": float(asked.probabilities.max()), "rest": rest, "method": method,
                "top": most_important(values), "loudest": max(there, key=lambda name: there[name]), "guess": guess,
                **{name: values.get(name) for name in COMPONENTS},
            }  # fmt: skip
