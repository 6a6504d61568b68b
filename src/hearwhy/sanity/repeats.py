"""Repeats: does the explanation stay when seed, fill or level is another, and is the slope that it follows right?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.attributing import fill_told
from hearwhy.attribution.sampling import N_SAMPLES, fits
from hearwhy.check.gradients import check_masks
from hearwhy.classifiers.callable import CallableClassifier, name_of
from hearwhy.components.cells import Cells
from hearwhy.game import Game
from hearwhy.sanity.agreement import Mean, mean_of, rank_correlation, top
from hearwhy.sanity.bench import Bench, predict_of
from hearwhy.sanity.cases import Case
from hearwhy.sanity.findings import Finding, State, without
from hearwhy.sanity.untrained import HARDLY_SHARED, MOST_SHARED, Values
from hearwhy.scoring import TargetScore
from hearwhy.types import Classifier

SAME_TOP = (0.5, 0.9)  # of the recordings with the same most important component: less fails, more passes
HONEST = (0.5, 2.0)  # reported standard error as a share of the spread over seeds
SILENT = 1e-12  # of the recording's energy, -120 dB: nothing is there to be brought to a level


@dataclass(frozen=True, eq=False)
class Agreement:
    """How alike two explanations of each case are: rank correlation, and whether they name the same most important."""

    ranks: Mean
    same_top: Mean
    rows: list[dict[str, Any]]

    @property
    def state(self) -> State:
        """Whether what one reads off the one also holds of the other: what is most important, and most of the order."""
        if self.ranks.mean < HARDLY_SHARED or self.same_top.mean < SAME_TOP[0]:
            return "failed"
        return "passed" if self.ranks.mean >= MOST_SHARED and self.same_top.mean >= SAME_TOP[1] else "warning"


def agreement(cases: Sequence[Case], first: Values, second: Values, *, seed: int) -> Agreement:
    """Return how alike two explanations of each case are."""
    groups = [case.group for case in cases]
    ranks = [float(rank_correlation(a, b)) for a, b in zip(first, second, strict=True)]
    tops = [(top(a), top(b)) for a, b in zip(first, second, strict=True)]
    same = [float(a == b) for a, b in tops]
    rows = [
        {"name": case.name, "rank_correlation": round(r, 6), "top": _name(case, a), "other_top": _name(case, b)}
        for case, r, (a, b) in zip(cases, ranks, tops, strict=True)
    ]
    return Agreement(mean_of(ranks, groups, seed=seed), mean_of(same, groups, seed=seed), rows)


def _name(case: Case, i: int | None) -> str | None:
    return None if i is None else case.names[i]


def is_sampled(bench: Bench) -> str | None:
    """Return why no seed changes what the method finds; None where one does."""
    entry, options = bench.plan.entry, bench.plan.options
    if not entry.sampled:
        return f"{bench.plan.method} draws nothing at random, so that every seed gives the same."
    n_samples = int(options.get("n_samples", N_SAMPLES))
    if entry.asks == "score" and all(fits((len(case.names),), n_samples) for case in bench.cases):
        return f"All masks fit into the {n_samples} that {bench.plan.method} asks about, so that every seed gives the same."
    return None


def seeds(bench: Bench, model: Classifier, *, n_seeds: int) -> Finding:
    """Return how far explanations differ from seed to seed, and whether the standard errors that they report say so."""
    reason = is_sampled(bench)
    if reason is not None:
        return without("seeds", reason)
    groups, ranks, same, errors, rows = [case.group for case in bench.cases], [], [], [], []
    for case in bench.cases:
        found = [bench.explain(case, model, f"seed {i}", seed=bench.plan.seed + i) for i in range(n_seeds)]
        values = torch.stack([one.values[0] for one in found])
        pairs = list(combinations(range(n_seeds), 2))
        ranks.append(sum(float(rank_correlation(values[a], values[b])) for a, b in pairs) / len(pairs))
        tops = [top(row) for row in values]
        same.append(sum(tops[a] == tops[b] for a, b in pairs) / len(pairs))
        told = [one.stderr[0].square().mean() for one in found if one.stderr is not None]
        spread = float(values.var(dim=0).mean().sqrt())
        if told and spread > 0:
            errors.append(float(torch.stack(told).mean().sqrt()) / spread)
        rows.append({"name": case.name, "rank_correlation": ranks[-1], "same_top": same[-1], "spread": spread})
    both = Agreement(mean_of(ranks, groups, seed=bench.plan.seed), mean_of(same, groups, seed=bench.plan.seed), rows)
    return _seeds(bench, both, errors, n_seeds)


def _seeds(bench: Bench, both: Agreement, errors: list[float], n_seeds: int) -> Finding:
    state = both.state
    text = (f"Two of {n_seeds} seeds agree on the order of the components by {both.ranks} and on the most important one in "
            f"{both.same_top} of the cases.")  # fmt: skip
    ratio = sum(errors) / len(errors) if errors else None
    if ratio is None:
        text += " The method reports no standard error."
    else:
        honest = HONEST[0] <= ratio <= HONEST[1]
        state = "warning" if not honest and state == "passed" else state
        text += f" Its standard error is {ratio:.2f} of the spread over seeds: " + (
            "it says how far values are off." if honest else "it does not say how far values are off.")  # fmt: skip
    if state != "passed":
        text += f" Give {bench.plan.method} more masks (n_samples), or read no more than what the seeds share."
    return Finding("seeds", state, text, both.ranks, "rank correlation between seeds",
                   details={"rows": both.rows, "same_top": both.same_top.as_json(), "stderr_ratio": ratio})  # fmt: skip


def second_fill(bench: Bench, model: Classifier, trained: Values) -> Finding:
    """Return whether the explanation is the same where something else stands for what was removed."""
    found = [bench.explain(case, model, "second fill", parts=case.other).values[0] for case in bench.cases]
    both = agreement(bench.cases, trained, found, seed=bench.plan.seed)
    first, second = (fill_told(parts) for parts in (bench.cases[0].parts, bench.cases[0].other))
    text = (f"With {second} instead of {first} in the place of what was removed the order of the components agrees by "
            f"{both.ranks}, the most important one is the same in {both.same_top} of the recordings: " + (
            "the verdict stands." if both.state == "passed" else
            "part of the verdict hangs on the fill; read only what both share." if both.state == "warning" else
            "the verdict hangs on the fill, and not on the sound alone."))  # fmt: skip
    return _finding("second fill", both, text, "rank correlation between fills")


def levels(bench: Bench, model: Classifier, trained: Values) -> Finding:
    """Return whether the explanation is the same where every mix is as loud as the whole recording."""
    if any(isinstance(case.parts, Cells) for case in bench.cases):
        return without("level", "What a network is given of it is not mixed as sound, so mixes have no level to match.")
    found = [bench.explain(case, level_matched(model, case), "level-matched").values[0] for case in bench.cases]
    both = agreement(bench.cases, trained, found, seed=bench.plan.seed)
    text = (f"With every mix brought to the level of the whole recording the order of the components agrees by {both.ranks}, "
            f"the most important one is the same in {both.same_top} of the recordings: " + (
            "values tell of what sounds, not of how loud the rest is." if both.state == "passed" else
            "part of the values tells of the level that a part adds." if both.state == "warning" else
            "values tell of the level that a part adds; the model hears little else."))  # fmt: skip
    return _finding("level", both, text, "rank correlation with level-matched mixes")


def level_matched(model: Classifier, case: Case) -> Classifier:
    """Return the model with a gain before it that brings every sound to the energy of the case's recording.

    What is silent stays so. Gradients pass through the gain.
    """
    heard = sound.convert(case.parts.recording, model.sample_rate, model.channels).audio
    energy = float(heard.square().sum())

    def matched(audio: Tensor) -> Any:
        own = audio.square().sum(dim=(1, 2), keepdim=True)
        gain = torch.where(own > SILENT * energy, energy / own.clamp(min=SILENT * energy), 1.0).sqrt()
        return model(audio * gain.to(audio.dtype))

    return CallableClassifier(
        matched, model.sample_rate, model.labels, model.channels, model.activation, model.window_s,
        name=name_of(model), output=getattr(model, "output", "batch label"), frame_s=getattr(model, "frame_s", None),
    )  # fmt: skip


def gradient(bench: Bench, model: Classifier) -> Finding:
    """Return whether the slope that the method follows agrees with finite differences, the worst of all cases."""
    if bench.plan.entry.asks == "score":
        return without("gradient", f"{bench.plan.method} asks for answers and follows no slope.")
    worst, cause = 0.0, None
    for case in bench.cases:
        predict = predict_of(model, case.parts, bench.plan)
        game = Game(TargetScore(predict, [case.target], scale=bench.plan.scale), gradient=True)
        if game.gradient is None:
            return Finding("gradient", "failed", f"{name_of(model)} gives no gradient that {bench.plan.method} could follow; "
                           "use kernel_shap, which only asks for answers.")  # fmt: skip
        slope = check_masks(game)
        bench.advance()
        if slope.error >= worst:
            worst, cause = slope.error, slope.cause
        if not slope.passed:
            text = (f"The gradient misses finite differences by {100 * slope.error:.0f} % for {case.name}: what "
                    f"{bench.plan.method} makes of it is wrong; use kernel_shap, which only asks for answers."
                    + (f" Cause: {cause}." if cause else ""))  # fmt: skip
            return Finding("gradient", "failed", text, mean_of([slope.error]), "disagreement with finite differences")
    text = f"The gradient agrees with finite differences within {100 * worst:.2g} % in every recording."
    return Finding("gradient", "passed", text, mean_of([worst]), "disagreement with finite differences")


def _finding(name: str, both: Agreement, text: str, measure: str) -> Finding:
    return Finding(name, both.state, text, both.ranks, measure,
                   details={"rows": both.rows, "same_top": both.same_top.as_json()})  # fmt: skip
