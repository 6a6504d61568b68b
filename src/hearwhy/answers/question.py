"""Question: everything that a model's answers to masks hang on, by its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from hearwhy import __version__
from hearwhy.classifiers.callable import classifier_module, name_of
from hearwhy.components.cells import AnyParts, Cells
from hearwhy.types import Classifier
from hearwhy.windowing import Listening

SAID = (
    "fingerprint", "sample_rate", "channels", "labels", "activation", "window_s", "layout", "output", "frame_s", "answer",
    "pads", "front_end",
)  # fmt: skip
"""Of a classifier."""


def content_of(classifier: Classifier, parts: AnyParts, listening: Listening, device: str) -> str:
    """Return a hash of all that the answers to masks hang on; questions that differ in anything have different ones.

    That is the model's fingerprint, its weights where torch holds them, and what it says of itself; the sounds or features that
    are switched off, and what stands in their place; how it listens; the device, and the versions of hearwhy and torch.

    Raises
    ------
    ValueError
        The model has no fingerprint, so that it cannot be told from another one.
    """
    if classifier.fingerprint is None:
        raise ValueError(
            f"{name_of(classifier)} has no fingerprint, so its answers cannot be told from another model's: leave the cache "
            "out, or set its fingerprint to a text that changes whenever its answers do."
        )
    module = classifier_module(classifier)
    said = [type(classifier).__name__, *(repr(getattr(classifier, name, None)) for name in SAID), listening, device]
    digest = hashlib.sha256(repr([__version__, torch.__version__, *said]).encode())
    _add(digest, module.state_dict().values() if isinstance(module, torch.nn.Module) else ())
    digest.update(repr([parts.domain, parts.shape, parts.recording.duration_s]).encode())
    _add(digest, _switched(parts))
    return digest.hexdigest()


def _switched(parts: AnyParts) -> Iterable[Tensor | None]:
    """What is switched off, and what stands in its place."""
    if not isinstance(parts, Cells):
        return (torch.tensor(parts.sample_rate), parts.audio, *parts.fills)
    weights = None if parts.fill_weights is None else torch.tensor(parts.fill_weights)
    known = parts.classifier.background if parts.conditional is not None else None
    expected = () if known is None else (known.rows, known.weights, known.covariance)
    return (parts.features, parts.cell, weights, *parts.fills, *expected)


def _add(digest: Any, tensors: Iterable[Tensor | None]) -> None:
    for tensor in tensors:
        digest.update(b"none" if tensor is None else f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        if isinstance(tensor, Tensor):
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
