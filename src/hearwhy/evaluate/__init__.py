"""Evaluation: recordings x conditions x models x methods, every mask of every map, into one file; and tables of it.

A unit is one recording under one condition, explained to be what one model takes it for, with one method. It seeds itself
from the question's seed and its own name, so that order, workers and resuming change nothing. One attribution is made of a
unit; its map and the model's own numbers for every mask are kept, so that a new metric, and a new mask, need no new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from hearwhy.classifiers.callable import classifier_module, name_of
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.datasets.esc50 import Clip, Esc50, read_esc50
from hearwhy.evaluate.local import run_local
from hearwhy.evaluate.maps import check_gradient
from hearwhy.evaluate.question import Clips, Question, background_clips, dataset_hash
from hearwhy.evaluate.ray_engine import run_ray
from hearwhy.evaluate.store import Store
from hearwhy.evaluate.tables import tables
from hearwhy.evaluate.work import PROBLEMS, Found, Job, Task, load_model

__all__ = ["Clips", "Engine", "Question", "Summary", "evaluate", "tables"]

BATCH_SIZE = 16  # spectrograms a forward pass: what a network of Cnn14's size needs about a GiB for
Progress = Callable[[int, int], None]
"""Told (units done, units in all)."""


@dataclass(frozen=True)
class Engine:
    """Where and how the work is done.

    Parameters
    ----------
    name
        "local", this process; or "ray".
    workers
        Processes of the Ray engine.
    device
        Where the networks run.
    batch_size
        Spectrograms at a time.

    Raises
    ------
    ValueError
        There is no such engine, or not with so many workers.
    """

    name: Literal["local", "ray"] = "local"
    workers: int = 1
    device: str = "cpu"
    batch_size: int = BATCH_SIZE

    def __post_init__(self) -> None:
        if self.name not in ("local", "ray"):
            raise ValueError(f"There is no engine {self.name!r}; give local or ray.")
        if min(self.workers, self.batch_size) < 1:
            raise ValueError(f"workers and batch_size are at least 1; got {self.workers} and {self.batch_size}.")
        if self.name == "local" and self.workers > 1:
            raise ValueError(f"The local engine is one worker; for {self.workers} give --engine ray.")

    def run(self, job: Job, tasks: Iterable[Task], n_tasks: int) -> Iterator[Found]:
        """Yield what is found about every task."""
        return run_local(job, tasks) if self.name == "local" else run_ray(job, tasks, workers=min(self.workers, n_tasks))


@dataclass(frozen=True)
class Summary:
    """What an evaluation did.

    Parameters
    ----------
    n_units
        Units that were asked for.
    n_before
        How many of them were there already, with all that was asked.
    problems
        Recording, condition, method ("": the recording itself) and what was wrong, of all that the file lacks.
    warnings
        What a reader of the results must know.
    """

    n_units: int
    n_before: int
    problems: tuple[tuple[str, str, str, str], ...]
    warnings: tuple[str, ...]


def evaluate(
    data: str | Path | Esc50,
    models: Sequence[str | SpectrogramClassifier],
    out: str | Path,
    *,
    question: Question | None = None,
    clips: Clips | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Ask every model about every recording with every method and mask, and return what was done.

    Everything lies in one file, written unit by unit: the same call goes on where an earlier one stopped, and another
    question adds to it. What is wrong with one recording is noted and does not stop the others. A unit costs its method's
    own passes and two for each mask that differs from the others; controls of equal area as much again each; three passes
    a recording, condition and model. On one machine, with the same threads and batch size, the numbers are the same to the
    bit whatever the engine, the order and the interruptions.

    Parameters
    ----------
    data
        A folder in ESC-50's layout, or the dataset itself.
    models
        Classifiers with a front end that hearwhy can see, or their names.
    out
        The file of results (SQLite).
    question, clips, engine
        What is asked, about which clips, and how; defaults are those of the classes.
    progress
        Told (units done, units in all).

    Raises
    ------
    ValueError
        The file holds other things or another dataset, a model has no fingerprint, or not one unit could be asked.
    TypeError
        A model's front end cannot be seen.
    FileNotFoundError
        There is no such data, noise or folder.
    """
    question, clips, engine = question or Question(), clips or Clips(), engine or Engine()
    dataset = data if isinstance(data, Esc50) else read_esc50(data, missing="keep")
    chosen = clips.of(dataset)
    if not models:
        raise ValueError("There is no model to evaluate; give --model once or more.")
    with Store(Path(out), dataset) as store:
        setup = _Setup(store, dataset, chosen, question, engine)
        rounds = [setup.of(model) for model in models]
        n_units = len(models) * len(chosen) * len(question.parsed_conditions()) * len(question.method_lines())
        n_before = n_units - sum(len(task.asks) for a_round in rounds for task in a_round.tasks)
        done = _Progress(progress, n_before, n_units)
        for a_round in rounds:
            _run(store, a_round, engine, done)
        problems = tuple(store.problems())
        if not (n_before or done.n_found) and done.n_problems:
            raise ValueError(f"Not one unit could be asked. The first problem: {problems[0][0]}: {problems[0][3]}")
        return Summary(n_units, n_before, problems, tuple(a_round.warning for a_round in rounds if a_round.warning))


