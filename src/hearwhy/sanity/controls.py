"""Controls: does the method say more than the levels, a guess, one constant answer, or what it says of another label?"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor

from hearwhy.metrics.statistics import sign_flip_p
from hearwhy.sanity.agreement import mean_of, rank_correlation, top
from hearwhy.sanity.bench import Bench, predict_of
from hearwhy.sanity.cases import Case, is_tiled
from hearwhy.sanity.findings import Finding, State, without
from hearwhy.sanity.preferences import tops
from hearwhy.sanity.untrained import Values
from hearwhy.scoring import TargetScore
from hearwhy.types import Classifier

MOSTLY = 0.9  # of recordings in which another answer is the same, and of rank correlation with another label's explanation
LEVEL = 0.05
ALIKE_DB = 6.0  # components so close in level are taken for equally loud
FEW = 64  # components up to which one is removed; of more (cells), the strongest tenth
N_DRAWN = 8  # random sets of cells


def same_answers(bench: Bench, trained: Values) -> Finding:
    """Return how often the most important component is the loudest one, and what a guess and a constant would reach."""
    cases = bench.cases
    groups = [case.group for case in cases]
    chosen = [top(value) for value in trained]
    loudest = [float(i == int(case.levels.argmax())) for i, case in zip(chosen, cases, strict=True)]
    loud = mean_of(loudest, groups, seed=bench.plan.seed)
    guess = sum(1 / len(case.names) for case in cases) / len(cases)
    named = Counter(name for name in tops(trained, cases) if name is not None)
    constant = named.most_common(1)[0] if named and all(is_tiled(case.parts) for case in cases) else None
    state: State = "warning" if loud.mean >= MOSTLY and len(cases) > 1 else "passed"
    text = f"The most important component is the loudest one in {loud} of the recordings; a guess would be it in {guess:.2f}. "
    if constant is not None:
        text += f"One constant answer, {constant[0]}, would be the method's in {constant[1] / len(cases):.2f}. "
    if len(cases) == 1:
        text += "One recording cannot tell the two apart; give several."
    elif state == "passed":
        text += "The method says something else than the levels."
    else:
        text += "In these recordings the method cannot be told from one that only measures levels; see the deletion."
    details: dict[str, Any] = {"loudest": loud.as_json(), "guess": round(guess, 6), "constant": constant and list(constant)}
    return Finding("energy", state, text, loud, "share of recordings whose most important component is the loudest",
                   details=details)  # fmt: skip


def other_target(bench: Bench, model: Classifier, trained: Values) -> Finding:
    """Return whether the explanation of the most probable other label is another one."""
    pairs = [(case, value) for case, value in zip(bench.cases, trained, strict=True) if case.rival is not None]
    if not pairs:
        return without("other target", "The model knows no other label.")
    found = [bench.explain(case, model, "other target", targets=(str(case.rival),)).values[0] for case, _ in pairs]
    ranks = [float(rank_correlation(value, other)) for (_, value), other in zip(pairs, found, strict=True)]
    mean = mean_of(ranks, [case.group for case, _ in pairs], seed=bench.plan.seed)
    state: State = "warning" if mean.mean >= MOSTLY else "passed"
    text = f"The explanation of the most probable other label agrees with the target's by {mean}: " + (
        "the method says much the same whatever it is asked about." if state == "warning" else
        "what is explained matters.")  # fmt: skip
    if bench.plan.scale == "log_odds" and len(model.labels) == 2 and model.activation == "softmax":
        text += (
            " (Of two labels that exclude each other, the one's values are the other's with the sign turned: -1 is certain.)"
        )
    rows = [
        {"name": case.name, "rival": case.rival, "rank_correlation": round(r, 6)}
        for (case, _), r in zip(pairs, ranks, strict=True)
    ]
    return Finding("other target", state, text, mean, "rank correlation with another label's explanation",
                   details={"rows": rows})  # fmt: skip


def deletion(bench: Bench, model: Classifier, trained: Values) -> Finding:
    """Return whether removing what is most important costs more score than removing what is as loud, or loudest."""
    found = [_deleted(bench, case, model, value) for case, value in zip(bench.cases, trained, strict=True)]
    rows = [row for row in found if row is not None]
    if not rows:
        return without(
            "deletion", "In no recording does anything speak for the target beside something else: nothing to compare."
        )
    groups = [row["group"] for row in rows]
    against = {name: [row["top"] - row[name] for row in rows] for name in ("alike", "loudest")}
    means = {name: mean_of(gaps, groups, seed=bench.plan.seed) for name, gaps in against.items()}
    p = {name: _p(gaps, groups, bench.plan.seed) for name, gaps in against.items()}
    n_same = sum(row["top_is_loudest"] for row in rows)
    state = _deletion_state(means["alike"].mean, p["alike"], len(set(groups)))
    text = (
        f"Removing the most important costs {means['alike']} more of the score ({bench.plan.scale}) than removing something of "
        f"like level{_told(p['alike'])}, and {means['loudest']} more than removing the loudest{_told(p['loudest'])}, which is "
        f"the same in {n_same} of {len(rows)} recordings. {_MEANS[state]}"
    )
    if p["alike"] is None or (state == "passed" and p["alike"] > LEVEL):
        text += f" {_count(len(set(groups)))} cannot show more; give more with --limit."
    details: dict[str, Any] = {"rows": rows, "loudest": means["loudest"].as_json(), "p_loudest": p["loudest"]}
    return Finding("deletion", state, text, means["alike"], "score lost beyond removing something of like level", p["alike"],
                   details)  # fmt: skip


_MEANS = {
    "passed": "What the method calls most important is so to the model.",
    "warning": "That what the method calls most important is so to the model is not shown.",
    "failed": "What the method calls most important is not so to the model.",
}


def _deletion_state(gap: float, p: float | None, n_groups: int) -> State:
    """So few groups that no p can be small enough pass where all point the same way: p is as small as it can be."""
    if gap <= 0:
        return "failed"
    return "passed" if p is None or p <= max(LEVEL, 2.0 ** (1 - n_groups)) else "warning"


def _p(gaps: list[float], groups: list[str], seed: int) -> float | None:
    if len(set(groups)) < 2:
        return None
    return float(sign_flip_p(torch.tensor(gaps, dtype=torch.float64), groups, seed=seed))


def _count(n: int) -> str:
    return f"{n} source recording{'s' * (n != 1)}"


def _told(p: float | None) -> str:
    return "" if p is None else f" (sign-flip p = {p:.2g})"


def _deleted(bench: Bench, case: Case, model: Classifier, values: Tensor) -> dict[str, Any] | None:
    """Score lost by removing the most important, something of like level, and the loudest; None where nothing is to compare."""
    n = len(values)
    size = 1 if n <= FEW else max(1, n // 10)
    if n < 2 or top(values) is None:
        return None
    strongest, loudest = values.argsort(descending=True)[:size], case.levels.argsort(descending=True)[:size]
    sets = [strongest, loudest, *_alike(case, strongest, bench.plan.seed)]
    lost = _lost(bench, case, model, sets)
    bench.advance()
    return {
        "name": case.name, "group": case.group, "top": lost[0], "loudest": lost[1], "alike": sum(lost[2:]) / len(lost[2:]),
        "top_is_loudest": set(strongest.tolist()) == set(loudest.tolist()), "removed": size,
    }  # fmt: skip


def _alike(case: Case, strongest: Tensor, seed: int) -> list[Tensor]:
    """What else might be removed: each other component of like level, else the nearest; of many cells, random sets."""
    size, n = len(strongest), len(case.levels)
    if size > 1:
        generator = torch.Generator().manual_seed(seed)
        return [torch.randperm(n, generator=generator)[:size] for _ in range(N_DRAWN)]
    chosen = int(strongest[0])
    away = (case.levels - case.levels[chosen]).abs()
    others = [i for i in range(n) if i != chosen]
    near = [i for i in others if float(away[i]) <= ALIKE_DB] if n <= FEW and case.in_decibels else []
    return [torch.tensor([i]) for i in near or [min(others, key=lambda i: float(away[i]))]]


def _lost(bench: Bench, case: Case, model: Classifier, sets: list[Tensor]) -> list[float]:
    score = TargetScore(predict_of(model, case.parts, bench.plan), [case.target], scale=bench.plan.scale)
    masks = torch.ones(1 + len(sets), len(case.present), dtype=torch.bool)
    there = case.present.nonzero().flatten()
    for row, removed in enumerate(sets, start=1):
        masks[row, there[removed]] = False
    scores = score(masks.reshape(-1, *case.parts.shape))[:, 0].to(torch.float64)
    return [round(x, 6) for x in (scores[0] - scores[1:]).tolist()]
