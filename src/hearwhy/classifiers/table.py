"""Models of tables: a scikit-learn estimator on a vector of features, as a classifier whose values can be switched off."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float

from hearwhy.classifiers.estimator import from_estimator
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.components.background import Background
from hearwhy.front_ends import FeatureTable


def of_table(
    estimator: Any,
    features: Sequence[str],
    *,
    sample_rate: int,
    rows: Float[Any, "clip value"] | None = None,
    name: str = "model of a table",
) -> SpectrogramClassifier:
    """Return a fitted scikit-learn estimator on vectors of features as a classifier of sound.

    Parameters
    ----------
    estimator
        Fitted on rows (clip, value) of a `FeatureTable` of the same features; see `hearwhy.classifiers.estimator`.
    features, sample_rate
        Of the table: ``("mfcc=20", "centroid")``.
    rows
        The rows that it was fitted on: what its values usually are.
    name
        What to call it in a report.

    Raises
    ------
    ValueError
        The estimator is not fitted or gives no numbers for classes, or rows and features do not fit each other.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> table = FeatureTable(sample_rate=22_050, features=("centroid", "rms"))
    >>> rows = torch.tensor([[500.0, 0.1], [3000.0, 0.1], [700.0, 0.2], [2800.0, 0.3]])
    >>> fitted = LogisticRegression().fit(rows.numpy(), ["low", "high", "low", "high"])
    >>> of_table(fitted, table.features, sample_rate=22_050, rows=rows).labels
    ('high', 'low')
    """
    table = FeatureTable(sample_rate, tuple(features))
    values = None if rows is None else torch.as_tensor(rows, dtype=torch.float32)
    if values is not None and (values.ndim != 2 or values.shape[1] != table.n_features):
        raise ValueError(f"{name}: its features make {table.n_features} values a clip; got rows of {tuple(values.shape)}.")
    own = copy.copy(estimator)  # the caller's stays as it is
    own.sample_rate = sample_rate
    answers = from_estimator(own, name=name)
    background = None if values is None else Background.of(values, source=f"{len(values)} clips")
    return SpectrogramClassifier(
        table,
        answers,
        answers.labels,
        layout="batch 1 freq",
        activation=answers.activation,
        name=name,
        background=background,
    )
