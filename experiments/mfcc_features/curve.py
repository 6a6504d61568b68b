"""The error curve: how far estimates lie from a reference, by masks, ours and shap's KernelExplainer side by side."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from asked import Asked
from setting import OURS, SCALES, SHAP, Setting
from torch import Tensor
from working import Rows

from hearwhy.attribution import METHODS

FIRST_REFERENCE_SEED = 1_000_001  # no contestant's masks


def reference_rows(asked: Asked, setting: Setting, *, twice: bool) -> dict[str, Rows]:
    """Return the reference of one clip, a class and scale a row, with what is known of its own error."""
    return {"references": [row for scale in SCALES for row in _reference(asked, scale, setting, twice=twice)]}


def estimate_rows(asked: Asked, budget: int, setting: Setting) -> dict[str, Rows]:
    """Return every estimate from so many masks of one clip, and by how much its values miss what they should sum to."""
    return {
        "estimates": [
            row
            for scale in SCALES
            for seed in range(setting.seeds)
            for about, values in estimates(asked, scale, budget, seed)
            for row in _by_class(asked, {"scale": scale, "masks": budget, "seed": seed, **about}, values)
        ]
    }


def _reference(asked: Asked, scale: str, setting: Setting, *, twice: bool) -> Rows:
    """The reference and what is known of its own error, by itself, by other masks, and by another method on these masks."""
    score, n = asked.score(scale), setting.n_reference
    found = METHODS["regression_adjusted"].function(score, asked.shape, n_samples=n, seed=FIRST_REFERENCE_SEED)
    plain = METHODS["kernel_shap"].function(score, asked.shape, n_samples=n, seed=FIRST_REFERENCE_SEED)
    other = None
    if twice:
        other = METHODS["regression_adjusted"].function(score, asked.shape, n_samples=n, seed=FIRST_REFERENCE_SEED + 1)
    size = found.values.norm(dim=1)
    everything, nothing = asked.ends(scale)
    rows = []
    for i, label in enumerate(asked.model.labels):
        row = {
            "clip": asked.item.name, "is_a": asked.item.label, "target": label, "scale": scale, "masks": n,
            "full": float(everything[i]), "removed": float(nothing[i]), "size": float(size[i]),
            "stderr": float(found.stderr[i].norm() / size[i]),
            "plain_stderr": float(plain.stderr[i].norm() / size[i]),
            "plain_difference": float((plain.values[i] - found.values[i]).norm() / size[i]),
            "other_masks": None if other is None else float((other.values[i] - found.values[i]).norm() / size[i] / 2**0.5),
            "values": found.values[i].tolist(),
        }  # fmt: skip
        rows.append(row)
    return rows


def estimates(asked: Asked, scale: str, budget: int, seed: int) -> Iterator[tuple[dict[str, Any], Tensor]]:
    """Yield who and after how many masks, and values (target, component); nothing where a method refuses so few."""
    for method in OURS:
        try:
            found = METHODS[method].function(asked.score(scale), asked.shape, n_samples=budget, seed=seed)
        except ValueError:  # too few masks for so many components: it says so
            continue
        yield {"method": method, "calls": found.n_calls}, found.values
    for method, l1_reg in SHAP.items():
        values = shap_values(asked.of_rows(scale), asked.shape[0], budget, l1_reg=l1_reg, seed=seed)
        yield {"method": method, "calls": budget + 2}, values


def shap_values(score: object, n: int, budget: int, *, l1_reg: str | bool, seed: int) -> Tensor:
    """Return what shap.KernelExplainer says with ``nsamples=budget``, to which it adds everything and nothing.

    It is asked about masks: a clip of ones against a background row of zeros, which is the tutorial's call with 40 values
    against one row, as it only ever puts the one or the other there.
    """
    np.random.seed(seed)  # noqa: NPY002  # shap's only source of chance
    with warnings.catch_warnings():  # of linear systems that so few masks leave open, and of its colours as it is imported
        warnings.simplefilter("ignore")
        import shap

        explainer = shap.KernelExplainer(score, np.zeros((1, n)))
        found = explainer.shap_values(np.ones((1, n)), nsamples=budget, l1_reg=l1_reg, silent=True)
    return torch.from_numpy(np.asarray(found)[0].T.copy())


def _by_class(asked: Asked, about: dict[str, Any], values: Tensor) -> Rows:
    everything, nothing = asked.ends(about["scale"])
    gap = (values.double().sum(dim=1) - (everything - nothing)).abs()
    size = torch.maximum(everything.abs(), nothing.abs())
    rows = zip(asked.model.labels, gap / size, values.tolist(), strict=True)
    return [{"clip": asked.item.name, "target": label, **about, "gap": float(gap), "values": row} for label, gap, row in rows]


def errors(references: Rows, estimates: Rows) -> Rows:
    """Return the error of every estimate: the length of its difference from the reference, over the reference's."""
    known = {(row["clip"], row["target"], row["scale"]): row for row in references}
    found = []
    for row in estimates:
        reference = known.get((row["clip"], row["target"], row["scale"]))
        if reference is not None:
            true = np.array(reference["values"])
            error = float(np.linalg.norm(np.array(row["values"]) - true) / np.linalg.norm(true))
            kept = {key: value for key, value in row.items() if key != "values"}
            found.append({**kept, "error": error, "reference_stderr": reference["stderr"]})
    return found
