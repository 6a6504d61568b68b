"""Attribution: from a score to signed values per component. One method a file; `METHODS` is what everything else reads.

Every method is a function ``(score, shape, *, options) -> Estimate`` that sees neither file nor model nor sound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from hearwhy.attribution.backward_rules import guided_backprop, lrp
from hearwhy.attribution.banzhaf import banzhaf
from hearwhy.attribution.deep_shap import deep_shap
from hearwhy.attribution.grad_cam import grad_cam
from hearwhy.attribution.hsic import hsic
from hearwhy.attribution.integrated_gradients import N_STEPS, integrated_gradients
from hearwhy.attribution.kernel_shap import kernel_shap
from hearwhy.attribution.lime import lime
from hearwhy.attribution.occlusion import occlusion
from hearwhy.attribution.owen import masks_needed, owen
from hearwhy.attribution.permutation import permutation
from hearwhy.attribution.regression_adjusted import regression_adjusted
from hearwhy.attribution.rise import rise
from hearwhy.attribution.saliency import gradient_shap, input_x_gradient, saliency, smooth_grad
from hearwhy.attribution.sampling import N_SAMPLES, coin_flips, kernel_masks
from hearwhy.attribution.shapley import shapley
from hearwhy.attribution.sobol import sobol
from hearwhy.types import Scale

__all__ = ["LAWS", "METHODS", "Entry", "Law", "integrated_gradients", "kernel_shap", "lime", "occlusion", "shapley"]

Law = Literal["offset", "irrelevance", "scaling", "permutation", "efficiency", "symmetry"]
"""offset: a constant added to the score changes no value. irrelevance: what never changes the score gets nothing.
scaling: values scale with the score. permutation: renaming components renames values. efficiency: values sum to
score(ones) - score(zeros). symmetry: two components that do the same get the same."""

LAWS: frozenset[Law] = frozenset(get_args(Law))
UNSIGNED: frozenset[Law] = LAWS - {"efficiency", "scaling"}
"""What shares keep: they have no sign, and no unit."""


@dataclass(frozen=True)
class Entry:
    """A method and what is known about it.

    Parameters
    ----------
    function
        ``(score, shape, *, options) -> Estimate``; of one that looks inside, ``(network, features, *, options)`` to values
        (target, freq, frame).
    asks
        What it needs: answers to masks, the score's slope, or the network itself.
    sampled
        Whether a seed changes the result where not all masks fit into `n_samples`.
    laws
        What it promises, exactly or (sampled) on average over seeds.
    held_out
        ``(shape, n, generator)`` to `n` fresh masks from the law it explains, to judge the explanation on.
    n_masks
        ``(n_components, options)`` to the number of masks it will ask (a gradient counts as one), for forecasts; more
        than the 2**n_components there are where it would stop at those.
    signed
        Whether values say for or against. Unsigned ones are shares: they predict no score, so they have no fidelity.
    scale
        On what scale it explains where none is asked for; None: log-odds, or probabilities of a model that gives only those.
    """

    function: Callable[..., Any]
    asks: Literal["score", "gradient", "network"]
    sampled: bool
    laws: frozenset[Law]
    held_out: Callable[[tuple[int, ...], int, torch.Generator], Tensor]
    n_masks: Callable[[int, Mapping[str, Any]], int]
    scale: Scale | None = None
    signed: bool = True


def _budget(n: int, options: Mapping[str, Any]) -> int:
    """As many masks as it may ask; with "auto" (or what the method will refuse) nobody knows: as many as by default."""
    asked = options.get("n_samples", N_SAMPLES)
    return asked if isinstance(asked, int) else N_SAMPLES


def _by_order(n: int, options: Mapping[str, Any]) -> int:
    """Whole pairs of orders."""
    budget = _budget(n, options)
    return 2**n if budget >= 2**n else 2 + (budget - 2) // (2 * (n - 1)) * 2 * (n - 1)


def _by_groups(n: int, options: Mapping[str, Any]) -> int:
    """All that the groups make needed, where the budget has room for it."""
    return min(_budget(n, options), masks_needed(options.get("groups") or tuple(range(n))))


def _by_switches(n: int, options: Mapping[str, Any]) -> int:
    """Masks and their complements, with each of their components switched."""
    budget, pair = _budget(n, options), 2 * (n + 1)
    return 2**n if budget >= 2**n else budget // pair * pair


def _inside(function: Callable[..., Tensor], *, sampled: bool = False) -> Entry:
    """A method that looks inside: it explains every bin, and the logit where nothing else is asked for, as the papers do."""
    return Entry(function, "network", sampled, frozenset(), coin_flips, lambda n, options: 0, "logit")


# Occlusion and integrated gradients draw no masks, and on their own (one left out, all faded alike) any additive
# explanation would look right: they are judged on coin flips, as LIME is.
METHODS: dict[str, Entry] = {
    "shapley": Entry(shapley, "score", False, LAWS, kernel_masks, lambda n, options: 2**n),
    "kernel_shap": Entry(kernel_shap, "score", True, LAWS, kernel_masks, _budget),
    "regression_adjusted": Entry(regression_adjusted, "score", True, LAWS, kernel_masks, _budget),
    "permutation": Entry(permutation, "score", True, LAWS, kernel_masks, _by_order),
    "owen": Entry(owen, "score", True, LAWS, kernel_masks, _by_groups),
    "banzhaf": Entry(banzhaf, "score", True, LAWS - {"efficiency"}, coin_flips, _budget),
    "lime": Entry(lime, "score", True, LAWS - {"efficiency", "irrelevance"}, coin_flips, _budget),
    "occlusion": Entry(occlusion, "score", False, LAWS - {"efficiency"}, coin_flips, lambda n, options: n + 1),
    "rise": Entry(rise, "score", True, LAWS - {"efficiency"}, coin_flips, _budget),
    "sobol": Entry(sobol, "score", True, UNSIGNED, coin_flips, _by_switches, signed=False),
    "hsic": Entry(hsic, "score", True, UNSIGNED, coin_flips, _budget, signed=False),
    "integrated_gradients": Entry(
        integrated_gradients,
        "gradient",
        False,
        LAWS - {"efficiency"},
        coin_flips,
        lambda n, options: int(options.get("n_steps", N_STEPS)) + 1,
    ),
    "saliency": _inside(saliency),
    "input_x_gradient": _inside(input_x_gradient),
    "smooth_grad": _inside(smooth_grad, sampled=True),
    "gradient_shap": _inside(gradient_shap, sampled=True),
    "guided_backprop": _inside(guided_backprop),
    "grad_cam": _inside(grad_cam),
    "deep_shap": _inside(deep_shap),
    "lrp": _inside(lrp),
}
"""Every method by name; adding one is a file and a line here."""
