"""Explain: from a classifier and a recording to an Attribution, with the checks that say how far to trust it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

import torch

from hearwhy import audio as sound
from hearwhy.asking import Predict, check_recording, checked_scale
from hearwhy.attributing import attribute
from hearwhy.attribution.parsing import parse_method
from hearwhy.classifiers import classifier as find_classifier
from hearwhy.classifiers.callable import classifier_module, name_of
from hearwhy.components import components as make_components
from hearwhy.components import with_fill
from hearwhy.components.parts import Parts
from hearwhy.plan import Meter, Plan, Progress, expected_calls
from hearwhy.result import Attribution, Timeline
from hearwhy.trust import whole
from hearwhy.types import Classifier, Recording, Scale
from hearwhy.windowing import windows


@overload
def explain(
    classifier: str | Classifier | Callable[..., Any],
    recording: Recording,
    *,
    components: str | Parts = ...,
    target: str | Sequence[str] = ...,
    method: str = ...,
    fill: str | None = ...,
    second_fill: str | None = ...,
    scale: Scale | None = ...,
    seed: int = ...,
    device: str = ...,
    batch_size: int | None = ...,
    per_window: Literal[False] = ...,
    progress: Progress | None = ...,
) -> Attribution: ...
@overload
def explain(
    classifier: str | Classifier | Callable[..., Any],
    recording: Recording,
    *,
    components: str | Parts = ...,
    target: str | Sequence[str] = ...,
    method: str = ...,
    fill: str | None = ...,
    second_fill: str | None = ...,
    scale: Scale | None = ...,
    seed: int = ...,
    device: str = ...,
    batch_size: int | None = ...,
    per_window: Literal[True],
    progress: Progress | None = ...,
) -> Timeline: ...
def explain(
    classifier: str | Classifier | Callable[..., Any],
    recording: Recording,
    *,
    components: str | Parts = "segments:8",
    target: str | Sequence[str] = "top",
    method: str = "kernel_shap",
    fill: str | None = None,
    second_fill: str | None = None,
    scale: Scale | None = None,
    seed: int = 0,
    device: str = "cpu",
    batch_size: int | None = None,
    per_window: bool = False,
    progress: Progress | None = None,
) -> Attribution | Timeline:
    """Return what the classifier's decision on the recording rests on.

    Parameters
    ----------
    classifier
        A classifier, its name (``hearwhy list models``), or any callable that `hearwhy.classifier` takes.
    recording
        What to explain.
    components
        What to switch off: a spec (``hearwhy list components``) or parts made before.
    target
        A label, a contrast "A - B", several of them, ``"top"`` for the most probable label, ``"all"`` for every label.
    method
        Name and options of a method, as in ``"lime(n_samples=500)"`` (``hearwhy list methods``).
    fill
        What stands where something was removed: ``"silence"``, ``"noise"``, or a background file or folder; by default
        silence, or the fill that parts made before already have.
    second_fill
        Repeat the explanation under another fill and report whether the verdict stands; costs as much again.
    scale
        ``"log_odds"`` (default; ``"probability"`` for models that give only those), ``"probability"`` or ``"logit"``.
    seed
        Seed of everything that is sampled.
    device, batch_size
        Where the model runs, and how many windows at a time (found by itself).
    per_window
        Explain every window of the model by itself and return a `Timeline`; a spec is then applied window by window.
    progress
        Told (done, expected) forward passes.

    Returns
    -------
    Attribution or Timeline
        Costs the method's own calls, one for each component left out, and for up to 8 components all 2**n.

    Raises
    ------
    ValueError
        Something given makes no sense; the message says what, the value and the remedy.

    Examples
    --------
    >>> import hearwhy, torch
    >>> def loud(audio):  # logits: louder in the left half or in the right
    ...     return audio.square().mean(1).unflatten(1, (2, -1)).mean(-1) * 10
    >>> loud.sample_rate, loud.labels = 8000, ("left", "right")
    >>> fading = hearwhy.Recording(torch.linspace(1, 0, 8000).sqrt(), 8000)
    >>> hearwhy.explain(loud, fading, components="segments:2", target="left").values.round(decimals=1)
    tensor([[ 7.5000, -2.5000]])
    """
    model = find_classifier(classifier)
    _move(model, device)
    _check(recording, components, seed)
    name, options, entry = parse_method(method, seed=seed)
    wanted = [target] if isinstance(target, str) else list(target)
    label, spent = _first_label(model, recording, device, batch_size) if "top" in wanted else (None, 0)
    called = classifier if isinstance(classifier, str) else name_of(model)
    targets, on = _targets(wanted, label, model), checked_scale(scale, model)
    plan = Plan(called, name, options, entry, targets, on, seed, device, batch_size, spent)
    meter = Meter(progress, 0)

    def filled(audio: Recording) -> tuple[Parts, Parts | None]:
        return _filled(make_components(components, audio) if isinstance(components, str) else components, fill, second_fill)

    if not per_window:
        parts, other = filled(recording)
        meter.expected = expected_calls(model, parts, plan, other)
        return attribute(model, parts, other, plan, meter)
    if isinstance(components, str):
        return _timeline(model, recording, lambda start, stop: filled(sound.cut(recording, start, stop)), plan, meter)
    parts, other = filled(recording)  # filled before they are cut: a fill is shared over the whole recording
    return _timeline(model, recording, lambda start, stop: (_span(parts, start, stop), _span(other, start, stop)), plan, meter)


def _check(recording: Recording, components: str | Parts, seed: int) -> None:
    if not isinstance(recording, Recording):
        raise TypeError(f"explain takes a hearwhy.Recording; got {type(recording).__name__}. Read a file with hearwhy.load.")
    check_recording(recording)
    if isinstance(components, Parts) and components.recording.fingerprint != recording.fingerprint:
        raise ValueError(f"The components were made of {components.recording.name}, not of {recording.name}; make them anew.")
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed is a whole number from 0 to 2**63 - 1; got {seed}.")


def _targets(wanted: Sequence[str], top: str | None, model: Classifier) -> tuple[str, ...]:
    if not wanted:
        raise ValueError("No target was given; give a label, 'top' or 'all'.")
    named = [model.labels if target == "all" else (top or "",) if target == "top" else (target,) for target in wanted]
    return tuple(dict.fromkeys(label for labels in named for label in labels))


def _move(model: Classifier, device: str) -> None:
    module = classifier_module(model)
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"There is no device {device!r} here ({str(error).splitlines()[0]}); give cpu, or leave it out."
        ) from error
    if module is not None:
        module.to(device)


def _first_label(model: Classifier, recording: Recording, device: str, batch_size: int | None) -> tuple[str, int]:
    predict = Predict(model, whole(recording), device=device, batch_size=batch_size)
    best = predict.probabilities(torch.ones(1, 1, dtype=torch.bool))[0].argmax()
    return model.labels[int(best)], predict.n_calls


def _filled(parts: Parts, fill: str | None, second_fill: str | None) -> tuple[Parts, Parts | None]:
    """Return the parts under the first fill, and under the second."""
    return parts if fill is None else with_fill(parts, fill), None if second_fill is None else with_fill(parts, second_fill)


def _timeline(
    model: Classifier, recording: Recording, cut: Callable[[int, int], tuple[Parts, Parts | None]], plan: Plan, meter: Meter
) -> Timeline:
    heard = windows(round(recording.duration_s * model.sample_rate), model)
    spans = tuple((start, min(stop, recording.duration_s)) for start, stop in heard.spans_s)
    found: list[Attribution | None] = []
    for start_s, stop_s in spans:
        start, stop = round(start_s * recording.sample_rate), round(stop_s * recording.sample_rate)
        if sound.level_db(recording.audio[:, start:stop]) < sound.SILENCE_DB:
            found.append(None)
            continue
        parts, other = cut(start, stop)
        meter.expected = meter.done + expected_calls(model, parts, plan, other) * (len(spans) - len(found))
        found.append(attribute(model, parts, other, plan, meter))
    if not any(found):
        raise ValueError(f"Every window of {recording.name} is silent; there is nothing in it to explain.")
    return Timeline(tuple(found), spans)


@overload
def _span(parts: Parts, start: int, stop: int) -> Parts: ...
@overload
def _span(parts: None, start: int, stop: int) -> None: ...
def _span(parts: Parts | None, start: int, stop: int) -> Parts | None:
    return None if parts is None else replace(parts.span(start, stop), recording=sound.cut(parts.recording, start, stop))
