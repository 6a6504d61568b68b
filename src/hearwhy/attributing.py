"""Attributing: from the parts of one recording and a plan to an Attribution with its checks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from hearwhy import __version__
from hearwhy import audio as sound
from hearwhy.asking import Predict
from hearwhy.check.gradients import check_masks
from hearwhy.components.cells import AnyParts, Cells
from hearwhy.components.parts import Parts
from hearwhy.game import Game
from hearwhy.plan import MAX_WITHOUT, Meter, Plan
from hearwhy.result import Attribution
from hearwhy.scoring import TargetScore
from hearwhy.spectrum import Spectrum
from hearwhy.trust import MAX_SWITCHES, check_levels, fidelity, interaction_share, other_fill
from hearwhy.types import Classifier


def attribute(model: Classifier, parts: AnyParts, other: AnyParts | None, plan: Plan, meter: Meter) -> Attribution:
    """Return what the plan finds about the parts, with its checks; `other` is the same parts under a second fill."""
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
        sounds=lambda: parts.audio if isinstance(parts, Parts) else Spectrum.of(parts).each(parts.recording),
        n_calls=0,
        stderr=None if estimate.stderr is None else game.scatter(estimate.stderr),
        without=_without(game) if game.n <= MAX_WITHOUT else None,
        absent=parts.absent,
        levels_db=parts.levels_db,
        answers=_answers(game) if len(parts.names) <= MAX_SWITCHES else None,
        fidelity=fidelity(game, estimate, plan.entry, seed=plan.seed),
        interaction_share=interaction_share(game, plan.entry, seed=plan.seed),
        spectrum=Spectrum.of(parts) if isinstance(parts, Cells) else None,
    )
    slope = _gradient_check(game)
    asked = game.score.predict.n_calls
    levels, level_calls = check_levels(attribution, model, game.score, advance=meter.advance)
    second, second_calls = _second_fill(attribution, model, other, plan, meter.advance)
    seconds = round(time.perf_counter() - started, 3)
    settings = described(model, game, plan) | slope | {"n_masks": n_masks, "seconds": seconds}
    return replace(
        attribution,
        second_fill=second,
        level_check=levels,
        n_calls=plan.spent + asked + level_calls + second_calls,
        settings=settings,
    )


def _game(model: Classifier, parts: AnyParts, plan: Plan, advance: Callable[[int], None]) -> Game:
    predict = Predict(model, parts, device=plan.device, batch_size=plan.batch_size, advance=advance, listening=plan.listening)
    return Game(TargetScore(predict, plan.targets, scale=plan.scale), gradient=plan.entry.asks != "score")


def _gradient_check(game: Game) -> dict[str, Any]:
    """What finite differences say of the slope that the method followed; nothing where it followed none."""
    return {} if game.gradient is None else {"gradient_check": check_masks(game).as_json()}


def _second_fill(
    attribution: Attribution, model: Classifier, parts: AnyParts | None, plan: Plan, advance: Callable[[int], None]
) -> tuple[dict[str, Any] | None, int]:
    if parts is None:
        return None, 0
    game = _game(model, parts, plan, advance)
    estimate = plan.entry.function(game, game.shape, **plan.options)
    values = game.scatter(estimate.values)
    return other_fill(attribution, values, ", ".join(parts.fill_names)), game.score.predict.n_calls


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


def described(model: Classifier, game: Game, plan: Plan) -> dict[str, Any]:
    """Return everything that was chosen, and what was done to the audio."""
    predict = game.score.predict
    recording, parts = predict.parts.recording, predict.parts
    history = [*recording.history, *sound.conversion(recording, model.sample_rate, model.channels)]
    history += [f"the model: {note}" for note in getattr(model, "notes", ())]
    return {
        "model": plan.model, "fingerprint": model.fingerprint, "activation": model.activation,
        "window_s": model.window_s, "n_windows": len(predict.windows.starts), "span_s": predict.listening.span_s,
        "history": history + [predict.windows.note] * (predict.windows.note is not None),
        "components": parts.spec, "fill": ", ".join(parts.fill_names), "gap_db": parts.gap_db,
        "made_of_recording": parts.linear, "method": plan.method, "options": dict(plan.options), "scale": plan.scale,
        "seed": plan.options.get("seed", plan.seed), "device": plan.device,
        "batch_size": predict.batch_size, "threads": torch.get_num_threads(),
        "versions": {"hearwhy": __version__, "torch": torch.__version__},
    }  # fmt: skip
