"""Vectors: the rows of a feature matrix, or the values of a feature vector, each of which can be switched off."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from hearwhy.components.background import Background
from hearwhy.components.cells import Cells, spectrogram, with_front_end
from hearwhy.front_ends import FrontEnd
from hearwhy.front_ends.naming import feature_names
from hearwhy.types import Classifier, Recording

VECTOR_FILLS = {
    "mean": "each value shifted to its mean over the background",
    "rows": "shifted to each of a few typical clips of the background, weighted by how many clips each stands for",
    "conditional": "shifted to what is expected of it given the values that are kept (a normal law)",
}
"""Fills of vectors: what "absent" means."""


def vectors(recording: Recording, classifier: Classifier, how: str = "") -> Cells:
    """Return the rows of the features that a classifier is given of a recording, each a component.

    A component's value is the mean of its row over the frames. Switched off, the row is shifted as a whole, so that its mean
    becomes an ordinary one and what moves within it stays; with one frame, a vector, the value is replaced. That is exact for
    the recording itself, and says how values of one number a feature can feed a network that takes a matrix.

    Parameters
    ----------
    recording
        No longer than the classifier's window.
    classifier
        A front end and a network. With a `background` the fill is its mean, otherwise the features of silence.
    how
        "": every row. ``mfcc=40``: the same, and there must be 40 MFCCs; fewer than there are rows make groups of neighbours:
        ``mel=8``. ``features``: of a table one component a feature, so that the twelve values of chroma go together.

    Raises
    ------
    TypeError
        The classifier's front end cannot be seen.
    ValueError
        The recording is longer than a window, or the front end makes other features.
    """
    seen = with_front_end(classifier)
    names, number = _divided(seen.front_end, how)
    features, window = spectrogram(recording, seen)
    silence = seen.features(torch.zeros(1, 1, window.length))[0]
    cell = number[:, None].expand(features.shape).contiguous()
    made = Cells(features, cell, recording, seen, names, (len(names),), (shifted(features, silence.mean(dim=1)),), ("silence",),
                 window, f"vector:{how}" if how else "vector", domain="vector")  # fmt: skip
    return made if seen.background is None else with_background(made, "mean")


def with_background(cells: Cells, kind: str) -> Cells:
    """Return vectors whose absent values are those of their classifier's background, in one of `VECTOR_FILLS`.

    Raises
    ------
    ValueError
        There is no such fill, or the classifier has no background.
    """
    background = cells.classifier.background
    if kind not in VECTOR_FILLS:
        raise ValueError(f"There is no fill {kind!r} of vectors; give one of {', '.join(VECTOR_FILLS)}, silence or noise.")
    if background is None:
        raise ValueError(
            f"The fill {kind} needs to know what values usually are, and {cells.classifier.name} has no background: give "
            "--background DATA, or the fill silence."
        )
    told = f"{len(background.rows)} typical rows of {background.source}" if kind == "rows" else f"{kind} of {background.source}"
    if kind == "conditional":
        return replace(cells, fills=(shifted(cells.features, background.mean),), fill_names=(told,), fill_weights=None,
                       conditional=lambda mask: _expected(cells, background, mask))  # fmt: skip
    rows = background.mean[None] if kind == "mean" else background.rows
    fills = tuple(shifted(cells.features, row) for row in rows)
    weights = None if kind == "mean" else tuple(background.weights.tolist())
    return replace(cells, fills=fills, fill_names=(told,) * len(fills), fill_weights=weights, conditional=None)


def shifted(features: Tensor, means: Tensor) -> Tensor:
    """Return features (freq, frame) with the mean of every row moved to another."""
    return features + (means - features.mean(dim=1)).to(features)[:, None]


def _expected(cells: Cells, background: Background, mask: Tensor) -> Tensor:
    """What stands for removed rows under each mask, (mask, 1, freq, frame)."""
    if mask.dtype != torch.bool:
        raise TypeError("What is expected given the rest has no slope in a mask; use a method that asks, such as kernel_shap.")
    keep = mask.reshape(len(mask), -1)[:, cells.cell[:, 0].to(mask.device)]
    means = cells.features.mean(dim=1)
    expected = background.given(means.cpu(), keep.cpu()).to(cells.features)
    return (cells.features + (expected - means)[:, :, None])[:, None]


def _divided(front_end: FrontEnd, how: str) -> tuple[tuple[str, ...], Int[Tensor, " freq"]]:
    """Return the names of the components, and which one each row belongs to."""
    kind, names = feature_names(front_end)
    if not how:
        return names, torch.arange(len(names))
    if how == "features":
        return _of_one_word(names)
    asked = re.fullmatch(r"(\w+)=(\d+)", how)
    if not asked or asked[1] != kind or not 1 <= int(asked[2]) <= len(names):
        raise ValueError(
            f"This model's front end makes {len(names)} rows of {kind}; give vector, vector:{kind}={len(names)} or fewer; got "
            f"vector:{how}."
        )
    n = int(asked[2])
    number = torch.arange(len(names)) * n // len(names)
    groups = [[name for name, i in zip(names, number.tolist(), strict=True) if i == group] for group in range(n)]
    return tuple(_joined(group) for group in groups), number


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _of_one_word(names: Sequence[str]) -> tuple[tuple[str, ...], Int[Tensor, " freq"]]:
    """Group the values of one feature: "chroma C" and "chroma D" are of chroma."""
    words = [name.split()[0] for name in names]
    distinct = tuple(dict.fromkeys(words))
    return distinct, torch.tensor([distinct.index(word) for word in words])
