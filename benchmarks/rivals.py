"""captum's, shap's and lime's estimators, as close to equal calls as they allow, in the settings that serve them best."""

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

    return (
        ShapleyValueSampling(_forward(s))
        .attribute(**_ends(s), n_samples=max(1, masks // s.n), perturbations_per_eval=ROWS)[0]
        .double()
    )


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


def shap_kernel(l1_reg: str | int) -> Callable[[Scene, int, int], Tensor]:
    """``l1_reg=0`` keeps every component; "aic" and "bic" let a lasso choose; the default keeps the ten largest."""

    def values(s: Scene, masks: int, seed: int) -> Tensor:
        import shap

        explainer = shap.KernelExplainer(_rows(s), np.zeros((1, s.n)))
        found = explainer.shap_values(np.ones((1, s.n)), nsamples=masks - 2, l1_reg=l1_reg, silent=True)
        return torch.from_numpy(np.asarray(found)[0])

    return values


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


def lime_image(s: Scene, masks: int, seed: int) -> Tensor:
    """A picture of one row, each pixel a superpixel; plain least squares instead of its ridge, so that it aims at the same."""
    from lime import lime_image as package
    from sklearn.linear_model import LinearRegression

    package.tqdm = iter  # its progress bar, which has no switch

    def answers(pictures: np.ndarray) -> np.ndarray:
        return _rows(s)(np.asarray(pictures)[:, 0, :, 0])[:, None]

    explanation = package.LimeImageExplainer(random_state=seed).explain_instance(
        np.ones((1, s.n, 3)), answers, labels=(0,), top_labels=None, hide_color=0, num_features=s.n, num_samples=masks,
        batch_size=ROWS, model_regressor=LinearRegression(), segmentation_fn=lambda picture: np.arange(s.n)[None],
    )  # fmt: skip
    return torch.tensor([value for _, value in sorted(explanation.local_exp[0])], dtype=torch.float64)


RIVALS: dict[str, Callable[[Scene, int, int], Tensor]] = {
    "captum KernelShap": captum_kernel_shap,
    "captum ShapleyValueSampling": captum_shapley_sampling,
    "captum Lime": captum_lime,
    "shap KernelExplainer": shap_kernel(0),
    "shap KernelExplainer(aic)": shap_kernel("aic"),
    "shap KernelExplainer(bic)": shap_kernel("bic"),
    "shap KernelExplainer(default)": shap_kernel("num_features(10)"),
    "shap PermutationExplainer": shap_permutation,
    "shap PartitionExplainer": shap_partition,
    "lime image explainer": lime_image,
}
