"""Explain: from a classifier and a recording to an Attribution, with the checks that say how far to trust it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, overload

import torch

from hearwhy import audio as sound
from hearwhy.answers import Answers, answers_in
from hearwhy.asking import Predict, check_recording
from hearwhy.attribution import Entry
from hearwhy.attribution.parsing import parse_method
from hearwhy.check.subject import on_device
from hearwhy.classifiers import classifier as find_classifier
from hearwhy.classifiers.callable import name_of
from hearwhy.components import is_drilled, is_of_features, is_vector
from hearwhy.components.cells import AnyParts, Cells
from hearwhy.components.donors import Donor
from hearwhy.components.parts import Parts
from hearwhy.components.recipe import Recipe, second_fill_for
from hearwhy.mapping import attribute_any
from hearwhy.masks import parse_mask
from hearwhy.plan import Meter, Plan, Progress, expected_calls
from hearwhy.result import Attribution
from hearwhy.scoring import checked_scale
from hearwhy.stopping import with_stopping
from hearwhy.targets import check_targets, chosen, needs_answer, split_span
from hearwhy.timeline import Timeline
from hearwhy.trust import whole
from hearwhy.types import Classifier, Recording, Scale
from hearwhy.windowed import PerWindow, Source, explain_windows
from hearwhy.windowing import Listening


@overload
def explain(
    classifier: str | Classifier | Callable[..., Any],
    recording: Recording | str | Path,
    *,
    components: str | Parts | None = ...,
    target: str | Sequence[str] = ...,
    method: str | None = ...,
    fill: str | None = ...,
    second_fill: str | None = ...,
    scale: Scale | None = ...,
    seed: int = ...,
    device: str = ...,
    batch_size: int | None = ...,
    window_s: float | None = ...,
    overlap: float = ...,
    mask: str | None = ...,
    add: Mapping[str, Donor] | None = ...,
    interactions: int | None = ...,
    time_budget_s: float | None = ...,
    cache: Answers | str | Path | None = ...,
    per_window: Literal[False] = ...,
    progress: Progress | None = ...,
) -> Attribution: ...
@overload
def explain(
    classifier: str | Classifier | Callable[..., Any],
    recording: Recording | str | Path,
    *,
    components: str | Parts | None = ...,
    target: str | Sequence[str] = ...,
    method: str | None = ...,
    fill: str | None = ...,
    second_fill: str | None = ...,
    scale: Scale | None = ...,
    seed: int = ...,
    device: str = ...,
    batch_size: int | None = ...,
    window_s: float | None = ...,
    overlap: float = ...,
    mask: str | None = ...,
    add: Mapping[str, Donor] | None = ...,
    interactions: int | None = ...,
    time_budget_s: float | None = ...,
    cache: Answers | str | Path | None = ...,
    per_window: Literal[True] | PerWindow,
    progress: Progress | None = ...,
) -> Timeline: ...
def explain(
    classifier: str | Classifier | Callable[..., Any],
    recording: Recording | str | Path,
    *,
    components: str | Parts | None = None,
    target: str | Sequence[str] = "top",
    method: str | None = None,
    fill: str | None = None,
    second_fill: str | None = None,
    scale: Scale | None = None,
    seed: int = 0,
    device: str = "cpu",
    batch_size: int | None = None,
    window_s: float | None = None,
    overlap: float = 0.0,
    mask: str | None = None,
    add: Mapping[str, Donor] | None = None,
    interactions: int | None = None,
    time_budget_s: float | None = None,
    cache: Answers | str | Path | None = None,
    per_window: bool | PerWindow = False,
    progress: Progress | None = None,
) -> Attribution | Timeline:
    """Return what the classifier's decision on the recording rests on.

    Parameters
    ----------
    classifier
        A classifier, its name (``hearwhy list models``), or any callable that `hearwhy.classifier` takes.
    recording
        What to explain; or a sound file, which `per_window` reads window by window, however long it is.
    components
        What to switch off: a spec (``hearwhy list components``) or parts made before. By default ``"segments:8"``, and
        ``"features"`` for methods that look inside the network.
    target
        A label, "A + B" (the one or the other), a contrast "A - B", several of them; ``"top"``, ``"top:3"``, ``"above:0.5"``
        or ``"all"`` for labels that the model chooses. "dog@2.1-2.6s" asks about what is heard between two times.
    method
        Name and options of a method, as in ``"lime(n_samples=500)"`` (``hearwhy list methods``). By default ``"kernel_shap"``,
        and where a part was split again ``"owen"``, whose values of its pieces sum to the value of the part.
    fill
        What stands where something was removed: ``"silence"``, ``"noise"``, or a background file or folder; of vectors also
        ``"mean"``, ``"rows"`` or ``"conditional"``. By default silence, of vectors the mean of the classifier's background, and
        the fill that parts made before already have.
    second_fill
        Repeat the explanation under another fill and report whether the verdict stands; costs as much again. ``"other"``:
        noise, and for vectors with a background what is expected of each value given those that are kept.
    scale
        ``"log_odds"`` (default; ``"probability"`` for models that give only those), ``"probability"`` or ``"logit"``.
    seed
        Seed of everything that is sampled.
    device, batch_size
        Where the model runs, and how many windows at a time (found by itself).
    window_s, overlap
        Seconds at a time, for a model that takes any length; share of a window that the next one hears again (0 to 0.95).
    mask
        Of a spectrogram's map: how a mask is made of it (``hearwhy list masks``), "top_k(k=0.3)" by default; the model is
        asked about what it keeps and removes, as features and as sound.
    add
        What if drums were added? Name to sound (``{"drums": "drums.flac@-6dB"}``), mixed in as parts of their own: see
        `hearwhy.components.with_donors`. Explained is the recording with them; `Attribution.added` holds the answer without.
    interactions
        Masks to ask for what every two components do together; up to 8 components it is known anyway, from all masks.
    time_budget_s
        Seconds that a sampling method may ask (``n_samples=auto``) until its error is under its tolerance. Without it, and
        where no `n_samples` is named, all masks are asked if that is forecast to take 10 s at most: see `hearwhy.stopping`.
    cache
        Answers that other explanations left, in memory or in a folder (`hearwhy.answers`): no mask is asked twice, whatever
        the method or target. With it the clock has no say in how many masks are asked.
    per_window
        Explain every window of the model by itself and return a `Timeline`; a spec is then applied window by window. A
        `PerWindow` says how many, and where they are kept so that an interrupted run goes on.
    progress
        Told (done, expected) forward passes.

    Returns
    -------
    Attribution or Timeline
        Costs the method's own calls, one for each component left out, and for up to 8 components all 2**n; where a part was
        split again also those of the game between the parts before.

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
    on_device(model, device)
    _check(recording, components, seed)
    wanted, span_s = split_span([target] if isinstance(target, str) else list(target), model.labels)
    check_targets(wanted, model.labels)
    listening = Listening(window_s, overlap, span_s)
    name, options, entry = parse_method(method or default_method(components), seed=seed)
    called = classifier if isinstance(classifier, str) else name_of(model)
    on = checked_scale(scale or entry.scale, model)
    plan = Plan(called, name, options, entry, tuple(wanted), on, seed, device, batch_size, listening, mask=mask,
                n_interactions=interactions, cache=answers_in(cache))  # fmt: skip
    plan = with_stopping(plan, method or "", time_budget_s=time_budget_s, at_once=not per_window and cache is None)
    meter = Meter(progress, 0)
    second = second_fill_for(entry.asks, second_fill)
    recipe = Recipe(_components(components, entry, mask), fill, second, model, add or {})
    if per_window:
        _check_windowed(recipe)
        with nullcontext(recording) if isinstance(recording, Recording) else sound.Stream(recording) as heard:
            how = per_window if isinstance(per_window, PerWindow) else PerWindow()
            return explain_windows(model, _source(recipe, heard), plan, meter, how)
    if not isinstance(recording, Recording):
        recording = sound.load(recording)
    parts, other = recipe.of(recording)
    plan = _with_targets(plan, model, parts.recording)
    meter.expected = expected_calls(model, parts, plan, other)
    return attribute_any(model, parts, other, plan, meter)


