"""Untrained networks: does the explanation change when the network forgets, and what do networks prefer that learnt nothing?

After Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018. The network is the unit of every interval: recordings that
are explained with one network are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.sanity.agreement import Mean, mean_of, rank_correlation, settled, standard_ranks
from hearwhy.sanity.bench import TOP, Bench
from hearwhy.sanity.findings import Finding, State
from hearwhy.sanity.networks import Layers, randomised
from hearwhy.types import Classifier

MOST_SHARED = 0.7  # of rank correlation: half of the ranks' variance, 0.7**2
HARDLY_SHARED = 0.3  # a tenth of it
MAX_CASCADES = 5  # networks whose layers are drawn anew one after the other

Values = Sequence[Tensor]
"""An explanation of every case, (present,) each."""


@dataclass(frozen=True, eq=False)
class Untrained:
    """What untrained networks make of the cases.

    Parameters
    ----------
    trained
        The model's own explanations.
    values
        Each network's, of the same targets.
    own
        Each network's, of the label that it holds most probable itself; the same as `values` for maps of every bin.
    """

    trained: Values
    values: Sequence[Values]
    own: Sequence[Values]


def ask_untrained(bench: Bench, model: Classifier, layers: Layers, trained: Values, *, n_networks: int) -> Untrained:
    """Explain every case with `n_networks` copies of the model that have forgotten everything."""
    found = [_network(bench, model, layers, number) for number in range(n_networks)]
    return Untrained(trained, [[both[0] for both in of] for of in found], [[both[-1] for both in of] for of in found])


def _network(bench: Bench, model: Classifier, layers: Layers, number: int) -> Values:
    """Values (target, present) of one untrained network for every case."""
    make, what = _once(bench, model, layers, number=number, step=len(layers.steps)), f"network {number}"
    targets = () if bench.plan.entry.asks == "network" else (TOP,)
    return [bench.explain(case, make, what, targets=(case.target, *targets)).values for case in bench.cases]


def _once(bench: Bench, model: Classifier, layers: Layers, *, number: int, step: int) -> Callable[[], Classifier]:
    """Return what makes a network whose last `step` layers are drawn anew: where it is asked for, and then once."""
    made: list[Classifier] = []

    def make() -> Classifier:
        if not made:
            made.append(randomised(model, layers.until(step), bench.ask, seed=bench.plan.seed, number=number))
        return made[0]

    return make


def ask_cascade(bench: Bench, model: Classifier, layers: Layers, *, n_networks: int) -> list[list[Values]]:
    """Return explanations [step][network] with ever more layers drawn anew; the last step is what `ask_untrained` has."""
    steps = []
    for step in range(1, len(layers.steps)):
        of_step: list[Values] = []
        for number in range(min(n_networks, MAX_CASCADES)):
            make, what = _once(bench, model, layers, number=number, step=step), f"network {number}, {step} layers"
            of_step.append([bench.explain(case, make, what).values[0] for case in bench.cases])
        steps.append(of_step)
    return steps


def similarity(trained: Values, found: Sequence[Values]) -> Float[Tensor, "network 2"]:
    """Return each network's mean rank correlation with the model over cases: of the values, and of their sizes."""

    def both(network: Values) -> list[float]:
        pairs = list(zip(trained, network, strict=True))
        signed = [float(rank_correlation(a, b)) for a, b in pairs]
        sizes = [float(rank_correlation(a.abs(), b.abs())) for a, b in pairs]
        return [sum(signed) / len(signed), sum(sizes) / len(sizes)]

    return torch.tensor([both(network) for network in found], dtype=torch.float64)


def _follows(values: Tensor, levels: Tensor) -> float:
    return float(standard_ranks(settled(values.abs())) @ standard_ranks(levels))


def with_levels(values: Values, levels: Values) -> float:
    """Return the mean rank correlation of the sizes of values with the levels of the components."""
    return sum(_follows(value, level) for value, level in zip(values, levels, strict=True)) / len(values)


def from_levels(trained: Values, found: Sequence[Values], levels: Values) -> float:
    """Return the similarity of sizes that is left where model and networks share nothing but following the levels.

    The mean of r(model, levels) x r(network, levels): what the rank correlation would be if all else were independent.
    """
    own = [_follows(value, level) for value, level in zip(trained, levels, strict=True)]
    theirs = [[_follows(value, level) for value, level in zip(network, levels, strict=True)] for network in found]
    return float((torch.tensor(theirs) * torch.tensor(own)).mean())


