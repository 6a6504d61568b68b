"""The bench: the same recordings explained again and again, with other networks, seeds and fills; what is done is kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hearwhy.asking import Predict
from hearwhy.components.cells import AnyParts, Cells
from hearwhy.game import Game
from hearwhy.mapping import _network
from hearwhy.plan import Plan, grouped
from hearwhy.sanity.cases import Case
from hearwhy.scoring import TargetScore
from hearwhy.types import Classifier

TOP = "top"
N_MIXES = 8  # of each recording, that statistics of batch normalisations are estimated on

Model = Classifier | Callable[[], Classifier]
"""A model, or what makes one when it is needed."""


@dataclass(frozen=True, eq=False)
class Found:
    """An explanation: values (target, component), and their standard error where masks were sampled."""

    values: Float[Tensor, "target component"]
    stderr: Float[Tensor, "target component"] | None = None

    def at(self, present: Bool[Tensor, " component"]) -> Found:
        """Return it over some of the components."""
        return Found(self.values[:, present], None if self.stderr is None else self.stderr[:, present])


class Bench:
    """Explains cases with a method, and remembers.

    Parameters
    ----------
    cases
        The recordings.
    plan
        The method and what is asked besides; targets are those of the cases.
    memory
        A folder that explanations are kept in, so that interrupted work goes on; None: they are not.
    advance
        Told of every explanation that is there.
    """

    def __init__(
        self, cases: Sequence[Case], plan: Plan, *, memory: Path | None = None, advance: Callable[[], None] = lambda: None
    ) -> None:
        self.cases, self.plan, self.memory, self.advance = cases, plan, memory, advance

    def explain(
        self, case: Case, model: Model, what: str, *, parts: AnyParts | None = None, seed: int | None = None,
        targets: Sequence[str] | None = None,
    ) -> Found:  # fmt: skip
        """Return what the method finds about the components of one case that are there.

        Which ones these are says the case's own fill, whatever stands in their place here.

        Parameters
        ----------
        case
            The recording.
        model
            Whom it is asked of; made only where the answer is not known yet.
        what
            What is asked, in words: the same words get the same answer.
        parts
            Other components than the case's: those of its second fill.
        seed
            Another seed of the method.
        targets
            Other targets than the case's; `TOP` is what the model that is asked holds most probable.
        """
        targets = (case.target,) if targets is None else tuple(targets)
        kept = None if self.memory is None else self.memory / f"{_digest(case.name, what, targets)}.npz"
        if kept is not None and kept.is_file():
            found = _read(kept)
        else:
            options = dict(self.plan.options) | ({} if seed is None else {"seed": seed})
            plan = replace(self.plan, targets=targets, options=options)
            called = model if isinstance(model, Classifier) else model()
            found = explained(called, case.parts if parts is None else parts, plan).at(case.present)
            if kept is not None:
                _write(kept, found)
        self.advance()
        return found

    def ask(self, model: Classifier) -> None:
        """Ask a model about some mixes of each recording, one batch a recording."""
        generator = torch.Generator().manual_seed(self.plan.seed)
        for case in self.cases:
            masks = torch.rand(N_MIXES, len(case.parts.names), generator=generator) < 0.5
            masks[0] = True
            with torch.no_grad():
                predict_of(model, case.parts, self.plan).soft(masks.to(torch.float32))


def explained(model: Classifier, parts: AnyParts, plan: Plan) -> Found:
    """Return what the method finds about all components, with none of the checks of an `Attribution`.

    The target ``"top"`` is what this very model holds most probable.

    Raises
    ------
    ValueError
        Values are NaN or infinite.
    """
    predict = predict_of(model, parts, plan)
    targets = tuple(_top_label(predict) if target == TOP else target for target in plan.targets)
    plan = replace(plan, targets=targets)
    game = Game(TargetScore(predict, targets, scale=plan.scale), gradient=plan.entry.asks == "gradient")
    if plan.entry.asks == "network":
        assert isinstance(parts, Cells)
        network = _network(replace(parts, classifier=model), plan)  # type: ignore[arg-type]
        values = plan.entry.function(network, parts.features.to(plan.device), **plan.options).to("cpu")
        found = Found(values.to(torch.float64).flatten(1))
    else:
        estimate = plan.entry.function(game, game.shape, **grouped(plan.options, parts))
        stderr = None if estimate.stderr is None else game.scatter(estimate.stderr.to(torch.float64)).flatten(1)
        found = Found(game.scatter(estimate.values.to(torch.float64)).flatten(1), stderr)
    if not torch.isfinite(found.values).all():
        raise ValueError(f"{plan.method} gave values that are NaN or infinite for {parts.recording.name}; try --fill noise.")
    return found


def _top_label(predict: Predict) -> str:
    everything = torch.ones(1, *predict.parts.shape, dtype=torch.bool)
    return predict.classifier.labels[int(predict.probabilities(everything)[0].argmax())]


def predict_of(model: Classifier, parts: AnyParts, plan: Plan) -> Predict:
    """Return the model as it is asked about components."""
    return Predict(model, parts, device=plan.device, batch_size=plan.batch_size)


def _digest(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()[:20]


def _read(path: Path) -> Found:
    with np.load(path, allow_pickle=False) as held:
        return Found(torch.from_numpy(held["values"]), torch.from_numpy(held["stderr"]) if "stderr" in held else None)


def _write(path: Path, found: Found) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    values, stderr = found.values.numpy(), found.stderr
    with temporary.open("wb") as file:
        if stderr is None:
            np.savez(file, values=values)
        else:
            np.savez(file, values=values, stderr=stderr.numpy())
    temporary.replace(path)