def default_method(components: str | Parts | None) -> str:
    """Return the method that explains components where none is named."""
    drilled = components.parents is not None if isinstance(components, Parts) else components and is_drilled(components)
    return "owen" if drilled else "kernel_shap"


def _components(components: str | Parts | None, entry: Entry, mask: str | None) -> str | Parts:
    """Return the components, by default those that the method can take."""
    if components is None:
        components = "features" if entry.asks == "network" else "segments:8" if mask is None else "cells:quickshift"
    of_features = isinstance(components, str) and is_of_features(components)
    if entry.asks == "network" and components != "features":
        raise ValueError(f"A method that looks inside explains every bin of a spectrogram, not components={components!r}.")
    if mask is not None:
        parse_mask(mask)
    if mask is not None and (not of_features or is_vector(str(components))):
        raise ValueError(f"A mask is made of a spectrogram's map; with mask={mask!r} give components such as cells:quickshift.")
    if components == "features" and entry.asks == "score":
        raise ValueError("Every bin of a spectrogram is too many components for a method that switches them off; use "
                         "cells:quickshift, or a method that follows the slope, such as saliency.")  # fmt: skip
    return components


def _source(recipe: Recipe, recording: Recording | sound.Stream) -> Source:
    """Return the windows of a recording: a spec is applied to each by itself, parts made before are cut."""
    if isinstance(recording, sound.Stream):
        name, cut = recording.path.name, recording.cut
        return Source(name, recipe.how, recording.duration_s, cut, lambda window, start_s, stop_s: recipe.of(window))

    def between(start_s: float, stop_s: float) -> Recording:
        return sound.cut(recording, *samples(start_s, stop_s))

    def samples(start_s: float, stop_s: float) -> tuple[int, int]:
        return round(start_s * recording.sample_rate), round(stop_s * recording.sample_rate)

    name, duration_s = recording.name, recording.duration_s
    if isinstance(recipe.components, str):
        return Source(name, recipe.how, duration_s, between, lambda window, start_s, stop_s: recipe.of(window))
    parts, other = recipe.of(recording)  # filled before they are cut: a fill is shared over the whole recording

    def within(window: Recording, start_s: float, stop_s: float) -> tuple[AnyParts, AnyParts | None]:
        assert isinstance(parts, Parts) and not isinstance(other, Cells)
        span = samples(start_s, stop_s)
        return _span(parts, *span), None if other is None else _span(other, *span)

    return Source(name, recipe.how, duration_s, between, within)