def untrained(bench: Bench, asked: Untrained, layers: Layers) -> Finding:
    """Return whether explanations of networks that forgot everything still look like the model's."""
    rows, levels = similarity(asked.trained, asked.values), [case.levels for case in bench.cases]
    signed, sizes = (mean_of(column, seed=bench.plan.seed) for column in rows.T)
    follow = torch.tensor([with_levels(network, levels) for network in asked.values], dtype=torch.float64)
    theirs = mean_of(follow, seed=bench.plan.seed)
    own, explained = with_levels(asked.trained, levels), from_levels(asked.trained, asked.values, levels)
    state = shared(signed, sizes)
    text = (
        f"With all weights drawn anew ({len(rows)} networks) the order of the values agrees with the model's by {signed}, the "
        f"order of their sizes, whatever the sign, by {sizes} (by {explained:.2f} if both did nothing but follow the levels: "
        f"sizes agree with the levels by {own:.2f} in the model, by {theirs} in networks that learnt nothing). {_MEANS[state]}"
    )
    details: dict[str, Any] = {
        "signed": signed.as_json(), "sizes": sizes.as_json(), "from_levels": explained, "levels_model": own,
        "levels_networks": theirs.as_json(), "networks": [[round(x, 6) for x in row] for row in rows.tolist()],
        "reset": layers.laws[0], "shuffled": layers.laws[1],
    }  # fmt: skip
    number, of = max((signed, "values"), (sizes, "sizes of values"), key=lambda pair: pair[0].mean)
    measure = f"rank correlation of {of} with the model's, mean over networks"
    return Finding("untrained networks", state, text, number, measure, details=details)


_MEANS = {
    "passed": "The explanation depends on what the model learnt.",
    "warning": "Part of the explanation is there without any learning: do not take that part for what the model learnt.",
    "failed": "The explanation hardly depends on the weights: it tells of the sound or of the architecture, not of what the "
    "model learnt.",
}


def shared(signed: Mean, sizes: Mean) -> State:
    """Return the verdict on rank correlations, of values and of their sizes, with networks that did not learn the same."""
    if max(signed.mean, sizes.mean) >= MOST_SHARED:
        return "failed"
    clear = any(one.mean >= HARDLY_SHARED and (one.low is None or one.low > 0) for one in (signed, sizes))
    return "warning" if clear else "passed"


def cascade(bench: Bench, asked: Untrained, steps: Sequence[Sequence[Values]], layers: Layers) -> Finding:
    """Return how alike explanations stay while layers are drawn anew from the output down."""
    every = [*steps, asked.values[:MAX_CASCADES]]
    levels = [case.levels for case in bench.cases]
    curve: list[dict[str, Any]] = []
    for number, found in enumerate(every, start=1):
        signed, sizes = (mean_of(column, seed=bench.plan.seed) for column in similarity(asked.trained, found).T)
        row: dict[str, Any] = {"layers": list(layers.steps[number - 1]), "signed": signed.as_json(), "sizes": sizes.as_json()}
        curve.append(row | {"from_levels": round(from_levels(asked.trained, found, levels), 6)})
    likeness = [max(row["signed"]["mean"], row["sizes"]["mean"]) for row in curve]
    fallen = next((i for i, value in enumerate(likeness) if value < MOST_SHARED), None)
    n, where = len(curve), _called(layers.steps[fallen]) if fallen is not None else ""
    middle = mean_of(similarity(asked.trained, every[n // 2])[:, 0], seed=bench.plan.seed)
    state: State = "failed" if fallen is None else "warning" if fallen > n // 2 else "passed"
    values = ", ".join(f"{row['signed']['mean']:.2f}" for row in curve)
    text = f"Layers drawn anew one after the other from the output down ({len(every[0])} networks): agreement {values}. "
    text += (
        f"It stays above {MOST_SHARED:g} to the last layer: the method does not see the layers." if fallen is None else
        f"It is under {MOST_SHARED:g} from {where} on, step {fallen + 1} of {n}"
        + (": the layers near the output hardly count for the method." if state == "warning" else ".")
    )  # fmt: skip
    return Finding("layer by layer", state, text, middle, "rank correlation with half of the layers drawn anew",
                   details={"curve": curve})  # fmt: skip


def _called(names: Sequence[str]) -> str:
    first = names[0] or "the model"
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more"
