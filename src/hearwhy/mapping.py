"""Mapping: the attribution of a method that looks inside the network, a value for every bin of the spectrogram."""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from torch import Tensor, nn

from hearwhy.asking import Predict
from hearwhy.attributing import attribute, described
from hearwhy.attribution.inside import Network, Scores
from hearwhy.check.gradients import check_masks
from hearwhy.classifiers.callable import classifier_module
from hearwhy.components.cells import AnyParts, Cells
from hearwhy.game import Game
from hearwhy.masking import with_mask
from hearwhy.plan import Meter, Plan
from hearwhy.result import Attribution
from hearwhy.scoring import TargetScore
from hearwhy.spectrum import Spectrum
from hearwhy.targets import parse_target
from hearwhy.targets import score as score_of
from hearwhy.trust import check_levels
from hearwhy.types import Classifier

MASK = "top_k(k=0.3)"


def attribute_map(model: Classifier, cells: Cells, plan: Plan, meter: Meter) -> Attribution:
    """Return what a method that looks inside finds about every bin, with the check of the network's gradient.

    The rows of the fill are its background: what values of deep_shap and gradient_shap are relative to.

    Raises
    ------
    ValueError
        The network is no torch module, or what the method itself refuses.
    """
    started = time.perf_counter()
    predict = Predict(model, cells, device=plan.device, batch_size=plan.batch_size, advance=meter.advance, cache=plan.cache)
    game = Game(TargetScore(predict, plan.targets, scale=plan.scale), gradient=True)
    network = _network(cells, plan)
    values = plan.entry.function(network, cells.features.to(plan.device), **plan.options).to("cpu", torch.float32)
    if not torch.isfinite(values).all():
        raise ValueError(f"{plan.method} gave values that are NaN or infinite for {cells.recording.name}; use lime over cells.")
    ends = torch.stack([torch.ones(game.shape, dtype=torch.bool), torch.zeros(game.shape, dtype=torch.bool)])
    scores, ends_p = game(ends), game.probabilities(ends)
    slope = check_masks(game).as_json()
    attribution = Attribution(
        values=values.reshape(len(values), *cells.shape),
        base=scores[1],
        score_full=scores[0],
        score_base=scores[1],
        shape=cells.shape,
        names=cells.names,
        targets=plan.targets,
        labels=model.labels,
        probabilities=ends_p[0],
        removed=ends_p[1],
        recording=cells.recording,
        sounds=lambda: torch.zeros(0),
        n_calls=0,
        spectrum=Spectrum.of(cells),
    )
    levels, level_calls = check_levels(attribution, model, game.score, advance=meter.advance)
    seconds = round(time.perf_counter() - started, 3)
    settings = described(model, game, plan) | {"gradient_check": slope, "n_masks": 0, "seconds": seconds}
    n_calls = plan.spent + predict.n_calls + level_calls
    return replace(attribution, level_check=levels, n_calls=n_calls, settings=settings)


def _network(cells: Cells, plan: Plan) -> Network:
    classifier = cells.classifier
    module = classifier_module(classifier)
    if not isinstance(module, nn.Module):
        raise ValueError(f"{plan.method} looks inside a torch network, and {classifier.name} has none that hearwhy can see; "
                         "use lime or kernel_shap over cells, which only ask.")  # fmt: skip
    parsed = [parse_target(target, classifier.labels) for target in plan.targets]

    def score(answers: Tensor) -> Tensor:
        rows = answers if answers.ndim == 2 else answers.mean(dim=2)
        columns = [score_of(rows, target, scale=plan.scale, activation=classifier.activation) for target in parsed]
        return torch.stack(columns, dim=-1)

    scores = Scores(module, answers=classifier.answers, score=score)
    background = torch.stack(cells.fills).to(plan.device)
    floor = classifier.features(torch.zeros(1, 1, cells.window.length))[0].to(plan.device)
    return Network(scores, module, floor, background, len(parsed))


def attribute_any(model: Classifier, parts: AnyParts, other: AnyParts | None, plan: Plan, meter: Meter) -> Attribution:
    """Return what the plan finds: by asking about masks, by following the slope, or by looking inside.

    Of a spectrogram with what the model says of a mask of its map; values of vectors have none.
    """
    if not isinstance(parts, Cells) or parts.domain == "vector":
        return attribute(model, parts, other, plan, meter)
    if plan.entry.asks == "network":
        found = attribute_map(model, parts, plan, meter)
    else:
        found = attribute(model, parts, other, plan, meter)
    return with_mask(found, parts.classifier, plan.mask or MASK, device=plan.device)
