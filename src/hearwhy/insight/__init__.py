"""Insight: many explanations, one picture of the model.

Every snippet of a dataset is explained over components that have the same names everywhere; what was found is kept
snippet by snippet in one file. `statistics` and `clusters`, and of components that are values `features`, make of it what
`hearwhy.report.insight` shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hearwhy import __version__
from hearwhy.asking import Predict
from hearwhy.attribution.parsing import parse_method
from hearwhy.check.subject import on_device
from hearwhy.classifiers import classifier as find_classifier
from hearwhy.classifiers.callable import name_of
from hearwhy.components.parts import Parts
from hearwhy.datasets.items import Dataset
from hearwhy.insight.asking import Asker
from hearwhy.insight.question import Question, Selection, Unit, dataset_hash, units
from hearwhy.insight.rows import Explanation, Snippet
from hearwhy.insight.store import FILE, Store, forget, read_insight
from hearwhy.insight.views import NOTHING, PREDICTED, Insight, View
from hearwhy.scoring import checked_scale
from hearwhy.targets import check_targets
from hearwhy.trust import whole
from hearwhy.types import Classifier, Recording

__all__ = [
    "NOTHING", "PREDICTED", "Explanation", "Insight", "Question", "Selection", "Snippet", "Study", "View", "explain_many",
    "read_insight",
]  # fmt: skip

PROBLEMS = (ValueError, TypeError, RuntimeError, OSError, MemoryError)
"""What spoils one snippet and not the others."""
SAME_ANSWER = 1e-4  # of probability: what a model may differ by from run to run and still be the same model
Progress = Callable[[int, int], None]
"""Told (snippets done, snippets in all)."""


def explain_many(
    data: str | Path | Dataset,
    model: str | Classifier | Callable[..., Any],
    out: str | Path,
    *,
    question: Question,
    selection: Selection | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Insight:
    """Explain many snippets of a dataset and return all that was found.

    Everything lies in ``insight.sqlite`` in the folder `out`, written snippet by snippet: the same call goes on where an
    earlier one stopped, and gives the same rows to the bit, however often it was interrupted. What is wrong with one
    snippet is noted, does not stop the others, and is tried again by the next call. A snippet costs its method's own forward
    passes, and up to 72 more where not all masks are asked about anyway.

    Parameters
    ----------
    data
        A dataset's folder (`hearwhy.datasets.read`), or the dataset itself.
    model
        A classifier, its name, or any callable that `hearwhy.classifier` takes.
    out
        Folder of the results.
    question, selection
        What is asked, of which snippets.
    device
        Where the model runs.
    progress
        Told (snippets done, snippets in all).

    Raises
    ------
    ValueError
        The folder holds the answers to another question, or not one snippet could be explained.
    FileNotFoundError
        There is no such data.
    """
    study = Study(data, model, question, selection or Selection(), device=device)
    return study.run(Path(out), progress)


class Study:
    """A question to a model about a dataset, before and after it is asked.

    Parameters
    ----------
    data, model, question, selection, device
        As `explain_many` takes them.
    """

    def __init__(
        self, data: str | Path | Dataset, model: Any, question: Question, selection: Selection, *, device: str = "cpu"
    ) -> None:
        self.model = find_classifier(model)
        on_device(self.model, device)
        check_targets(question.targets, self.model.labels)
        self.called = model if isinstance(model, str) else name_of(self.model)
        self.question, self.selection = question, selection
        conditions = selection.conditions(data)
        self.layout = next(iter(conditions.values())).layout
        self.units = units(conditions, selection, self.model.window_s)
        self.unread = tuple((name, c, why) for c, dataset in conditions.items() for name, why in dataset.problems)
        self.data = "a dataset" if isinstance(data, Dataset) else Path(data).name or str(data)
        self.asker = Asker(self.model, question, device=device)

    def run(self, out: Path, progress: Progress | None = None) -> Insight:
        """Ask about everything that was not asked before, and return all that was found."""
        with Store(out / FILE, self._asked(), self._about()) as store:
            done = store.done()
            self._check_model(store)
            left = [unit for unit in self.units if unit.key not in done]
            for i, unit in enumerate(left):
                self._tell(progress, len(self.units) - len(left) + i)
                started = time.perf_counter()
                found = self._ask(unit)
                store.add(unit, found, time.perf_counter() - started)
            self._tell(progress, len(self.units))
        found_all = read_insight(out, problems=self.unread)
        if not found_all.snippets:
            forget(out)
            raise ValueError(self._nothing(found_all))
        return found_all

    def hear(self, snippet: Snippet, component: str | None) -> dict[str, Recording]:
        """Return the sound of a snippet, and of one of its components alone where it has a sound."""
        unit = next(unit for unit in self.units if unit.key == snippet.key)
        recording = unit.item.load(start_s=unit.start_s, duration_s=unit.duration_s)
        found = {"": recording}
        if component is not None:
            stems = unit.item.stems(start_s=unit.start_s, duration_s=unit.duration_s)
            parts = self.asker.parts(unit, recording, stems)
            if isinstance(parts, Parts) and component in parts.names:
                alone = parts.audio[parts.names.index(component)]
                found[component] = Recording(alone, parts.sample_rate, f"{recording.name}: {component}")
        return found

    def _ask(self, unit: Unit) -> Snippet | str | None:
        try:
            return self.asker.ask(unit)
        except PROBLEMS as error:
            return str(error) or type(error).__name__

    def _tell(self, progress: Progress | None, done: int) -> None:
        if progress is not None:
            progress(done, len(self.units))

    def _asked(self) -> dict[str, Any]:
        """Everything that the findings depend on."""
        q = self.question
        name, options, _ = parse_method(q.method, seed=q.seed)
        told = ", ".join(f"{key}={value}" for key, value in options.items() if key != "seed")
        return {
            "model": self.called, "fingerprint": self.model.fingerprint, "components": q.components,
            "method": f"{name}({told})" if told else name, "targets": list(q.targets), **q.absent(self.model),
            "scale": self._scale(), "seed": q.seed, "snippets": dataset_hash(self.units),
        }  # fmt: skip

    def _about(self) -> dict[str, Any]:
        return {
            "labels": list(self.model.labels), "activation": self.model.activation, "window_s": self.model.window_s,
            "asked": self.question.method, "data": self.data, "layout": self.layout,
            "n_items": len({unit.item.name for unit in self.units}),
            "threads": torch.get_num_threads(), "versions": {"hearwhy": __version__, "torch": torch.__version__},
        }  # fmt: skip

    def _scale(self) -> str:
        _, _, entry = parse_method(self.question.method)
        return checked_scale(self.question.scale or entry.scale, self.model)

    def _check_model(self, store: Store) -> None:
        """Ask a model without a fingerprint about a snippet again: what another one said must not be mixed with its own."""
        kept = store.first() if self.model.fingerprint is None else None
        unit = next((unit for unit in self.units if kept is not None and unit.key == kept.key), None)
        if kept is None or unit is None:
            return
        recording = unit.item.load(start_s=unit.start_s, duration_s=unit.duration_s)
        predict = Predict(self.model, whole(recording), device=self.asker.device)
        now = predict.probabilities(torch.ones(1, 1, dtype=torch.bool))[0]
        if not torch.allclose(now, torch.tensor(kept.chances), atol=SAME_ANSWER):
            raise ValueError(f"{store.path.parent} was begun with a model that answers otherwise; give another --out.")

    def _nothing(self, found: Insight) -> str:
        if found.problems:
            item, _, why = found.problems[0]
            return f"Not one snippet could be explained. The first problem: {item}: {why}"
        if found.n_silent:
            return f"All {found.n_silent} snippets are silent (under -60 dB); there is nothing to explain."
        return f"There is no snippet to explain in {self.data}."