@dataclass(frozen=True, eq=False)
class _Round:
    """The tasks of one model, and what the store calls things."""

    job: Job
    tasks: list[Task]
    model: int
    conditions: dict[str, int]
    questions: dict[str, int]
    warning: str | None


@dataclass(frozen=True, eq=False)
class _Setup:
    store: Store
    dataset: Esc50
    chosen: tuple[Clip, ...]
    question: Question
    engine: Engine

    def of(self, model: str | SpectrogramClassifier) -> _Round:
        """Return what is to be done with a model."""
        store, question, engine = self.store, self.question, self.engine
        classifier = load_model(model, engine.device)
        name = model if isinstance(model, str) else name_of(model)
        fingerprint = fingerprint_of(classifier)
        number = store.add_model(name, fingerprint, classifier)
        conditions = {condition.name: store.add_condition(condition) for condition in question.parsed_conditions()}
        background = f"{question.background} a class, seed {question.seed}, {dataset_hash(self.dataset)}"
        lines = question.method_lines()
        numbers = [store.add_question(number, line, question, classifier.activation, background) for line in lines]
        methods = list(zip(numbers, lines, strict=True))
        tasks = [
            task for clip in self.chosen for condition in question.parsed_conditions()
            if (task := store.task(clip, (conditions[condition.name], condition), number, methods, question)) is not None
        ]  # fmt: skip
        ranked = background_clips(self.dataset, question)
        paths = tuple(tuple(clip.path.resolve() for clip in of_class) for of_class in ranked)
        job = Job(model, fingerprint, question, paths, engine.device, engine.batch_size, torch.get_num_threads())
        questions = {line.line: question_number for question_number, line in methods}
        return _Round(job, tasks, number, conditions, questions, self._slope(classifier, name, number, tasks))

    def _slope(self, classifier: SpectrogramClassifier, name: str, number: int, tasks: list[Task]) -> str | None:
        """Examine the model's slope once, where a method follows it, and return what is wrong with it."""
        if all(line.entry.asks == "score" for line in self.question.method_lines()):
            return None
        found = self.store.gradient_check(number)
        for clip in self.chosen if found is None and tasks else ():
            try:
                found = check_gradient(classifier, clip.load(), device=self.engine.device, batch_size=self.engine.batch_size)
            except PROBLEMS:  # of this clip; the next one tells
                continue
            self.store.set_gradient_check(number, found)
            break
        if found is None or found["passed"]:
            return None
        cause = f" Cause: {found['cause']}." if found["cause"] else ""
        return f"The gradient of {name} disagrees with finite differences: what methods make of it is wrong.{cause}"


class _Progress:
    def __init__(self, told: Progress | None, done: int, expected: int) -> None:
        self.told, self.done, self.expected = told, done, expected
        self.n_found = self.n_problems = 0

    def add(self, n_units: int, found: Found) -> None:
        self.n_problems += found.problem is not None
        self.n_found += found.problem is None and found.method is not None
        self.done += n_units
        if self.told is not None:
            self.told(self.done, self.expected)


def _run(store: Store, a_round: _Round, engine: Engine, done: _Progress) -> None:
    if not a_round.tasks:
        return
    sizes = {(task.clip, task.condition.name): len(task.asks) for task in a_round.tasks}
    for found in engine.run(a_round.job, map(store.with_maps, a_round.tasks), len(a_round.tasks)):
        store.add(found, a_round.conditions[found.condition], a_round.model, a_round.questions)
        whole = found.method is None and found.problem is not None  # with the recording, all its methods
        done.add(sizes[found.clip, found.condition] if whole else int(found.method is not None), found)


def fingerprint_of(classifier: SpectrogramClassifier) -> str:
    """Return what tells a model apart: its own fingerprint, or a hash of its weights, front end and labels.

    Raises
    ------
    ValueError
        It has no fingerprint, and is no torch module.
    """
    if classifier.fingerprint is not None:
        return classifier.fingerprint
    module = classifier_module(classifier)
    if module is None:
        raise ValueError(
            f"{classifier.name} has no fingerprint, so its results could not be told from another model's; set one."
        )
    about: list[Any] = [classifier.front_end, classifier.labels, classifier.layout, classifier.activation, str(module)]
    digest = hashlib.sha256(repr(about).encode())
    for name, weight in module.state_dict().items():
        digest.update(name.encode() + weight.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
