"""Gradients: is the slope that a model reports the slope that it has?

Measured on the `band` models, musicnn's four and a tone detector, and on two networks that begin as PANNs does, whose
gradient torch 2.13 gets wrong on the CPU. In double precision right gradients miss central differences by up to 0.1 %,
wrong ones by 7 % and more: 2 % lies between. In float32 rounding forbids the small steps that kinks (ReLU, max-pooling)
and decibels ask for, and right gradients miss by up to 8 %: there only what is grossly wrong is found.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from hearwhy.asking import Predict
from hearwhy.check.culprit import culprit
from hearwhy.check.differences import Function, best
from hearwhy.check.findings import Finding
from hearwhy.check.subject import Subject, check_alike, doubled, refusal
from hearwhy.classifiers.callable import classifier_module
from hearwhy.game import Game

MAX_ERROR = 0.02
MAX_ERROR_FLOAT32 = 0.1
STEPS = (1e-7, 1e-9, 1e-11)  # of the clip's norm, or of a mask's 1
STEPS_FLOAT32 = (1e-3, 1e-4, 1e-5, 1e-6)
STEPS_MASKS = (1e-3, 3e-4, 3e-3, 1e-2)
POINTS = (0.5, 0.9)  # of a mask: half faded, nearly whole
FLOAT32, FLOAT64 = 1e-7, 1e-14  # relative rounding of a network's answers, as differences showed it
SPANS, BANDS = 4, (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 1.0)
SLOW_S = 0.5  # a pass; a label costs some twenty of them
MAX_DOUBLE_SAMPLES = 2**25  # of parts: 256 MiB in double precision
WRONG = 10.0  # what is not finite agrees with nothing
MAX_REPEATS = 1e-5  # of the range of answers
NETWORK = ("gradient", "network")
INSTEAD = "use kernel_shap, which only asks for answers"


@dataclass(frozen=True)
class Slope:
    """How far a gradient misses finite differences (a share of them), whether that passes, and the cause if it is known."""

    error: float
    passed: bool
    cause: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as a dictionary."""
        return {"error": float(f"{self.error:.4g}"), "passed": self.passed, "cause": self.cause}


def gradient(subject: Subject, repeats: float = 0.0) -> Finding:
    """Return whether the gradient of the top label and of the runner-up is right, compared with finite differences in audio.

    Along gains of the recording's tiles, and in double precision along the gradient itself and along noise. A model whose
    answer changes by more than `repeats` of its range from call to call has no differences to compare with.
    """
    reason = _missing(subject)
    if reason is not None:
        text = f"The model gives no gradient ({reason}), so methods that need one cannot be used; {INSTEAD}."
        return Finding("gradient", "not possible", text, limits=NETWORK)
    if repeats > MAX_REPEATS:
        text = "Answers that change from call to call have no differences to compare the gradient with."
        return Finding("gradient", "not possible", text, limits=NETWORK)
    twin = subject.double()
    labels = _labels(subject)
    errors = [_error(subject, twin, label) for label in labels]
    error, most = max(errors), MAX_ERROR_FLOAT32 if twin is None else MAX_ERROR
    if error <= most:
        text = f"The gradient agrees with finite differences within {_share(error)}: methods that follow it may be used."
        return Finding("gradient", "passed", text, error)
    label = labels[errors.index(error)]
    if twin is not None and _right_in_double(twin, label):
        text = (f"The gradient is right in double precision, but in float32 it misses finite differences by {_share(error)}: "
                "it hangs on frequencies where the recording holds only rounding. Compare with kernel_shap.")  # fmt: skip
        return Finding("gradient", "warning", text, error, NETWORK)
    cause = find_culprit(subject.classifier, lambda: _slope(subject, label))
    text = f"The gradient misses finite differences by {_share(error)}: what methods make of it is wrong; {INSTEAD}."
    return Finding("gradient", "failed", text + (f" Cause: {cause}." if cause else ""), error, NETWORK)


