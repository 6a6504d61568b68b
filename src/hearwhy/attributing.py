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
from hearwhy.attribution.interactions import interactions
from hearwhy.check.gradients import check_masks
from hearwhy.components.cells import AnyParts, Cells
from hearwhy.components.parts import Parts
from hearwhy.game import Game
from hearwhy.parents import Added, Parents
from hearwhy.plan import MAX_WITHOUT, Meter, Plan, grouped, groups_of, with_groups
from hearwhy.result import Attribution
from hearwhy.scoring import TargetScore
from hearwhy.spectrum import Spectrum
from hearwhy.stopping import Patience, all_masks_needed, ending, made_exact, patience_with
from hearwhy.trust import MAX_SWITCHES, check_levels, check_running, fidelity, interaction_share, other_fill
from hearwhy.types import Classifier, Estimate
from hearwhy.vector import Vector

MAX_FREE = 12  # components up to which interactions are read off all masks where those were asked anyway


def attribute(model: Classifier, parts: AnyParts, other: AnyParts | None, plan: Plan, meter: Meter) -> Attribution:
    """Return what the plan finds about the parts, with its checks; `other` is the same parts under a second fill."""
    started, spared = time.perf_counter(), remembered(plan)
    game = _game(model, parts, plan, meter.advance)
    plan = with_groups(plan, groups_of(parts))
    _check_interactions(game, plan)
    game.expect = patience = patience_with(game, plan, meter, fills=len(parts.fills) + (len(other.fills) if other else 0))
    plan, estimate = made_exact(plan, game, plan.entry.function(game, game.shape, **plan.options), patience)
    ended = ending(plan, game, estimate, patience)
    attribution = _found(game, parts, plan, estimate)
    slope = _gradient_check(game)
    running, running_calls = check_running(game, advance=meter.advance)
    asked = game.score.predict.n_calls + running_calls
    levels, level_calls = check_levels(attribution, model, game.score, advance=meter.advance)
    second, second_calls = _second_fill(attribution, model, other, plan, patience)
    cost = {"seconds": round(time.perf_counter() - started, 3), "n_remembered": remembered(plan) - spared}
    return replace(
        attribution,
        second_fill=second,
        level_check=levels,
        n_calls=plan.spent + asked + level_calls + second_calls,
        settings=described(model, game, plan) | slope | ended | cost | {"running_check": running},
    )


def _found(game: Game, parts: AnyParts, plan: Plan, estimate: Estimate) -> Attribution:
    """What the method found, with what the model itself says of the recording, of nothing, and of single components."""
    ends = torch.stack([torch.ones(game.shape, dtype=torch.bool), torch.zeros(game.shape, dtype=torch.bool)])
    scores, ends_p = game(ends), game.probabilities(ends)
    return Attribution(
        values=game.scatter(estimate.values),
        base=estimate.base,
        score_full=scores[0],
        score_base=scores[1],
        shape=parts.shape,
        names=parts.names,
        targets=plan.targets,
        labels=game.score.predict.classifier.labels,
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
        fidelity=fidelity(game, estimate, plan.entry, seed=plan.seed) if plan.entry.signed else (None,) * len(plan.targets),
        interaction_share=interaction_share(game, plan.entry, seed=plan.seed),
        **_of_cells(parts),
        **_between(game, plan),
        **_of_parts(game, parts, plan),
    )


def remembered(plan: Plan) -> int:
    """Return how many forward passes the answers of others have spared so far."""
    return 0 if plan.cache is None else plan.cache.n_remembered


def _of_cells(parts: AnyParts) -> dict[str, Any]:
    """What was explained, where it is no sound: a spectrogram, or values."""
    if not isinstance(parts, Cells):
        return {}
    return {"vector": Vector.of(parts)} if parts.domain == "vector" else {"spectrum": Spectrum.of(parts)}


def _game(model: Classifier, parts: AnyParts, plan: Plan, advance: Callable[[int], None]) -> Game:
    predict = Predict(model, parts, device=plan.device, batch_size=plan.batch_size, advance=advance, listening=plan.listening,
                      cache=plan.cache)  # fmt: skip
    return Game(TargetScore(predict, plan.targets, scale=plan.scale), gradient=plan.entry.asks != "score")


def _gradient_check(game: Game) -> dict[str, Any]:
    """What finite differences say of the slope that the method followed; nothing where it followed none."""
    return {} if game.gradient is None else {"gradient_check": check_masks(game).as_json()}


def _second_fill(
    attribution: Attribution, model: Classifier, parts: AnyParts | None, plan: Plan, patience: Patience
) -> tuple[dict[str, Any] | None, int]:
    if parts is None:
        return None, 0
    game = _game(model, parts, plan, patience.meter.advance)
    game.expect = patience.again(calls=game.score.predict.n_draws)
    estimate = plan.entry.function(game, game.shape, **grouped(plan.options, parts))
    values = game.scatter(estimate.values)
    return other_fill(attribution, values, fill_told(parts)), game.score.predict.n_calls


