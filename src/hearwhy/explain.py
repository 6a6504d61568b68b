"""Explain: from a classifier and a recording to an Attribution, with the checks that say how far to trust it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

import torch
from torch import Tensor

from hearwhy import __version__
from hearwhy import audio as sound
from hearwhy.asking import Predict, TargetScore, check_recording, checked_scale
from hearwhy.attribution.parsing import parse_method
from hearwhy.classifiers import classifier as find_classifier
from hearwhy.classifiers.callable import classifier_module, name_of
from hearwhy.components import components as make_components
from hearwhy.components import with_fill
from hearwhy.components.parts import Parts
from hearwhy.game import Game
from hearwhy.plan import MAX_WITHOUT, Meter, Plan, Progress, expected_calls
from hearwhy.result import Attribution, Timeline
from hearwhy.trust import MAX_SWITCHES, check_levels, fidelity, interaction_share, other_fill, whole
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
    fill: str = ...,
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
    fill: str = ...,
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
    fill: str = "silence",
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
        What stands where something was removed: ``"silence"``, ``"noise"``, or a background file or folder.
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
    check_recording(recording)
    name, options, entry = parse_method(method, seed=seed)
    label, spent = _first_label(model, recording, device, batch_size) if target == "top" else (None, 0)
    called = classifier if isinstance(classifier, str) else name_of(model)
    targets, on = _targets(target, label, model), checked_scale(scale, model)
    plan = Plan(called, name, options, entry, targets, on, seed, device, batch_size, spent)
    if per_window:
        return _timeline(model, recording, components, plan, (fill, second_fill), progress)
    parts = make_components(components, recording) if isinstance(components, str) else components
    parts = with_fill(parts, fill)
    return _attribution(model, parts, plan, second_fill, Meter(progress, expected_calls(model, parts, plan, second_fill)))


def _targets(target: str | Sequence[str], top: str | None, model: Classifier) -> tuple[str, ...]:
    if isinstance(target, str):
        return (top,) if top is not None else model.labels if target == "all" else (target,)
    if not target:
        raise ValueError("No target was given; give a label, 'top' or 'all'.")
    return tuple(target)


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


def _attribution(model: Classifier, parts: Parts, plan: Plan, second_fill: str | None, meter: Meter) -> Attribution:
    started = time.perf_counter()
    game = _game(model, parts, plan, meter.advance)
    estimate = plan.entry.function(game, game.shape, **plan.options)
    n_masks = len(game.asked())
    ends = torch.stack([torch.ones(game.shape, dtype=torch.bool), torch.zeros(game.shape, dtype=torch.bool)])
    scores, ends_p = game(ends), game.probabilities(ends)
    attribution = Attribution(
        values=game.scatter(estimate.values),
        base=estimate.base,
        score_full=scores[0],
        score_base=scores[1],
        shape=parts.shape,
        names=parts.names,
        targets=plan.targets,
        labels=model.labels,
        probabilities=ends_p[0],
        removed=ends_p[1],
        recording=parts.recording,
        sounds=lambda: parts.audio,
        n_calls=0,
        stderr=None if estimate.stderr is None else game.scatter(estimate.stderr),
        without=_without(game) if game.n <= MAX_WITHOUT else None,
        absent=parts.absent,
        levels_db=parts.levels_db,
        answers=_answers(game) if len(parts.names) <= MAX_SWITCHES else None,
        fidelity=fidelity(game, estimate, plan.entry, seed=plan.seed),
        interaction_share=interaction_share(game, plan.entry, seed=plan.seed),
    )
    asked = game.score.predict.n_calls
    levels, level_calls = check_levels(attribution, model, plan.scale, advance=meter.advance, device=plan.device)
    second, second_calls = _second_fill(attribution, model, parts, plan, second_fill, meter.advance)
    seconds = round(time.perf_counter() - started, 3)
    settings = _settings(model, game, plan) | {"n_masks": n_masks, "seconds": seconds}
    return replace(
        attribution,
        second_fill=second,
        level_check=levels,
        n_calls=plan.spent + asked + level_calls + second_calls,
        settings=settings,
    )


def _game(model: Classifier, parts: Parts, plan: Plan, advance: Callable[[int], None]) -> Game:
    predict = Predict(model, parts, device=plan.device, batch_size=plan.batch_size, advance=advance)
    return Game(TargetScore(predict, plan.targets, scale=plan.scale), gradient=plan.entry.asks == "gradient")


def _second_fill(
    attribution: Attribution,
    model: Classifier,
    parts: Parts,
    plan: Plan,
    fill: str | None,
    advance: Callable[[int], None],
) -> tuple[dict[str, Any] | None, int]:
    if fill is None:
        return None, 0
    game = _game(model, with_fill(parts, fill), plan, advance)
    estimate = plan.entry.function(game, game.shape, **plan.options)
    return other_fill(attribution, game.scatter(estimate.values), fill), game.score.predict.n_calls


def _without(game: Game) -> Tensor:
    """Probabilities (component, label) with one component removed; what is absent changes nothing."""
    kept = game.probabilities(~torch.eye(game.n, dtype=torch.bool).reshape(game.n, *game.shape))
    everything = game.probabilities(torch.ones(1, *game.shape, dtype=torch.bool))
    full = everything.repeat(game.present.numel(), 1)
    full[game.present.flatten()] = kept
    return full


def _answers(game: Game) -> Tensor:
    """Probabilities (2**component, label) for every mix; row r keeps component i where bit i of r is 1."""
    n = game.present.numel()
    rows = torch.arange(2**n)[:, None] >> torch.arange(n) & 1
    return game.probabilities(rows.to(torch.bool)[:, game.present.flatten()].reshape(-1, *game.shape))


def _timeline(
    model: Classifier, recording: Recording, components: str | Parts, plan: Plan, fills: tuple[str, str | None],
    progress: Progress | None,
) -> Timeline:  # fmt: skip
    heard = windows(round(recording.duration_s * model.sample_rate), model)
    spans = tuple((start, min(stop, recording.duration_s)) for start, stop in heard.spans_s)
    meter = Meter(progress, 0)
    found: list[Attribution | None] = []
    for start_s, stop_s in spans:
        parts = _window_parts(
            components, recording, round(start_s * recording.sample_rate), round(stop_s * recording.sample_rate)
        )
        if parts is None:
            found.append(None)
            continue
        calls = expected_calls(model, parts, plan, fills[1])
        meter.expected = meter.done + calls * (len(spans) - len(found))
        found.append(_attribution(model, with_fill(parts, fills[0]), plan, fills[1], meter))
    if not any(found):
        raise ValueError(f"Every window of {recording.name} is silent; there is nothing in it to explain.")
    return Timeline(tuple(found), spans)


def _window_parts(components: str | Parts, recording: Recording, start: int, stop: int) -> Parts | None:
    """Return the parts of one window; None where it is silent."""
    window = sound.cut(recording, start, stop)
    if sound.level_db(window.audio) < sound.SILENCE_DB:
        return None
    if isinstance(components, str):
        return make_components(components, window)
    return replace(components.span(start, stop), recording=window)


def _settings(model: Classifier, game: Game, plan: Plan) -> dict[str, Any]:
    predict = game.score.predict
    recording, parts = predict.parts.recording, predict.parts
    history = [*recording.history, *sound.conversion(recording, model.sample_rate, model.channels)]
    return {
        "model": plan.model, "fingerprint": model.fingerprint, "activation": model.activation,
        "window_s": model.window_s, "n_windows": len(predict.windows.starts),
        "history": history + [predict.windows.note] * (predict.windows.note is not None),
        "components": parts.spec, "fill": ", ".join(parts.fill_names), "gap_db": parts.gap_db,
        "method": plan.method, "options": dict(plan.options), "scale": plan.scale, "seed": plan.seed, "device": plan.device,
        "batch_size": predict.batch_size, "threads": torch.get_num_threads(),
        "versions": {"hearwhy": __version__, "torch": torch.__version__},
    }  # fmt: skip
