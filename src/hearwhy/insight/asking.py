"""Asking: from one snippet to what the model's answers to it rest on, with no more forward passes than that takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.asking import Predict
from hearwhy.attribution.parsing import parse_method
from hearwhy.components import ABSENT_DB, asks_for_stems, with_fill
from hearwhy.components import components as make_components
from hearwhy.components.cells import Cells
from hearwhy.components.parts import Parts
from hearwhy.game import Game
from hearwhy.insight.question import Question, Unit, unit_seed
from hearwhy.insight.rows import Explanation, Snippet
from hearwhy.metrics.sound import si_sdr
from hearwhy.plan import grouped
from hearwhy.scoring import TargetScore, checked_scale
from hearwhy.targets import chosen
from hearwhy.trust import fidelity, interaction_share
from hearwhy.types import Classifier, Estimate, Recording
from hearwhy.vector import Vector

AUDIBLE_DB = -60.0  # RMS below full scale under which a snippet counts as silent, as in the audioLIME paper
MAX_WHOLE_S = 1200.0  # of a recording that is separated as one: 5 stereo sources of it are 2 GB
N_FRESH = 8  # masks of each snippet that the additive explanation is held against


class Asker:
    """A model, and the snippets that it is asked about one after the other.

    A separator hears the whole recording, once for all its snippets; everything else is made of each snippet by itself.

    Parameters
    ----------
    model
        What is asked; on its device already.
    question
        What is asked.
    device
        Where the model runs.
    """

    def __init__(self, model: Classifier, question: Question, *, device: str = "cpu") -> None:
        self.model, self.question, self.device = model, question, device
        self._separated: tuple[tuple[str, str], Parts] | None = None

    def ask(self, unit: Unit) -> Snippet | None:
        """Return what is found about a snippet; None where it is silent.

        Raises
        ------
        ValueError
            Its sound, its components or the model's answer cannot be used.
        """
        recording = unit.item.load(start_s=unit.start_s, duration_s=unit.duration_s)
        if sound.level_db(recording.audio) < AUDIBLE_DB:
            return None
        stems = unit.item.stems(start_s=unit.start_s, duration_s=unit.duration_s)
        parts = self.parts(unit, recording, stems)
        predict = Predict(self.model, parts, device=self.device)
        ends = torch.stack([torch.ones(parts.shape, dtype=torch.bool), torch.zeros(parts.shape, dtype=torch.bool)])
        everything, nothing = predict.probabilities(ends).tolist()
        targets = chosen(self.question.targets, self.model.labels, everything)
        explanations = self._explanations(predict, targets, unit_seed(self.question.seed, unit))
        apart, mixed = _separation(parts, recording, {} if asks_for_stems(self.question.components) else stems or {})
        done = [step for step in parts.recording.history if not step.startswith("read ")]  # where it lies is no news
        told = [f"the model: {note}" for note in getattr(self.model, "notes", ())]
        notes = [*told, *done, *sound.conversion(recording, self.model.sample_rate, self.model.channels), predict.windows.note]
        levels = [None if level < sound.SILENCE_DB else level for level in parts.levels_db]
        return Snippet(
            item=unit.item.name, group=unit.item.group, condition=unit.condition, number=unit.number, start_s=unit.start_s,
            duration_s=unit.duration_s, label=unit.item.label or _playing(stems or {}, recording, self.model.labels),
            names=tuple(parts.names), absent=tuple(parts.absent), own=_own(parts),
            levels_db=tuple(levels) or (None,) * len(parts.names),  # cells and values have none
            si_sdr_db=apart, si_sdr_mix_db=mixed, chances=tuple(everything), chances_removed=tuple(nothing),
            explanations=explanations, n_calls=predict.n_calls, notes=tuple(note for note in notes if note),
        )  # fmt: skip

    def parts(self, unit: Unit, recording: Recording, stems: Mapping[str, Recording] | None) -> Any:
        """Return the components of a snippet."""
        spec = self.question.components.strip()
        if asks_for_stems(spec):
            made: Any = make_components(spec, recording, classifier=self.model, stems=_true_sources(unit, stems))
        elif spec.startswith("sources:") and " * " not in spec and " / " not in spec:
            made = self._cut(unit, recording)
        else:
            made = make_components(spec, recording, classifier=self.model)
        return made if self.question.fill is None else with_fill(made, self.question.fill)

    def _cut(self, unit: Unit, recording: Recording) -> Parts:
        """Cut a snippet out of its separated recording, which is kept until another one comes."""
        key = (unit.item.name, unit.condition)
        if self._separated is None or self._separated[0] != key:
            if unit.item.duration_s > MAX_WHOLE_S:
                raise ValueError(
                    f"{unit.item.name} is {unit.item.duration_s / 60:.0f} minutes long, too long to be separated as one; cut "
                    f"it into files of at most {MAX_WHOLE_S / 60:.0f} minutes."
                )
            parts = make_components(self.question.components, unit.item.load())
            self._separated = (key, parts)
        whole, start = self._separated[1], round(unit.start_s * recording.sample_rate)
        cut = whole.span(start, start + recording.audio.shape[1])
        return replace(cut, recording=replace(recording, history=whole.recording.history))

    def _explanations(self, predict: Predict, targets: tuple[str, ...], seed: int) -> tuple[Explanation, ...]:
        _, options, entry = parse_method(self.question.method, seed=seed)
        scale = checked_scale(self.question.scale or entry.scale, self.model)
        game = Game(TargetScore(predict, targets, scale=scale), gradient=entry.asks != "score")
        options = grouped(options, predict.parts)
        estimate = entry.function(game, game.shape, **options)
        fresh = entry.held_out(game.shape, N_FRESH, torch.Generator().manual_seed(seed))
        found = _Found(
            estimate, game.scatter(estimate.values).flatten(1),
            None if estimate.stderr is None else game.scatter(estimate.stderr).flatten(1),
            game(_ends(game)), game(fresh), _additive(estimate, fresh),
            fidelity(game, estimate, entry, seed=seed), interaction_share(game, entry, seed=seed),
        )  # fmt: skip
        return tuple(found.of(i, target) for i, target in enumerate(targets))


@dataclass(frozen=True, eq=False)
class _Found:
    """What was found about all targets of a snippet at once; tensors are (target, component) or (mask, target)."""

    estimate: Estimate
    values: Tensor
    stderr: Tensor | None
    ends: Tensor
    fresh: Tensor
    additive: Tensor
    fidelity: tuple[float | None, ...]
    interaction_share: tuple[float | None, ...]

    def of(self, i: int, target: str) -> Explanation:
        pairs = zip(self.fresh[:, i].tolist(), self.additive[:, i].tolist(), strict=True)
        return Explanation(
            target, tuple(self.values[i].tolist()), None if self.stderr is None else tuple(self.stderr[i].tolist()),
            float(self.estimate.base[i]), float(self.ends[0, i]), float(self.ends[1, i]), self.fidelity[i],
            self.interaction_share[i], tuple(pairs),
        )  # fmt: skip


def _ends(game: Game) -> Tensor:
    return torch.stack([torch.ones(game.shape, dtype=torch.bool), torch.zeros(game.shape, dtype=torch.bool)])


def _additive(estimate: Estimate, masks: Tensor) -> Tensor:
    """What the additive explanation says of masks, (mask, target)."""
    kept = masks.reshape(len(masks), -1).to(torch.float64)
    return estimate.base.to(torch.float64) + kept @ estimate.values.flatten(1).T.to(torch.float64)


def _own(parts: Any) -> tuple[float | None, ...]:
    """The values themselves, of components that are values of features."""
    if isinstance(parts, Cells) and parts.domain == "vector":
        return tuple(Vector.of(parts).values.tolist())
    return (None,) * len(parts.names)


def _true_sources(unit: Unit, stems: Mapping[str, Recording] | None) -> dict[str, Tensor]:
    if stems is None:
        raise ValueError(f"The true sources of {unit.item.name} are not known; give a separator, such as sources:hpss, or "
                         "the folder of its stems.")  # fmt: skip
    return {name: stem.audio for name, stem in stems.items()}


def _playing(stems: Mapping[str, Recording], recording: Recording, labels: tuple[str, ...]) -> str | None:
    """The one stem that is a label of the model and plays: what the snippet is, where nobody says so."""
    least = sound.level_db(recording.audio) + ABSENT_DB
    playing = [name for name, stem in stems.items() if name in labels and sound.level_db(stem.audio) >= least]
    return playing[0] if len(playing) == 1 else None


def _separation(
    parts: Any, recording: Recording, stems: Mapping[str, Recording]
) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    """SI-SDR of each part, and of the recording, against the true source of the part's name."""
    apart: list[float | None] = [None] * len(parts.names)
    mixed = list(apart)
    for i, name in enumerate(parts.names):
        truth = stems.get(name)
        if truth is not None and isinstance(parts, Parts) and sound.level_db(truth.audio) > AUDIBLE_DB:
            apart[i] = _finite(si_sdr(parts.audio[i].flatten(), truth.audio.flatten()))
            mixed[i] = _finite(si_sdr(recording.audio.flatten(), truth.audio.flatten()))
    return tuple(apart), tuple(mixed)


def _finite(value: Tensor) -> float | None:
    return float(value) if math.isfinite(value) else None
