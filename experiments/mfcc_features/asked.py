"""Asked: the game that all methods play, ours and shap's: the 40 coefficients of one clip, kept or at their background."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from setting import COMPONENTS, N_ROWS
from torch import Tensor

import hearwhy
from hearwhy.asking import Predict
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.components.vectors import VECTOR_FILLS, vectors, with_background
from hearwhy.datasets.background import with_background_of
from hearwhy.datasets.items import Dataset, Item
from hearwhy.scoring import TargetScore

BATCH = 32


def fast_model(weights: Path) -> SpectrogramClassifier:
    """Return the network as it was trained, with its own background."""
    model = hearwhy.classifier(f"conv-lstm:{weights}")
    model.network.to(memory_format=torch.channels_last)  # the same numbers in under half the time on a CPU
    return model


def tutorial_model(weights: Path, train: list[Item]) -> SpectrogramClassifier:
    """Return the network with the tutorial's background: the first ten training clips, summarised to one fill, their mean."""
    return with_background_of(fast_model(weights), Dataset("esc50", tuple(train[:N_ROWS])))


@dataclass(frozen=True, eq=False)
class Asked:
    """One clip's game; every mask is asked of the model once, whatever the scale and the method."""

    model: SpectrogramClassifier
    item: Item
    how: str = COMPONENTS
    fill: str = "mean"
    predict: Predict = field(init=False)

    def __post_init__(self) -> None:
        model = replace(self.model, background=None) if self.fill == "silence" else self.model
        cells = vectors(self.item.load(), model, self.how)
        if self.fill in VECTOR_FILLS:
            cells = with_background(cells, self.fill)
        object.__setattr__(self, "predict", Predict(self.model, cells, batch_size=BATCH))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a mask."""
        return self.predict.parts.shape

    def score(self, scale: str) -> TargetScore:
        """Return every class's score of a mask."""
        return TargetScore(self.predict, self.model.labels, scale=scale)

    def ends(self, scale: str) -> tuple[Tensor, Tensor]:
        """Return the scores of everything and of nothing, in float64."""
        everything, nothing = self.score(scale)(torch.tensor([[True], [False]]).expand(2, *self.shape)).double()
        return everything, nothing

    def of_rows(self, scale: str) -> object:
        """Return the score as other tools take it: rows of numbers, 1 for kept, to rows of scores."""
        score = self.score(scale)
        return lambda rows: score(torch.from_numpy(np.asarray(rows) > 0.5)).numpy().astype(np.float64)

    def of_values(self, values: np.ndarray) -> np.ndarray:
        """Return the probabilities for 40 values a row, as the tutorial calls its model: a row is shifted to its value."""
        features = self.predict.parts.features
        means = features.mean(dim=1)
        moved = features + (torch.from_numpy(values).to(features) - means)[:, :, None]
        with torch.inference_mode():
            return torch.cat([self.model.answers(part) for part in moved.split(BATCH)]).softmax(dim=1).numpy()
