"""Maps: one attribution of a unit, a value for every bin of the spectrogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hearwhy.asking import Predict, check_recording
from hearwhy.attribution.inside import Network, Scores
from hearwhy.check.gradients import check_masks
from hearwhy.classifiers.callable import classifier_module
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.components import with_fill
from hearwhy.components.cells import cells, spectrogram
from hearwhy.evaluate.question import OF_BACKGROUND, MethodLine, Question
from hearwhy.game import Game
from hearwhy.scoring import TargetScore
from hearwhy.spectrum import Spectrum
from hearwhy.targets import parse_target
from hearwhy.targets import score as score_of
from hearwhy.types import Recording, Scale


@dataclass(frozen=True, eq=False)
class Scene:
    """A recording under a condition, as a model is given it.

    Parameters
    ----------
    recording
        What is heard.
    classifier
        Who hears it.
    spectrum
        The spectrogram that the network is given, and the features of silence.
    device, batch_size
        Where the network runs, and how many spectrograms at a time.
    """

    recording: Recording
    classifier: SpectrogramClassifier
    spectrum: Spectrum
    device: str
    batch_size: int

    @staticmethod
    def of(recording: Recording, classifier: SpectrogramClassifier, *, device: str, batch_size: int) -> Scene:
        """Return the scene; ValueError where the recording is silent, too short, or longer than the model's window."""
        check_recording(recording)
        features, window = spectrogram(recording, classifier)
        with torch.no_grad():
            floor = classifier.features(torch.zeros(1, 1, window.length))[0]
        every = torch.zeros(features.shape, dtype=torch.int64)
        spectrum = Spectrum(features, every, floor, classifier.front_end, window.length)
        return Scene(recording, classifier, spectrum, device, batch_size)


def make_map(
    scene: Scene, method: MethodLine, target: int, *, question: Question, seed: int, background: Tensor | None
) -> tuple[Float[Tensor, "freq frame"], int]:
    """Return a method's map of a label, float32, and how many forward passes asking for it took.

    Of a method that asks, every bin has the value of its cell. Passes of methods that look inside are theirs and not
    counted: 0.

    Raises
    ------
    ValueError
        What the method itself refuses, or values that are not finite.
    """
    scale = question.scale(method, scene.classifier.activation)
    options = method.seeded(seed)
    if method.entry.asks == "network":
        network = inside(scene, target, scale=scale, background=background if method.name in OF_BACKGROUND else None)
        values, n_calls = method.entry.function(network, scene.spectrum.features.to(scene.device), **options)[0], 0
    else:
        values, n_calls = _asked(scene, method, options, target, question)
    values = values.detach().to("cpu", torch.float32)
    if not torch.isfinite(values).all():
        raise ValueError(f"{method.line} gave values that are NaN or infinite for {scene.recording.name}.")
    return values, n_calls


def _asked(scene: Scene, method: MethodLine, options: dict[str, Any], target: int, question: Question) -> tuple[Tensor, int]:
    classifier = scene.classifier
    parts = cells(scene.recording, classifier, question.components.partition(":")[2])
    if question.protocol == "paper":
        parts = with_fill(parts, "mean")
    predict = Predict(classifier, parts, device=scene.device, batch_size=scene.batch_size)
    score = TargetScore(predict, [classifier.labels[target]], scale=question.scale(method, classifier.activation))
    game = Game(score, gradient=method.entry.asks == "gradient")
    estimate = method.entry.function(game, game.shape, **options)
    return game.scatter(estimate.values)[0][parts.cell], predict.n_calls


def inside(scene: Scene, target: int, *, scale: Scale, background: Tensor | None = None) -> Network:
    """Return a scene's network and the score of one label, for a method that looks inside.

    Raises
    ------
    ValueError
        The network is no torch module.
    """
    classifier = scene.classifier
    module = classifier_module(classifier)
    if not isinstance(module, nn.Module):
        raise ValueError(f"{classifier.name} has no torch network to look into; use lime or kernel_shap, which only ask.")
    parsed = parse_target(classifier.labels[target], classifier.labels)

    def score(answers: Tensor) -> Tensor:
        rows = answers if answers.ndim == 2 else answers.mean(dim=2)
        return score_of(rows, parsed, scale=scale, activation=classifier.activation)[:, None]

    floor = scene.spectrum.floor.to(scene.device)
    rows = floor[None] if background is None else background.to(scene.device)
    return Network(Scores(module, answers=classifier.answers, score=score), module, floor, rows, 1)


def check_gradient(classifier: SpectrogramClassifier, recording: Recording, *, device: str, batch_size: int) -> dict[str, Any]:
    """Return whether the slope of a model's top label agrees with finite differences: error, passed and cause."""
    parts = cells(recording, classifier, "every")
    predict = Predict(classifier, parts, device=device, batch_size=batch_size)
    top = int(predict(torch.ones(1, *parts.shape, dtype=torch.bool))[0].mean(dim=0).argmax())
    game = Game(TargetScore(predict, [classifier.labels[top]]), gradient=True)
    if game.gradient is None:
        return {"error": None, "passed": False, "cause": "it gives no gradient"}
    return check_masks(game).as_json()
