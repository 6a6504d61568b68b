"""Preferences: which component do untrained networks hold most important, and is the model's own choice any different?

AudioLIME's figure 3, which its authors judge by eye, with statistics. One network's recordings are not independent: what is
claimed of networks rests on one number a network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hearwhy.sanity.agreement import Mean, mean_of, top
from hearwhy.sanity.bench import Bench
from hearwhy.sanity.cases import Case, is_tiled
from hearwhy.sanity.findings import Finding, State, without
from hearwhy.sanity.untrained import Untrained, Values

NAME = "most important"
N_DRAWS = 9_999
LEVEL = 0.05


def most_important(bench: Bench, asked: Untrained) -> Finding:
    """Return what untrained networks hold most important, against uniform choice and against the model's choice."""
    cases, seed = bench.cases, bench.plan.seed
    if bench.plan.entry.asks == "network" or not all(is_tiled(case.parts) for case in cases):
        return without(NAME, "Cells of different recordings are not the same thing, so the most important cannot be counted; "
                       "parts of the sound and tiles can.")  # fmt: skip
    names = list(dict.fromkeys(name for case in cases for name in case.names))
    own, theirs = tops(asked.trained, cases), [tops(network, cases) for network in asked.own]
    chosen = Counter(name for name in own if name is not None)
    if not chosen:
        return without(NAME, "Nothing speaks for what the model says of any recording, so it holds nothing most important.")
    best, n_best = chosen.most_common(1)[0]
    share, shares = n_best / len(cases), [network.count(best) / len(cases) for network in theirs]
    favourite, favours, p_uniform = _favourite(theirs, cases, names, seed=seed)
    spread = mean_of(shares, seed=seed)
    details: dict[str, Any] = {
        "names": names, "trained": _counts(own, names), "top": best, "share": share, "untrained_share": spread.as_json(),
        "networks": [_network(network, cases, names, seed=seed) for network in theirs], "favourite": favourite,
        "favours": favours, "p_uniform": p_uniform, "uniform_entropy": _uniform_entropy(cases, names, seed),
        "chance": sum(1 / len(case.names) for case in cases) / len(cases), "as_often": sum(o >= share for o in shares),
    }  # fmt: skip
    p = (1 + details["as_often"]) / (1 + len(shares))
    state: State = "passed" if p <= max(LEVEL, 1 / (1 + len(shares))) else "warning"
    text = _text(details, spread, p) + " " + _meaning(details["as_often"], len(shares), p)
    return Finding(NAME, state, text, mean_of([share]), f"share of recordings with {best}", p, details)


def _text(found: Mapping[str, Any], spread: Mean, p: float) -> str:
    n = len(found["networks"])
    entropy = sum(row["entropy"] for row in found["networks"]) / n
    return (
        f"Most important to the model is {found['top']}, in {found['share']:.0%} of the recordings; to untrained networks, of "
        f"what each says itself, in {spread} of them (chance {found['chance']:.2f}; permutation over networks p = {p:.2g}). "
        f"The networks prefer {found['favourite']} ({found['favours']} of {n}; against uniform p = {found['p_uniform']:.2g}); "
        f"the entropy of one network's choices is {entropy:.2f} nats, of uniform ones {found['uniform_entropy']:.2f}."
    )


def _meaning(as_often: int, n: int, p: float) -> str:
    if as_often:
        return f"{as_often} of {n} networks that learnt nothing choose it as often" + (
            ": the choice alone does not set the model apart." if p > LEVEL else ".")  # fmt: skip
    if p > LEVEL:
        return f"No untrained network chooses it as often; {n} networks cannot show more."
    return "The model's choice is not that of networks that learnt nothing."


def tops(values: Values, cases: Sequence[Case]) -> list[str | None]:
    """Return the name of each case's most important component; None where nothing speaks for the target."""
    found = [top(value) for value in values]
    return [None if i is None else case.names[i] for i, case in zip(found, cases, strict=True)]


def _counts(chosen: Sequence[str | None], names: Sequence[str]) -> dict[str, int]:
    return {name: chosen.count(name) for name in names}


def _network(chosen: Sequence[str | None], cases: Sequence[Case], names: Sequence[str], *, seed: int) -> dict[str, Any]:
    """One network's counts with entropy (nats) and chi-square against uniform; its p takes recordings as independent."""
    counts = np.array([chosen.count(name) for name in names], dtype=float)
    there = np.array([name is not None for name in chosen])
    found = chi_square(counts, cases, names, there=there, seed=seed)
    return {"counts": _counts(chosen, names), "entropy": round(entropy_of(counts), 6), **found}


def entropy_of(counts: np.ndarray) -> float:
    """Return the entropy of some counts, in nats; 0 where there are none."""
    p = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(p * np.log(p)).sum()) + 0.0


def chi_square(
    counts: np.ndarray, cases: Sequence[Case], names: Sequence[str], *, there: np.ndarray, seed: int
) -> dict[str, float]:
    """Return chi-square of counts against choosing uniformly among what is there in each case, and its p value by simulation.

    Simulated, because the usual approximation needs five expected counts a component; ``(1 + #{as large}) / (1 + draws)``.
    """
    chance = _chances(cases, names)[there]
    expected = chance.sum(axis=0)
    drawn = _drawn(chance, seed)
    statistic, simulated = _statistic(counts, expected), _statistic(drawn, expected)
    p = (1 + int((simulated >= statistic - 1e-9).sum())) / (1 + N_DRAWS)
    return {"chi_square": round(float(statistic), 6), "p": p}


def _chances(cases: Sequence[Case], names: Sequence[str]) -> np.ndarray:
    """Probability (case, name) of each component under uniform choice among those that are there."""
    return np.array([[(name in case.names) / len(case.names) for name in names] for case in cases])


def _drawn(chance: np.ndarray, seed: int) -> np.ndarray:
    """Counts (draw, name) of uniform choices."""
    rng = np.random.default_rng([seed, 5])
    picked = (rng.random((N_DRAWS, len(chance), 1)) > np.cumsum(chance, axis=1)[None, :, :-1]).sum(axis=2)
    return (picked[:, :, None] == np.arange(chance.shape[1])).sum(axis=1).astype(float)


def _statistic(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return ((counts - expected) ** 2 / np.maximum(expected, 1e-12) * (expected > 0)).sum(axis=-1)


def _uniform_entropy(cases: Sequence[Case], names: Sequence[str], seed: int) -> float:
    return float(np.mean([entropy_of(row) for row in _drawn(_chances(cases, names), seed)[:1_000]]))


def _favourite(
    theirs: Sequence[Sequence[str | None]], cases: Sequence[Case], names: Sequence[str], *, seed: int
) -> tuple[str, int, float]:
    """The component that is most networks' favourite, of how many, and the p value of their favourites against uniform.

    A network counts once, with the component that it chooses most often: networks are independent.
    """
    favourites = [Counter(name for name in network if name is not None).most_common(1) for network in theirs]
    found = [favourite[0][0] for favourite in favourites if favourite]
    if not found:
        return "nothing", 0, 1.0
    counts = np.array([found.count(name) for name in names], dtype=float)
    chance = np.tile(_chances(cases, names).mean(axis=0), (len(found), 1))
    simulated = _statistic(_drawn(chance, seed), chance.sum(axis=0))
    p = (1 + int((simulated >= _statistic(counts, chance.sum(axis=0)) - 1e-9).sum())) / (1 + N_DRAWS)
    best = int(counts.argmax())
    return names[best], int(counts[best]), p