def _check(recording: Recording | str | Path, components: str | Parts | None, seed: int) -> None:
    if not isinstance(recording, Recording | str | Path):
        got = type(recording).__name__
        raise TypeError(f"explain takes a hearwhy.Recording or the path of a file; got {got}. Read a file with hearwhy.load.")
    if isinstance(recording, Recording):
        check_recording(recording)
    if isinstance(components, Parts) and not (isinstance(recording, Recording) and _are_of(components, recording)):
        called = recording.name if isinstance(recording, Recording) else recording
        raise ValueError(f"The components were made of {components.recording.name}, not of {called}; make them anew.")
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed is a whole number from 0 to 2**63 - 1; got {seed}.")


def _are_of(parts: Parts, recording: Recording) -> bool:
    made_of = {parts.recording.fingerprint, (parts.as_it_is or parts.recording).fingerprint}
    return recording.fingerprint in made_of


def _check_windowed(recipe: Recipe) -> None:
    if recipe.donors or (isinstance(recipe.components, Parts) and recipe.components.added):
        raise ValueError("What is added is as long as the recording, so it cannot be explained window by window; cut out what "
                         "to explain (--start and --duration), and leave per_window out.")  # fmt: skip


def _with_targets(plan: Plan, model: Classifier, recording: Recording) -> Plan:
    """Return the plan with the labels that the model chooses in the place of keywords."""
    row: list[float] = []
    spent = 0
    if needs_answer(plan.targets):
        predict = Predict(model, whole(recording), device=plan.device, batch_size=plan.batch_size, listening=plan.listening,
                          cache=plan.cache)  # fmt: skip
        row = predict.probabilities(torch.ones(1, 1, dtype=torch.bool))[0].tolist()
        spent = predict.n_calls
    return replace(plan, targets=chosen(plan.targets, model.labels, row), spent=spent)


def _span(parts: Parts, start: int, stop: int) -> Parts:
    return replace(parts.span(start, stop), recording=sound.cut(parts.recording, start, stop))