def _check_interactions(game: Game, plan: Plan) -> None:
    """Raise ValueError, before the model is asked anything, where so few masks tell nothing of every two components."""
    needed = min(4 * game.n, 2**game.n)
    if plan.n_interactions is not None and plan.n_interactions < needed:
        raise ValueError(f"The interactions of {game.n} components take at least {needed} masks; got {plan.n_interactions}. "
                         f"Give interactions={max(1000, needed)}, or fewer components.")  # fmt: skip


def _between(game: Game, plan: Plan) -> dict[str, Any]:
    """The interactions of every two components: where all masks were asked anyway, or as many are wanted."""
    every = 2 ** min(game.n, 40)
    everything_asked = game.present.numel() <= MAX_SWITCHES or (game.n <= MAX_FREE and len(game.asked()) == every)
    n_samples = every if everything_asked else plan.n_interactions
    if n_samples is None or game.n < 2:
        return {}
    found = interactions(game, game.shape, n_samples=n_samples, seed=plan.seed)
    named = {"interactions": found.values, "interactions_stderr": found.stderr}
    return {name: None if tensor is None else _scatter_pairs(game, tensor) for name, tensor in named.items()}


def _scatter_pairs(game: Game, pairs: Tensor) -> Tensor:
    present = game.present.flatten().nonzero()[:, 0]
    full = torch.zeros(len(pairs), game.present.numel(), game.present.numel(), dtype=pairs.dtype)
    full[:, present[:, None], present] = pairs
    return full


def _of_parts(game: Game, parts: AnyParts, plan: Plan) -> dict[str, Any]:
    """What is known of parts that were split again, and of what was added."""
    found: dict[str, Any] = {}
    if isinstance(parts, Parts) and parts.parents is not None:
        found["parents"] = _parents(game, parts, plan)
    if isinstance(parts, Parts) and parts.added:
        numbers = range(len(parts.names) - len(parts.added), len(parts.names))
        kept = torch.ones(1, len(parts.names), dtype=torch.bool)
        kept[:, list(numbers)] = False
        as_it_is = game.probabilities(kept[:, game.present.flatten()].reshape(1, *game.shape))[0]
        found["added"] = Added(parts.added, tuple(numbers), as_it_is)
    return found


def _parents(game: Game, parts: Parts, plan: Plan) -> Parents:
    """The game between the parts as they were before some were split again, played by the same method."""
    assert parts.parents is not None and parts.groups is not None
    names, of = tuple(dict.fromkeys(parts.parents)), torch.tensor(parts.groups)
    here, member = of[game.present.flatten()].unique(return_inverse=True)
    merged, plan = Merged(game, member, len(here)), with_groups(plan, tuple(range(len(here))))
    if isinstance(game.expect, Patience):
        expected = min(plan.entry.n_masks(len(here), plan.options), all_masks_needed(plan, len(here)))
        merged.expect = game.expect.again(calls=game.score.predict.n_draws, expected=expected)
    estimate = plan.entry.function(merged, (len(here),), **plan.options)
    values = torch.zeros(len(estimate.values), len(names), dtype=estimate.values.dtype)
    values[:, here] = estimate.values
    without = game.probabilities(torch.ones(1, *game.shape, dtype=torch.bool)).repeat(len(names), 1)
    without[here] = game.probabilities(merged.expand(~torch.eye(len(here), dtype=torch.bool)))
    return Parents(names, tuple(of.tolist()), values, without)


class Merged:
    """A game in which some components can only be switched together: what a method asks about parts before they were split.

    Parameters
    ----------
    game
        Over the components.
    member
        Which of the merged components each one belongs to.
    n
        How many of those there are.
    """

    def __init__(self, game: Game, member: Tensor, n: int) -> None:
        self.game, self.member = game, member
        self.gradient = None if game.gradient is None else self._gradient
        self.expect: Patience | None = None
        self._n = n

    def __call__(self, mask: Tensor) -> Tensor:
        """Return the score (batch, target) of masks over the merged components."""
        return self.game(self.expand(mask))

    def expand(self, mask: Tensor) -> Tensor:
        """Return the mask over all components."""
        return mask[:, self.member].reshape(len(mask), *self.game.shape)

    def _gradient(self, mask: Tensor) -> Tensor:
        assert self.game.gradient is not None
        slope = self.game.gradient(self.expand(mask)).flatten(2)
        return slope.new_zeros(*slope.shape[:2], self._n).index_add_(2, self.member, slope)


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


def fill_told(parts: AnyParts) -> str:
    """Say in words what stands where something was removed."""
    return ", ".join(dict.fromkeys(parts.fill_names))


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
        "components": parts.spec, "fill": fill_told(parts), "gap_db": parts.gap_db,
        "made_of_recording": parts.linear, "method": plan.method, "options": dict(plan.options), "scale": plan.scale,
        "seed": plan.options.get("seed", plan.seed), "device": plan.device,
        "batch_size": predict.batch_size, "threads": torch.get_num_threads(),
        "versions": {"hearwhy": __version__, "torch": torch.__version__},
    }  # fmt: skip
