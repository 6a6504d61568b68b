"""captum's and shap's estimators, as close to equal calls as they allow; each is given its best documented setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scenes import Scene
from torch import Tensor

from hearwhy.attribution.lime import proximity

ROWS = 64  # masks at a time, where they can be told


def _forward(s: Scene) -> Callable[[Tensor], Tensor]:
    return lambda mask: s(mask > 0.5)[:, 0].float()


def _rows(s: Scene) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: s(torch.from_numpy(np.asarray(rows) > 0.5))[:, 0].numpy()


def _ends(s: Scene) -> dict[str, Any]:
    return {"inputs": torch.ones(1, s.n), "baselines": torch.zeros(1, s.n)}


def captum_kernel_shap(s: Scene, masks: int, seed: int) -> Tensor:
    from captum.attr import KernelShap

    return KernelShap(_forward(s)).attribute(**_ends(s), n_samples=masks, perturbations_per_eval=ROWS)[0].double()


def captum_shapley_sampling(s: Scene, masks: int, seed: int) -> Tensor:
    from captum.attr import ShapleyValueSampling

    return ShapleyValueSampling(_forward(s)).attribute(**_ends(s), n_samples=max(1, masks // s.n))[0].double()


def captum_lime(s: Scene, masks: int, seed: int) -> Tensor:
    """With our kernel and plain least squares, so that it aims at the same values."""
    from captum._utils.models.linear_model import SkLearnLinearRegression
    from captum.attr import LimeBase

    def near(original: Tensor, perturbed: Tensor, mask: Tensor, **kept: Any) -> Tensor:
        return proximity(mask > 0.5)

    base = LimeBase(
        _forward(s), SkLearnLinearRegression(), near, lambda original, **kept: torch.bernoulli(torch.full_like(original, 0.5)),
        perturb_interpretable_space=True, from_interp_rep_transform=lambda mask, original, **kept: mask,
        to_interp_rep_transform=None,
    )  # fmt: skip
    return base.attribute(torch.ones(1, s.n), n_samples=masks, perturbations_per_eval=ROWS)[0].double()


def shap_kernel(s: Scene, masks: int, seed: int) -> Tensor:
    """``l1_reg=0``: by default it would set components to 0 by lasso."""
    import shap

    explainer = shap.KernelExplainer(_rows(s), np.zeros((1, s.n)))
    found = explainer.shap_values(np.ones((1, s.n)), nsamples=masks - 2, l1_reg=0, silent=True)
    return torch.from_numpy(np.asarray(found)[0])


def shap_permutation(s: Scene, masks: int, seed: int) -> Tensor:
    import shap

    explainer = shap.PermutationExplainer(_rows(s), shap.maskers.Independent(np.zeros((1, s.n))), seed=seed)
    return torch.from_numpy(explainer(np.ones((1, s.n)), max_evals=max(masks, 2 * s.n + 1), silent=True).values[0])


def shap_partition(s: Scene, masks: int, seed: int) -> Tensor:
    """Over a balanced tree of the components in order: Owen values, which are not Shapley's wherever branches interact."""
    import shap
    from scipy.cluster.hierarchy import linkage

    places = np.arange(s.n)[:, None].astype(float)
    masker = shap.maskers.Partition(np.zeros((1, s.n)), clustering=linkage(places, "complete"))
    explainer = shap.PartitionExplainer(_rows(s), masker)
    return torch.from_numpy(explainer(np.ones((1, s.n)), max_evals=masks, silent=True).values[0])


RIVALS: dict[str, Callable[[Scene, int, int], Tensor]] = {
    "captum KernelShap": captum_kernel_shap,
    "captum ShapleyValueSampling": captum_shapley_sampling,
    "captum Lime": captum_lime,
    "shap KernelExplainer": shap_kernel,
    "shap PermutationExplainer": shap_permutation,
    "shap PartitionExplainer": shap_partition,
}
