"""Anchors: what must be equal, whoever computes it: exact values of few groups, and one model function for all."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from asked import Asked
from setting import SCALES, Setting
from working import Rows

from hearwhy.attribution import METHODS


def anchor_rows(groups: Asked, whole: Asked, setting: Setting) -> dict[str, Rows]:
    """Return the largest difference from shap's ExactExplainer on all masks of the groups, over the largest value.

    Last, how far the model's answers differ between masks and the tutorial's way, 40 values a row.
    """
    rows = []
    for scale in SCALES:
        exact = exact_by_shap(groups, scale)
        for method in ("shapley", "kernel_shap"):
            options = {"n_samples": 2**setting.n_groups} if method == "kernel_shap" else {}
            found = METHODS[method].function(groups.score(scale), groups.shape, **options).values.double().numpy()
            difference = float(np.abs(found - exact).max() / np.abs(exact).max())
            rows.append({"clip": groups.item.name, "scale": scale, "what": method, "difference": difference})
    rows.append({"clip": whole.item.name, "scale": "probability", "what": "model function", "difference": by_values(whole)})
    return {"anchors": rows}


def exact_by_shap(asked: Asked, scale: str) -> np.ndarray:
    """Return shap.ExactExplainer's values, (target, component)."""
    n = asked.shape[0]
    with warnings.catch_warnings():  # of its colours, as it is imported
        warnings.simplefilter("ignore")
        import shap

        explainer = shap.explainers.Exact(asked.of_rows(scale), shap.maskers.Independent(np.zeros((1, n))))
        return np.asarray(explainer(np.ones((1, n)), max_evals=2 ** (n + 1), silent=True).values)[0].T


def by_values(asked: Asked) -> float:
    """Return the largest difference in probability between 64 masks and the same rows as the tutorial writes them."""
    masks = torch.rand(64, *asked.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    means = asked.predict.parts.features.mean(dim=1).numpy()
    background = asked.model.background.mean.numpy()
    values = np.where(masks.numpy(), means, background)
    return float(np.abs(asked.of_values(values) - asked.score("probability")(masks).numpy()).max())
