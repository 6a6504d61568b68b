"""Stopping: how many masks are asked where nobody named a number, what is told on the way, and why it ended."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

from hearwhy.attribution.parsing import named_options
from hearwhy.attribution.rounds import MOST, WORTH_IT, Round, doubt
from hearwhy.game import Game
from hearwhy.plan import Meter, Plan
from hearwhy.types import Estimate

ENUMERATE_S = 10.0  # seconds that asking about all masks may be forecast to take, where no number of masks is named


def with_stopping(plan: Plan, method: str, *, time_budget_s: float | None, at_once: bool) -> Plan:
    """Return the plan with what decides how many masks are asked.

    A number of masks that is named decides, whatever the clock says, and the result is the same on every machine. Where
    none is named, all masks are asked if they are forecast to take 10 s at most, or the time budget that is given: exact values
    for the price of waiting a little. Else as many as the method asks by itself; with a budget, as many as it takes until
    the error is under the method's tolerance or time is up. The choice is recorded, so that naming ``n_samples`` repeats it.

    Parameters
    ----------
    plan, method
        What is asked; the method as it was named, to tell what is given from what is default.
    time_budget_s
        Seconds that asking may take, the second fill included, the checks not; None: no limit.
    at_once
        Whether one explanation is wanted, and the model will be asked. Of many, each must be as the others are, and where
        answers are remembered the clock would tell how fast memory is: then it has no say.

    Raises
    ------
    ValueError
        The budget is not above 0, or the method does not ask in rounds.
    """
    named = named_options(method)
    sampled = plan.entry.asks == "score" and plan.entry.sampled and plan.options.get("protocol") != "paper"
    if time_budget_s is None:
        open_ended = sampled and at_once and "n_samples" not in named and plan.options["n_samples"] != "auto"
        return replace(plan, enumerate_s=ENUMERATE_S) if open_ended else plan
    if not 0 < time_budget_s < math.inf:
        raise ValueError(f"A time budget is a number of seconds above 0; got {time_budget_s}.")
    if not sampled:
        raise ValueError(f"{plan.method} has no rounds that a time budget of {time_budget_s:g} s could end; leave it out, or "
                         "use kernel_shap.")  # fmt: skip
    if "n_samples" in named and plan.options["n_samples"] != "auto":
        raise ValueError(f"A time budget ends n_samples=auto, but {method} names n_samples={plan.options['n_samples']}; leave "
                         "one of them out.")  # fmt: skip
    enumerate_s = time_budget_s if at_once and plan.options["n_samples"] != "auto" else 0.0
    options = {**plan.options, "n_samples": "auto"}
    return replace(plan, options=options, enumerate_s=enumerate_s, time_budget_s=time_budget_s)


def all_masks_needed(plan: Plan, n: int) -> int:
    """Return how many masks the method's exact values take: 2**n, or what the groups make needed."""
    return plan.entry.n_masks(n, {**plan.options, "n_samples": 2**n})


class Patience:
    """Tells a method that asks in rounds for how many masks there is time, and the meter what remains and why.

    Parameters
    ----------
    meter
        What is told.
    calls
        Forward passes that one mask takes, in all games that will be asked as many.
    expected
        Masks that the meter expects so far.
    budget_s
        Seconds from now on; None: no limit.
    """

    def __init__(self, meter: Meter, *, calls: int, expected: int, budget_s: float | None = None) -> None:
        self.meter, self.calls, self.expected, self.budget_s = meter, calls, expected, budget_s
        self.last: Round | None = None
        self._started = time.perf_counter()

    def __call__(self, told: Round) -> float:
        """Return the masks there is time for in all."""
        passed = time.perf_counter() - self._started
        most = math.inf if self.budget_s is None else told.n_masks * self.budget_s / passed
        self.last = told
        why = f"error {_percent(told.error)} of the range, {_percent(told.tolerance)} wanted"
        expected = int(min(told.expected, max(most, told.n_masks)))
        self.expect(expected, why if told.error > told.tolerance else "")
        return most

    def expect(self, n_masks: int, why: str = "") -> None:
        """Tell the meter that so many masks are expected now."""
        self.meter.revise((n_masks - self.expected) * self.calls, why)
        self.expected = n_masks

    def again(self, *, calls: int, expected: int | None = None) -> Patience:
        """Return the same patience, from now on, with the next game."""
        n_masks = self.expected if expected is None else expected
        return Patience(self.meter, calls=calls, expected=n_masks, budget_s=self.budget_s)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def patience_with(game: Game, plan: Plan, meter: Meter, *, fills: int) -> Patience:
    """Return the patience that a plan has with the game of one recording; `fills` is that of its two, or only one, fills.

    The budget is shared out: among the game itself, under another fill, and between the parts before some were split.
    """
    parts = game.score.predict.parts
    n_games = 1 + (fills > len(parts.fills)) + (getattr(parts, "parents", None) is not None)
    budget_s = None if plan.time_budget_s is None else plan.time_budget_s / n_games
    calls = game.score.predict.n_draws // len(parts.fills) * fills
    expected = min(plan.entry.n_masks(game.n, plan.options), all_masks_needed(plan, game.n))
    return Patience(meter, calls=calls, expected=expected, budget_s=budget_s)


def made_exact(plan: Plan, game: Game, estimate: Estimate, patience: Patience) -> tuple[Plan, Estimate]:
    """Return the exact values in the place of sampled ones, where no number of masks was named and the forecast is short.

    The speed is that of the masks asked so far, which are among all there are: they are remembered, and nothing is asked in
    vain. The plan then says how many masks that is.
    """
    every, asked = all_masks_needed(plan, game.n), len(game.asked())
    if not plan.enumerate_s or estimate.stderr is None or every > MOST:
        return plan, estimate
    forecast_s = game.seconds / asked * every * patience.calls / game.score.predict.n_draws
    plan = replace(plan, forecast_s=forecast_s)
    if forecast_s > plan.enumerate_s:
        return plan, estimate
    patience.expect(every, "all masks, for exact values")
    plan = replace(plan, options={**plan.options, "n_samples": 2**game.n})
    return plan, plan.entry.function(game, game.shape, **plan.options)


def ending(plan: Plan, game: Game, estimate: Estimate, patience: Patience) -> dict[str, Any]:
    """Return how many masks were asked, why no more, and the largest error that is left as a share of the range of values.

    ``stopped`` is "all masks", "n_samples" (as many as were named, or are by default), "tolerance", "time", or "most masks"
    (no method asks more than 2**17 in rounds); None for methods that do not sample.
    """
    told: dict[str, Any] = {"n_masks": len(game.asked()), "stopped": None, "time_budget_s": plan.time_budget_s}
    if plan.entry.asks != "score" or not plan.entry.sampled:
        return told
    error, last = doubt(estimate), patience.last
    if estimate.stderr is None and told["n_masks"] >= all_masks_needed(plan, game.n):
        why = "all masks"
    elif last is None:
        why = "n_samples"
    elif last.error <= last.tolerance:
        why = "tolerance"
    else:
        why = "most masks" if patience.budget_s is None or last.n_masks * WORTH_IT >= MOST else "time"
    df = None if math.isinf(estimate.df) or estimate.stderr is None else round(estimate.df, 2)
    forecast_s = None if plan.forecast_s is None else round(plan.forecast_s, 3)
    return {**told, "stopped": why, "error": round(error, 6), "df": df, "forecast_s": forecast_s}
