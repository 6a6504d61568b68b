"""Any Python callable as a classifier: a function or torch module from audio to logits, decision values or probabilities."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from hearwhy.classifiers.answers import HALF, ask, precision
from hearwhy.classifiers.estimator import from_estimator, is_estimator
from hearwhy.classifiers.layout import ANSWERS, AUDIO, FRAME_ANSWERS, arrange, check_layout, restore
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.types import Activation, Classifier

ACTIVATIONS = ("softmax", "sigmoid", "probability")
OPTIONS = ("channels", "activation", "window_s", "fingerprint", "layout", "output", "frame_s", "answer", "pads", "notes")
HOW = "set them on the function, as in predict.sample_rate = 16000; predict.labels = ('dog', 'cat')"


@dataclass(frozen=True, eq=False)
class CallableClassifier:
    """A function (batch, channel, time) -> (batch, label) with what hearwhy must know of it.

    The function gets a float32 torch tensor; it may return a tensor or a NumPy array. Gradients pass through where the
    function keeps them. A torch module gets the audio in the precision of its weights, so one in float16 or bfloat16 works
    as it is; half-precision answers come back float32, no more precise than they were.

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
    answer
        Which of several answers is meant, where the function gives a dict or a tuple: a key, or a position such as "0".
    pads
        It takes shorter recordings than `window_s` as they are, and fills them up by itself.
    notes
        What was done to it since it was saved, or what it cannot do, a sentence each; the report shows them.

    Raises
    ------
    ValueError
        A layout does not name the axes.
    TypeError
        When called: it answers with several things of which none is named, or with no numbers.
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
    answer: str = ""
    pads: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_layout(self.layout, AUDIO, optional="channel" if self.channels == 1 else None)
        check_layout(self.output, FRAME_ANSWERS if "frame" in self.output.split() else ANSWERS)

    def __call__(self, audio: Tensor) -> Tensor:
        """Return the function's numbers as a tensor, (batch, label) or (batch, label, frame)."""
        answers = ask(self.function, arrange(audio, AUDIO, self.layout), name=self.name, pick=self.answer)
        return restore(answers, self.output)


def from_callable(function: Callable[..., Any], *, name: str | None = None) -> Classifier:
    """Return `function` as a classifier; what hearwhy must know of it stands in its attributes.

    ``sample_rate`` and ``labels`` are required; ``channels`` (1), ``activation`` ("softmax"), ``window_s`` (None),
    ``fingerprint`` (None), ``layout`` ("batch channel time"), ``output`` ("batch label"), ``frame_s`` (None) and ``answer``
    ("") have defaults. A torch module must be in eval mode with all that it holds. A scikit-learn estimator becomes a
    classifier as `hearwhy.classifiers.estimator` says.

    Raises
    ------
    TypeError
        It cannot be called.
    ValueError
        An attribute is missing or senseless, or a torch module is in train mode.

    Examples
    --------
    >>> def loudness(audio): return torch.stack([audio.abs().mean((1, 2)), torch.zeros(len(audio))], dim=1)
    >>> loudness.sample_rate, loudness.labels = 8000, ("loud", "soft")
    >>> from_callable(loudness)(torch.ones(1, 1, 8000))
    tensor([[1., 0.]])
    """
    name = name or name_of(function)
    if is_estimator(function):
        return checked(from_estimator(function, name=name))
    if not callable(function):
        raise TypeError(f"{name} cannot be called; a classifier is a function from audio to (batch, label).")
    missing = [key for key in ("sample_rate", "labels") if not hasattr(function, key)]
    if missing:
        raise ValueError(f"{name} does not say its {' and '.join(missing)}; {HOW}.")
    options = {key: getattr(function, key) for key in OPTIONS if hasattr(function, key)}
    labels = function.labels  # type: ignore[attr-defined]
    return checked(CallableClassifier(function, function.sample_rate, tuple(labels), name=name, **options))  # type: ignore[attr-defined]


def checked(classifier: Classifier) -> Classifier:
    """Return the classifier, or raise ValueError where its description makes no sense or part of it is in train mode.

    One that is itself a torch module in half precision comes back wrapped: given half-precision audio, answering float32.
    """
    name = name_of(classifier)
    _check_labels(classifier.labels, name)
    _check_eval(classifier, name)
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
    if precision(classifier) not in HALF:
        return classifier
    given = {key: getattr(classifier, key) for key in ("sample_rate", "labels", *OPTIONS) if hasattr(classifier, key)}
    return CallableClassifier(classifier, name=name, **given)


def _check_eval(classifier: Classifier, name: str) -> None:
    module = classifier_module(classifier)
    parts = [] if module is None else [part for part, inner in module.named_modules() if getattr(inner, "training", False)]
    if not parts:
        return
    where = name if "" in parts else f"{', '.join(parts[:3])}{' and others' if len(parts) > 3 else ''} in {name}"
    called = "the module" if name != type(module).__name__ else name
    raise ValueError(
        f"{where} is in train mode, where answers change from call to call; call {called}.eval() first, for all its parts."
    )


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
    # As it is: what wraps a callable would hide the front end, and with it everything that is explained of its features.
    return checked(function) if isinstance(function, SpectrogramClassifier) else from_callable(function, name=path)
