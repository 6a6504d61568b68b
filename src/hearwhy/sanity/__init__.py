"""Sanity: checks of a model and a method together, each with its number and what it means."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from hearwhy.attributing import fill_told
from hearwhy.attribution.parsing import parse_method
from hearwhy.check.subject import on_device
from hearwhy.classifiers.callable import classifier_module, name_of
from hearwhy.components.recipe import second_fill_for
from hearwhy.datasets.items import Dataset
from hearwhy.plan import Plan
from hearwhy.sanity import controls, repeats
from hearwhy.sanity.bench import Bench
from hearwhy.sanity.cases import Case, Taking, case_of, spec_of, spread_out
from hearwhy.sanity.findings import Finding, Sanity, without
from hearwhy.sanity.labels import NAME as LABELS
from hearwhy.sanity.labels import Recipe, figures, shuffled_labels
from hearwhy.sanity.networks import Layers, layers
from hearwhy.sanity.preferences import NAME as PREFERENCES
from hearwhy.sanity.preferences import most_important
from hearwhy.sanity.untrained import MAX_CASCADES, Values, ask_cascade, ask_untrained, cascade, untrained
from hearwhy.scoring import checked_scale
from hearwhy.targets import check_targets
from hearwhy.types import Classifier, Scale

__all__ = ["Finding", "Question", "Recipe", "Sanity", "Taking", "sanity"]

Progress = Callable[[int, int], None]
"""Told (explanations made, explanations expected)."""


@dataclass(frozen=True)
class Question:
    """What is examined, and how thoroughly.

    Parameters
    ----------
    method
        Name and options of a method.
    taking
        Components, target and fills.
    scale
        As `hearwhy.explain` takes it.
    n_recordings, n_networks, n_seeds
        Recordings, spread evenly over the dataset; untrained networks; seeds of a method that draws.
    recipe
        How two networks are trained, on true and on shuffled labels; None: that is not checked.
    seed, device
        Of everything that is drawn; where models run.

    Raises
    ------
    ValueError
        Something is too few, or the two fills are the same.
    """

    method: str = "kernel_shap"
    taking: Taking = field(default_factory=Taking)
    scale: Scale | None = None
    n_recordings: int = 5
    n_networks: int = 20
    n_seeds: int = 10
    recipe: Recipe | None = None
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, least in (("n_recordings", 1), ("n_networks", 2), ("n_seeds", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is at least {least}; got {getattr(self, name)}.")
        if self.taking.fill == self.taking.second_fill:
            raise ValueError(f"The second fill is to be another one than the first; got {self.taking.fill!r} twice.")


def sanity(
    classifier: Classifier, data: Dataset, question: Question, *, memory: Path | None = None, progress: Progress | None = None
) -> Sanity:
    """Return what checks of a model and a method find on some recordings.

    The explanation must change when the network forgets (whole, and layer by layer from the output), and when it is trained
    on shuffled labels; it must stay under other seeds, another fill and level-matched mixes; the slope that it follows must
    be right; and it must say more than the levels, a guess or a constant. Of each recording the loudest stretch is taken that
    is as long as the model takes (10 s where it takes any length). The model itself is never changed. Costs some
    ``recordings * (n_networks + 5 * layers + 10)`` explanations.

    Parameters
    ----------
    classifier
        Whom it is about; networks are drawn anew of torch modules only.
    data
        Recordings: `hearwhy.datasets.read`.
    question
        The method, what is switched off, how thoroughly.
    memory
        A folder that explanations are kept in, one for each question: the same call goes on where it stopped.
    progress
        Told (explanations made, explanations expected).

    Raises
    ------
    ValueError
        Something asked for makes no sense, or no recording can be explained.

    Examples
    --------
    >>> from hearwhy.classifiers import classifier
    >>> from hearwhy.datasets import demo_song, read
    >>> question = Question(taking=Taking("segments:3", "piano"), n_networks=2)
    >>> found = sanity(classifier("band"), read(demo_song() / "mix.flac"), question)
    >>> found["gradient"].state
    'does not apply'
    """
    on_device(classifier, question.device)
    plan = _plan(classifier, question)
    second = second_fill_for(plan.entry.asks, question.taking.second_fill)
    question = replace(question, taking=replace(question.taking, second_fill=str(second)))
    items = spread_out(data, question.n_recordings)
    spec = spec_of(items, question.taking, plan.entry)
    cases, problems = _cases(items, classifier, spec, question)
    if (fill := fill_told(cases[0].parts)) == fill_told(cases[0].other):
        raise ValueError(f"The second fill is to be another one than the first; got {fill} twice.")
    problems = [*problems, *((name, why) for name, why in data.problems)]
    bench = Bench(cases, plan, memory=memory and memory / _identity(classifier, cases, question))
    structure = _layers(bench, classifier)
    _count(bench, structure, question, progress)
    trained = [bench.explain(case, classifier, "the model").values[0] for case in cases]
    findings = tuple(_findings(bench, classifier, structure, question, trained))
    about = _about(classifier, question, plan, spec, cases)
    rows = tuple(_row(case, values) for case, values in zip(cases, trained, strict=True))
    return Sanity(about, rows, findings, tuple(problems))


def _plan(classifier: Classifier, question: Question) -> Plan:
    name, options, entry = parse_method(question.method, seed=question.seed)
    check_targets([question.taking.target], classifier.labels)
    scale = checked_scale(question.scale or entry.scale, classifier)
    return Plan(name_of(classifier), name, options, entry, (), scale, question.seed, question.device, None)


def _cases(
    items: Sequence[Any], classifier: Classifier, spec: str, question: Question
) -> tuple[list[Case], list[tuple[str, str]]]:
    """The recordings that can be explained, and why the others cannot."""
    cases, problems = [], []
    for item in items:
        try:
            case = case_of(item, classifier, spec, question.taking, device=question.device)
            if len(case.names) < 2:
                raise ValueError("fewer than two components are there, so there is no order of them to compare.")
            cases.append(case)
        except (ValueError, OSError) as error:
            problems.append((item.name, str(error)))
    if not cases:
        raise ValueError(f"None of {len(items)} recordings can be explained; {problems[0][0]}: {problems[0][1]}" if problems
                         else "There is no recording to explain; give a sound file, or a folder that holds some.")  # fmt: skip
    return cases, problems


def _layers(bench: Bench, classifier: Classifier) -> Layers | str:
    """The layers that can be drawn anew, or why there are none."""
    try:
        return layers(classifier, bench.ask)
    except ValueError as error:
        return f"{error}; give the model as a torch module to have this checked."


def _count(bench: Bench, structure: Layers | str, question: Question, progress: Progress | None) -> None:
    """Tell the bench whom to tell, and how many explanations there will be."""
    n = len(bench.cases)
    total = 4 * n  # the model's own, the second fill, another label, the deletion
    total += n if all(case.in_decibels for case in bench.cases) else 0  # level-matched
    total += n * question.n_seeds if repeats.is_sampled(bench) is None else 0
    total += n if bench.plan.entry.asks != "score" else 0
    total += 2 * n if question.recipe is not None else 0
    if isinstance(structure, Layers):
        total += n * (question.n_networks + (len(structure.steps) - 1) * min(question.n_networks, MAX_CASCADES))
    done = [0]

    def advance() -> None:
        done[0] += 1
        if progress is not None:
            progress(done[0], max(done[0], total))

    bench.advance = advance


def _findings(
    bench: Bench, model: Classifier, structure: Layers | str, question: Question, trained: Values
) -> Iterator[Finding]:
    yield from _forgetting(bench, model, structure, question, trained)
    yield _labels(bench, question)
    yield repeats.seeds(bench, model, n_seeds=question.n_seeds)
    yield repeats.gradient(bench, model)
    yield repeats.second_fill(bench, model, trained)
    yield repeats.levels(bench, model, trained)
    yield controls.same_answers(bench, trained)
    yield controls.other_target(bench, model, trained)
    yield controls.deletion(bench, model, trained)


def _forgetting(
    bench: Bench, model: Classifier, structure: Layers | str, question: Question, trained: Values
) -> Iterator[Finding]:
    if isinstance(structure, str):
        yield from (without(name, structure) for name in ("untrained networks", "layer by layer", PREFERENCES))
        return
    asked = ask_untrained(bench, model, structure, trained, n_networks=question.n_networks)
    yield untrained(bench, asked, structure)
    if len(structure.steps) > 1:
        yield cascade(bench, asked, ask_cascade(bench, model, structure, n_networks=question.n_networks), structure)
    else:
        yield without("layer by layer", "The model has one layer that holds weights.")
    yield most_important(bench, asked)


def _labels(bench: Bench, question: Question) -> Finding:
    recipe = question.recipe
    if recipe is None:
        return without(LABELS, "No recipe was given; --recipe and --train-data train two networks to compare.")
    with TemporaryDirectory() as temporary:
        folder = bench.memory or Path(temporary)

        def train_on(shuffled: bool) -> Classifier:
            return recipe.trained(shuffled, folder=folder, seed=question.seed, device=question.device)

        return shuffled_labels(bench, train_on, accuracies=lambda: figures(folder))


def _identity(classifier: Classifier, cases: Sequence[Case], question: Question) -> str:
    """A name for everything that explanations depend on: what was kept under another name is not taken."""
    asked = (question.method, question.taking, question.scale, question.recipe, question.seed)
    digest = hashlib.sha256(repr(asked).encode())
    digest.update(
        repr([(case.name, case.target, case.parts.recording.fingerprint, case.parts.spec) for case in cases]).encode()
    )
    digest.update(repr((name_of(classifier), classifier.fingerprint, classifier.labels)).encode())
    module = classifier_module(classifier)
    for name, weight in {} if module is None else module.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.detach().to("cpu").contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _about(classifier: Classifier, question: Question, plan: Plan, spec: str, cases: Sequence[Case]) -> dict[str, Any]:
    return {
        "model": name_of(classifier), "fingerprint": classifier.fingerprint, "method": question.method,
        "options": dict(plan.options), "components": spec, "target": question.taking.target, "fill": fill_told(cases[0].parts),
        "second_fill": fill_told(cases[0].other), "scale": plan.scale, "seed": question.seed, "n_recordings": len(cases),
        "n_networks": question.n_networks, "n_seeds": question.n_seeds,
    }  # fmt: skip


def _row(case: Case, values: Tensor) -> dict[str, Any]:
    """One recording; its values only where they are few enough to be read."""
    row = {"name": case.name, "group": case.group, "span": case.span, "target": case.target}
    if len(values) > controls.FEW:
        return row
    rounded = {"levels": [round(x, 3) for x in case.levels.tolist()], "values": [round(x, 6) for x in values.tolist()]}
    return row | {"components": case.names} | rounded
