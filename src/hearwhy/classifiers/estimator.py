"""scikit-learn estimators as classifiers: a pipeline whose first step turns waveforms into features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.types import Activation

FIRST_STEP = "make_pipeline(FunctionTransformer(features_of_waveforms), ...)"


@dataclass(frozen=True, eq=False)
class EstimatorClassifier:
    """A fitted estimator on waveforms (n, time): float32 NumPy rows, mono. It has no slope.

    With ``predict_proba`` it is explained as probabilities. With ``decision_function`` alone its numbers are margins, signed
    distances from a boundary, which nothing has calibrated: their order and differences mean something, the probabilities
    that softmax makes of them are only a way to show them. A binary ``decision_function`` d becomes two labels with -d/2
    and d/2, so that the log-odds of either class are exactly -d and d. Wrap the estimator in scikit-learn's
    CalibratedClassifierCV for probabilities that can be taken at their word.

    Parameters
    ----------
    estimator
        A fitted scikit-learn estimator, or a pipeline that ends in one.
    sample_rate, labels, activation, window_s, fingerprint, name
        As in every classifier.

    Raises
    ------
    ValueError
        When called: the sound is not mono, or the numbers are not one for each label.
    """

    estimator: Any
    sample_rate: int
    labels: tuple[str, ...]
    activation: Activation
    window_s: float | None = None
    fingerprint: str | None = None
    name: str = "estimator"
    channels: Literal[1, 2] = 1

    def __call__(self, audio: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch label"]:
        """Return the probabilities or margins of each sound."""
        if audio.ndim != 3 or audio.shape[1] != 1:
            raise ValueError(f"{self.name} takes mono sound (batch, 1, time); got {tuple(audio.shape)}. Downmix it first.")
        asked = "predict_proba" if self.activation == "probability" else "decision_function"
        answers = np.asarray(getattr(self.estimator, asked)(audio[:, 0].detach().cpu().numpy()))
        if answers.ndim == 1 and len(self.labels) == 2 and self.activation == "softmax":
            answers = np.stack([-answers / 2, answers / 2], axis=1)
        if answers.shape != (len(audio), len(self.labels)):
            raise ValueError(
                f"{self.name}: {asked} gives {answers.shape} for {len(audio)} sounds and {len(self.labels)} labels; it must "
                "give one number for each label. A support vector machine does with decision_function_shape='ovr'; of an "
                "estimator with several targets take one."
            )
        return torch.as_tensor(answers)


def is_estimator(candidate: object) -> bool:
    """Tell whether this is a scikit-learn estimator, or one that follows its conventions, rather than a function."""
    return not callable(candidate) and hasattr(candidate, "fit") and hasattr(candidate, "get_params")


def from_estimator(estimator: Any, *, name: str) -> EstimatorClassifier:
    """Return a fitted estimator as a classifier; its ``sample_rate`` is set on it as an attribute.

    ``labels`` (its ``classes_``), ``window_s`` (None) and ``fingerprint`` (None) may be set on it too. ``activation`` is
    "probability" where it has ``predict_proba``, else "softmax"; set it to "softmax" (several labels that exclude each other)
    or "sigmoid" (labels that do not) to be given its ``decision_function``: for a logistic regression those are its logits.

    Raises
    ------
    ValueError
        It is not fitted, gives no numbers for classes, has several targets, takes stereo, or does not say its rate.
    """
    usual: Activation = "probability" if hasattr(estimator, "predict_proba") else "softmax"
    activation: Activation = getattr(estimator, "activation", usual)
    asked = "predict_proba" if activation == "probability" else "decision_function"
    if not hasattr(estimator, "predict_proba") and not hasattr(estimator, "decision_function"):
        raise ValueError(f"{name} has neither predict_proba nor decision_function; give a classifier that has one of them.")
    if not hasattr(estimator, asked):
        raise ValueError(f"{name} has no {asked}, which activation = {activation!r} asks for; leave its activation out.")
    if not hasattr(estimator, "sample_rate"):
        raise ValueError(f"{name} does not say its sample_rate; set it on the estimator, as in pipeline.sample_rate = 16000.")
    if getattr(estimator, "channels", 1) != 1:
        raise ValueError(f"{name}: estimators take rows of mono sound (n, time); got channels = {estimator.channels}, give 1.")
    return EstimatorClassifier(
        estimator,
        estimator.sample_rate,
        _labels(estimator, name),
        activation,
        getattr(estimator, "window_s", None),
        getattr(estimator, "fingerprint", None),
        name,
    )


def _labels(estimator: Any, name: str) -> tuple[str, ...]:
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        raise ValueError(f"{name} is not fitted: it has no classes_. Fit it first, as in {FIRST_STEP}.fit(waveforms, labels).")
    if isinstance(classes, list):
        raise ValueError(f"{name} has {len(classes)} targets, each with its own classes; give the estimator of one of them.")
    labels = tuple(getattr(estimator, "labels", classes))
    if len(labels) != len(classes):
        raise ValueError(f"{name} has {len(classes)} classes and {len(labels)} labels; give a label for each of its classes.")
    return tuple(str(label) for label in labels)
