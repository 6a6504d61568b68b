"""Work: one recording under one condition, asked of one model with every method; what any engine's workers do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.classifiers import classifier as find_classifier
from hearwhy.classifiers.callable import classifier_module
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.components.cells import with_front_end
from hearwhy.evaluate.answering import Asked, Key, Row, ask_ends, ask_masks
from hearwhy.evaluate.conditions import Condition
from hearwhy.evaluate.maps import Scene, make_map
from hearwhy.evaluate.question import OF_BACKGROUND, MethodLine, Question, unit_seed
from hearwhy.types import Recording

PROBLEMS = (ValueError, TypeError, RuntimeError, OSError, MemoryError)
"""What spoils one unit and not the others."""


@dataclass(frozen=True, eq=False)
class Job:
    """What all tasks of one model have in common.

    Parameters
    ----------
    model
        A name as ``hearwhy list models`` shows it, or a classifier.
    fingerprint
        Of the model: part of what a unit is called.
    question
        What is asked.
    background
        Sound files by class, in the order in which they serve.
    device, batch_size, threads
        Where and how the network runs.
    """

    model: Any
    fingerprint: str
    question: Question
    background: tuple[tuple[Path, ...], ...]
    device: str
    batch_size: int
    threads: int


@dataclass(frozen=True, eq=False)
class Ask:
    """What is asked of one unit: all of it, or what is missing.

    Parameters
    ----------
    method
        Which method.
    unit
        Number of the unit, where its map was made before.
    features, sounds
        The rows to ask about.
    values
        The map that was made before, once it is read.
    """

    method: MethodLine
    unit: int | None
    features: tuple[Key, ...]
    sounds: tuple[Key, ...]
    values: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Task:
    """One recording under one condition; `target` is the label that was predicted, where that was asked before."""

    path: Path
    condition: Condition
    target: int | None
    asks: tuple[Ask, ...]

    @property
    def clip(self) -> str:
        """Name of the sound file."""
        return self.path.name


@dataclass(frozen=True, eq=False)
class Found:
    """What a worker found about one unit, or why it found nothing.

    Parameters
    ----------
    clip, condition, method
        The unit; method None: the recording itself.
    fingerprint
        Of the recording as it is stored.
    ends
        The model's numbers for X, silence, and X rounded as the paper's identity mask does, (3, label).
    values, n_calls, seconds
        The map where it was made now, the passes that took, and the seconds of all.
    target
        The label that is explained.
    rows
        One for each mask and control asked about.
    problem
        What went wrong, in words.
    """

    clip: str
    condition: str
    method: str | None = None
    fingerprint: str | None = None
    ends: Tensor | None = None
    values: Tensor | None = None
    n_calls: int = 0
    seconds: float = 0.0
    target: int | None = None
    rows: tuple[Row, ...] = ()
    problem: str | None = None


class Worker:
    """A model, and the tasks done with it one after the other.

    Parameters
    ----------
    job
        What they have in common; its model is loaded here.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.classifier = load_model(job.model, job.device)
        self._background: Tensor | None = None

    def run(self, task: Task) -> Iterator[Found]:
        """Yield what is found: the recording's own answers first where they are missing, then each method's."""
        blank = Found(task.clip, task.condition.name)
        try:
            recording = sound.load(task.path)
            blank = replace(blank, fingerprint=recording.fingerprint)
            scene = self._scene(task.condition.of(recording))
            target = task.target
            if target is None:
                ends = ask_ends(scene)
                target = int(ends[0].argmax())
                yield replace(blank, ends=ends, target=target)
        except PROBLEMS as error:
            yield replace(blank, problem=told(error))
            return
        for ask in task.asks:
            try:
                yield self._unit(scene, task, ask, replace(blank, method=ask.method.line, target=target))
            except PROBLEMS as error:
                yield replace(blank, method=ask.method.line, problem=told(error))

    def _scene(self, recording: Recording) -> Scene:
        return Scene.of(recording, self.classifier, device=self.job.device, batch_size=self.job.batch_size)

    def _unit(self, scene: Scene, task: Task, ask: Ask, blank: Found) -> Found:
        started, question = time.perf_counter(), self.job.question
        values, n_calls = ask.values, 0
        if values is None:
            seed = unit_seed(question.seed, task.clip, task.condition.name, self.job.fingerprint, ask.method.line)
            background = self._rows() if ask.method.name in OF_BACKGROUND else None
            assert blank.target is not None
            values, n_calls = make_map(scene, ask.method, blank.target, question=question, seed=seed, background=background)
        deal = unit_seed(question.seed, task.clip)  # one deal a recording: methods are compared with the same control
        asked = Asked(question.mask_lines(), ask.features, ask.sounds, question.protocol, deal)
        rows = ask_masks(scene, values, asked)
        made = values if ask.values is None else None
        seconds = time.perf_counter() - started
        return replace(blank, values=made, n_calls=n_calls, seconds=seconds, rows=tuple(rows))

    def _rows(self) -> Tensor:
        """Features of the background, the first readable clips of every class."""
        if self._background is None:
            found = [row for files in self.job.background for row in self._of_class(files)]
            if not found:
                raise ValueError(
                    "No clip of the training folds can be heard, and deep_shap compares with some; give another dataset."
                )
            self._background = torch.stack(found)
        return self._background

    def _of_class(self, files: tuple[Path, ...]) -> list[Tensor]:
        found: list[Tensor] = []
        for path in files:
            if len(found) == self.job.question.background:
                break
            try:
                found.append(self._scene(sound.load(path)).spectrum.features)
            except PROBLEMS:  # the next in the order serves instead
                continue
        return found


def load_model(model: Any, device: str) -> SpectrogramClassifier:
    """Return a model whose front end can be seen, on its device.

    Raises
    ------
    TypeError
        Its front end cannot be seen.
    ValueError
        There is no such model or device.
    """
    found = with_front_end(find_classifier(model))
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"There is no device {device!r} here ({str(error).splitlines()[0]}); give cpu, or leave it out."
        ) from error
    module = classifier_module(found)
    if module is not None:
        module.to(device)
    return found


def told(error: BaseException) -> str:
    """Return what an error says."""
    return str(error) or type(error).__name__