def check_masks(game: Game) -> Slope:
    """Return whether the slope of a score along its mask is right, compared with central differences.

    At a mask half faded and one nearly whole, along the slope itself, all components together and a coin flip for each;
    the largest error over targets. Differences are taken in double precision where the model has a copy that runs in it.
    Costs 18 masks; 6 more for each further step that is tried where they disagree.

    Parameters
    ----------
    game
        A game with a gradient.
    """
    twin = _precise(game)
    most = MAX_ERROR_FLOAT32 if twin is None else MAX_ERROR
    worst = max(_error_at(game, point, twin) for point in POINTS)
    if worst <= most:
        return Slope(worst, True)
    assert game.gradient is not None
    slope, half = game.gradient, torch.full((1, *game.shape), POINTS[0])
    return Slope(worst, False, find_culprit(game.score.predict.classifier, lambda: slope(half)))


def find_culprit(classifier: object, slope: Any) -> str | None:
    """Return the module whose backward pass is wrong, in words; None where the model is no torch module or none is found."""
    module = classifier_module(classifier)
    return None if module is None else culprit(module, slope)


def _error_at(game: Game, point: float, twin: Predict | None) -> float:
    assert game.gradient is not None
    at = torch.full(game.shape, point, dtype=torch.float64)
    slope = game.gradient(at[None].float())[0].to(torch.float64)  # (target, *component)
    if not torch.isfinite(slope).all():
        return WRONG
    coins = torch.randint(0, 2, game.shape, generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    steepest = slope[0] / slope[0].abs().max().clamp(min=1e-300)
    ways = torch.stack([steepest, torch.ones_like(at), coins.to(at)])
    along = ways.flatten(1) @ slope.flatten(1).T
    if twin is None:
        function = _along(game, game.score.predict)
        return float(best(function, at, ways, along, STEPS_MASKS, enough=MAX_ERROR_FLOAT32, rounding=FLOAT32).max())
    return float(best(_along(game, twin), at, ways, along, STEPS, enough=MAX_ERROR, rounding=FLOAT64).max())


def _along(game: Game, predict: Predict) -> Function:
    """The score of soft masks over the components that are present, asked of `predict`; its calls count as the game's."""

    def answer(masks: Tensor) -> Tensor:
        step, before = max(1, predict.batch_size // predict.n_draws), predict.n_calls
        with torch.no_grad():
            scores = [game.score.of(predict.soft(chunk)) for chunk in game.expand(masks).split(step)]
        if predict is not game.score.predict:
            game.score.predict.n_calls += predict.n_calls - before
        return torch.cat(scores)

    return answer


def _precise(game: Game) -> Predict | None:
    """What the game asks, in double precision; None where that is not to be had, or answers otherwise."""
    predict = game.score.predict
    parts = predict.parts
    waveforms = len(parts.names) if parts.domain == "audio" else 1
    samples = waveforms * parts.recording.duration_s * predict.classifier.sample_rate
    twin = doubled(predict.classifier) if samples <= MAX_DOUBLE_SAMPLES else None
    if twin is None:
        return None
    precise = predict.in_double(twin)
    half = torch.full((1, *game.shape), POINTS[0], dtype=torch.float64)

    def compare() -> None:
        before = precise.n_calls
        with torch.no_grad():
            check_alike(predict.soft(game.expand(half.float())), precise.soft(game.expand(half)))
        predict.n_calls += precise.n_calls - before

    return precise if refusal(compare) is None else None


def _missing(subject: Subject) -> str | None:
    """Why there is no gradient; None where there is one."""
    audio = subject.clip.clone().requires_grad_(True)
    try:
        answers = subject.answers(audio)
    except (RuntimeError, TypeError, ValueError) as error:  # a callable that leaves torch
        return (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0][:80]
    return None if answers.requires_grad else "its answers do not hang on the audio in torch"


def _labels(subject: Subject) -> list[int]:
    """The most probable label and the runner-up; of two that exclude each other one tells all, of a slow model one must do."""
    began = time.perf_counter()
    labels = subject.probabilities(subject.clip)[0].argsort(descending=True)[:2].tolist()
    slow = time.perf_counter() - began > SLOW_S
    alone = len(subject.classifier.labels) == 2 and subject.classifier.activation == "softmax"
    return labels[:1] if alone or slow else labels


def _slope(subject: Subject, label: int) -> Tensor:
    audio = subject.clip.detach().clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(subject.score(audio, label).sum(), audio)
    return slope[0].to(torch.float64)


def _right_in_double(twin: Subject, label: int) -> bool:
    try:
        return _error(twin, twin, label) <= MAX_ERROR
    except RuntimeError:  # runs in double precision, but not backward
        return False


def _error(subject: Subject, twin: Subject | None, label: int) -> float:
    """Largest disagreement over groups of directions, each judged by itself: the steepest would drown the others."""
    slope = _slope(subject, label)
    if not torch.isfinite(slope).all():
        return WRONG
    at, asked = subject.clip[0].to(torch.float64), subject if twin is None else twin
    steps, enough, rounding = (STEPS_FLOAT32, MAX_ERROR_FLOAT32, FLOAT32) if twin is None else (STEPS, MAX_ERROR, FLOAT64)

    def function(points: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([asked.score(point[None].to(asked.clip.dtype), label) for point in points])[:, None]

    errors = []
    for ways in _directions(subject, slope, noise=twin is not None):
        along = (ways * slope).flatten(1).sum(dim=1, keepdim=True).cpu()
        scaled = [step * float(at.norm().clamp(min=1e-6)) for step in steps]
        errors.append(float(best(function, at, ways, along, scaled, enough=enough, rounding=rounding)))
    return max(errors)


def _directions(subject: Subject, slope: Tensor, *, noise: bool) -> list[Tensor]:
    """Groups of directions (direction, channel, time) of length one; each group is judged by itself.

    Gains of the recording's tiles, as an explanation turns them: the steepest of those, the recording as a whole, and coin
    flips. In double precision also the gradient itself, which lies mostly in the faintest bins, and noise.
    """
    clip = subject.clip[0].to(torch.float64)
    tiles = _tiles(clip)
    gains = (tiles * slope).flatten(1).sum(dim=1)
    coins = torch.randint(0, 2, (2, len(tiles)), generator=torch.Generator().manual_seed(subject.seed)).to(tiles) * 2 - 1
    flips = [torch.tensordot(coin, tiles, dims=1) for coin in coins]
    groups = [[torch.tensordot(gains, tiles, dims=1), clip], flips]
    if noise:
        white = subject.noise(clip).to(torch.float64)
        groups += [[slope], [_band(white, 0.0, 0.1), _band(white, 0.1, 0.5)]]
    return [torch.stack([way / way.norm().clamp(min=1e-300) for way in group]) for group in groups]


def _tiles(clip: Tensor) -> Tensor:
    """Four spans of time times six bands, which add up to the clip; (tile, channel, time)."""
    bands = [_band(clip, low, high) for low, high in pairwise(BANDS)]
    edges = [round(i * clip.shape[-1] / SPANS) for i in range(SPANS + 1)]
    tiles = []
    for band in bands:
        for start, stop in pairwise(edges):
            tile = torch.zeros_like(band)
            tile[..., start:stop] = band[..., start:stop]
            tiles.append(tile)
    return torch.stack(tiles)


def _band(audio: Tensor, low: float, high: float) -> Tensor:
    """Return the frequencies from `low` to `high`, shares of the highest."""
    spectrum = torch.fft.rfft(audio)
    bins = torch.arange(spectrum.shape[-1], device=audio.device) / spectrum.shape[-1]
    return torch.fft.irfft(spectrum * ((bins >= low) & (bins < high)), n=audio.shape[-1])


def _share(error: float) -> str:
    return f"{100 * error:.1g} %" if error < 0.01 else f"{100 * error:.0f} %" if error < 10 else "1000 % and more"
