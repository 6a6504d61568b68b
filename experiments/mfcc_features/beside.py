"""LIME beside SHAP: values of every clip by both, at several budgets and seeds, and what they cost."""

from __future__ import annotations

import time

import torch
from asked import Asked
from setting import BESIDE, COMPONENTS, SCALES, Setting
from working import Rows

from hearwhy.attribution import METHODS


def beside_rows(asked: Asked, setting: Setting) -> dict[str, Rows]:
    """Return a row for each method, scale, budget and seed: of one clip its values, and what it adds to the ranking of all.

    ``local`` holds the values of the class that the model says, ``global`` the mean of their sizes over all classes.
    """
    everything, _ = asked.ends("log_odds")
    said = int(everything.argmax())
    rows = []
    for scale in SCALES:
        for name, (method, options) in BESIDE.items():
            for budget in setting.beside_budgets:
                for seed in range(setting.seeds):
                    found = (
                        METHODS[method].function(asked.score(scale), asked.shape, n_samples=budget, seed=seed, **options).values
                    )
                    row = {"clip": asked.item.name, "is_a": asked.item.label, "said": asked.model.labels[said], "scale": scale,
                           "method": name, "masks": budget, "seed": seed, "local": _short(found[said]),
                           "global": _short(found.abs().mean(dim=0))}  # fmt: skip
                    rows.append(row)
    return {"beside": rows}


def _short(values: torch.Tensor) -> list[float]:
    return [float(f"{value:.4g}") for value in values.tolist()]


def cost_rows(asked: Asked, setting: Setting) -> dict[str, Rows]:
    """Return forward passes and seconds of processor time of each, on a clip that was never asked, all classes at once."""
    rows = []
    _seconds(Asked(asked.model, asked.item), "kernel_shap", max(setting.beside_budgets), {})  # the first call is slower
    for budget in setting.beside_budgets:
        for name, (method, options) in {**BESIDE, "regression_adjusted": ("regression_adjusted", {})}.items():
            fresh = Asked(asked.model, asked.item, COMPONENTS)
            seconds = _seconds(fresh, method, budget, options)
            calls = fresh.predict.n_calls
            again = _seconds(fresh, method, budget, options)  # every answer is there: what is left is not the model's
            rows.append({"method": name, "masks": budget, "calls": calls, "seconds": seconds, "without_model": again})
    return {"costs": rows}


def _seconds(asked: Asked, method: str, budget: int, options: dict[str, str]) -> float:
    started = time.process_time()
    METHODS[method].function(asked.score("probability"), asked.shape, n_samples=budget, seed=0, **options)
    return time.process_time() - started
