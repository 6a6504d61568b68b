"""Any Python callable as a classifier: a function from audio to logits or probabilities."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from hearwhy.classifiers.layout import ANSWERS, AUDIO, FRAME_ANSWERS, arrange, check_layout, restore
from hearwhy.types import Activation, Classifier

ACTIVATIONS = ("softmax", "sigmoid", "probability")
OPTIONS = ("channels", "activation", "window_s", "fingerprint", "layout", "output", "frame_s")
HOW = "set them on the function, as in predict.sample_rate = 16000; predict.labels = ('dog', 'cat')"


@dataclass(frozen=True, eq=False)
class CallableClassifier:
    """A function (batch, channel, time) -> (batch, label) with what hearwhy must know of it.

    The function gets a float32 torch tensor; it may return a tensor or a NumPy array. Gradients pass through where the
    function keeps them.

    Parameters
    ----------
    function
        Audio, laid out as `layout` says, to the model's own numbers.
    sample_rate, labels, channels, activation, window_s, fingerprint, name
        As in every classifier.
    layout
        The axes that the function takes: batch, channel (may be left out: mono) and time, 1 for an axis of length one.
    output
        The axes of its answers: ``"batch label"``, or with a frame for a model that answers frame by frame.
    frame_s
        Seconds from one frame of the answers to the next; None: they lie evenly over the window.

    Raises
    ------
    ValueError
        A layout does not name the axes.
    """

    function: Callable[[Tensor], Any]
    sample_rate: int
    labels: tuple[str, ...]
    channels: Literal[1, 2] = 1
    activation: Activation = "softmax"
    window_s: float | None = None
    fingerprint: str | None = None
    name: str = "callable"
    layout: str = "batch channel time"
    output: str = "batch label"
    frame_s: float | None = None

    def __post_init__(self) -> None:
        check_layout(self.layout, AUDIO, optional="channel" if self.channels == 1 else None)
        check_layout(self.output, FRAME_ANSWERS if "frame" in self.output.split() else ANSWERS)

    def __call__(self, audio: Tensor) -> Tensor:
        """Return the function's numbers as a tensor, (batch, label) or (batch, label, frame)."""
        answer = self.function(arrange(audio, AUDIO, self.layout))
        return restore(answer if isinstance(answer, Tensor) else torch.as_tensor(np.asarray(answer)), self.output)


def from_callable(function: Callable[..., Any], *, name: str | None = None) -> Classifier:
    """Return `function` as a classifier; what hearwhy must know of it stands in its attributes.

    ``sample_rate`` and ``labels`` are required; ``channels`` (1), ``activation`` ("softmax"), ``window_s`` (None),
    ``fingerprint`` (None), ``layout`` ("batch channel time"), ``output`` ("batch label") and ``frame_s`` (None) have
    defaults. A torch module must be in eval mode.

    Raises
    ------
    TypeError
        It cannot be called.
    ValueError
        An attribute is missing or senseless, or a torch module is in train mode.
    """
    name = name or name_of(function)
    if not callable(function):
        raise TypeError(f"{name} cannot be called; a classifier is a function from audio to (batch, label).")
    missing = [key for key in ("sample_rate", "labels") if not hasattr(function, key)]
    if missing:
        raise ValueError(f"{name} does not say its {' and '.join(missing)}; {HOW}.")
    options = {key: getattr(function, key) for key in OPTIONS if hasattr(function, key)}
    labels = function.labels  # type: ignore[attr-defined]
    return checked(CallableClassifier(function, function.sample_rate, tuple(labels), name=name, **options))  # type: ignore[attr-defined]


def checked(classifier: Classifier) -> Classifier:
    """Return the classifier, or raise ValueError where its description makes no sense or it is in train mode."""
    name = name_of(classifier)
    _check_labels(classifier.labels, name)
    if getattr(classifier_module(classifier), "training", False):
        raise ValueError(f"{name} is in train mode, where its answers change from call to call; call {name}.eval() first.")
    if classifier.activation not in ACTIVATIONS:
        raise ValueError(f"{name}: activation is one of {', '.join(ACTIVATIONS)}; got {classifier.activation!r}.")
    if len(classifier.labels) == 1 and classifier.activation == "softmax":
        raise ValueError(f"{name}: softmax over one label is always 1; one label needs activation = 'sigmoid'.")
    if classifier.channels not in (1, 2):
        raise ValueError(f"{name}: channels is 1 or 2; got {classifier.channels}.")
    if not isinstance(classifier.sample_rate, int) or classifier.sample_rate <= 0:
        raise ValueError(f"{name}: sample_rate is a whole number of Hz; got {classifier.sample_rate!r}.")
    if classifier.window_s is not None and classifier.window_s <= 0:
        raise ValueError(f"{name}: window_s is None or more than 0 seconds; got {classifier.window_s}.")
    return classifier


def _check_labels(labels: Sequence[str], name: str) -> None:
    if not labels or any(not isinstance(label, str) or not label for label in labels):
        raise ValueError(f"{name}: labels must be one or more non-empty strings; got {list(labels)!r}.")
    if len(set(labels)) < len(labels):
        twice = sorted({label for label in labels if list(labels).count(label) > 1})
        raise ValueError(f"{name}: labels must differ; {', '.join(twice)} stands more than once.")


def name_of(classifier: object) -> str:
    """Return what to call a classifier in a sentence."""
    return str(getattr(classifier, "name", None) or getattr(classifier, "__name__", type(classifier).__name__))


def classifier_module(classifier: object) -> torch.nn.Module | None:
    """Return the torch module that answers, where there is one."""
    inside = (classifier, getattr(classifier, "function", None), getattr(classifier, "network", None))
    return next((part for part in inside if isinstance(part, torch.nn.Module)), None)


def load(path: str) -> Classifier:
    """Return the classifier at ``module:attribute``, importable from the working folder or PYTHONPATH."""
    module, _, attribute = path.partition(":")
    if not attribute:
        raise ValueError(f"py: takes module:attribute, as in py:my_model:predict; got py:{path}.")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise ValueError(
            f"py:{path} cannot be imported ({error}); run hearwhy in the folder of {module}.py or put it on PYTHONPATH."
        ) from error
    except AttributeError as error:
        raise ValueError(f"py:{path}: module {module} has no attribute {attribute!r}.") from error
    return from_callable(function, name=path)
