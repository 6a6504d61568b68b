"""How faithful a mask is to the model, from the model's own numbers for X, X_in (what is kept) and X_out (what is removed).

All functions take logits (unit, label) of X and logits (unit, ..., label) of the masked features, any number of masks a
unit, and return one number for each of these, in float64. Probabilities are never formed before they are compared: p and
1 - p are kept as logarithms, so that a certain model costs no digits. Where a model gives only probabilities,
``activation="probability"`` takes those instead of logits.

A target is the label explained, one a unit; several labels of one recording are several units, for each has its own mask.
Without one it is the top label of X. With sigmoid labels p is the target's own probability, whatever the others say.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.masks.checking import ProtocolName, check_protocol
from hearwhy.metrics.probabilities import Logits, Masked, Target, beside, compared, relative_loss
from hearwhy.types import Activation

PerMask = Float[Tensor, "*unit_and_mask"]

SMALLEST_RISE = 1e-6  # a probability that rises by less has not risen: rounding alone moves it by 1e-8


def ff(logits: Logits, logits_out: Masked, target: Target = None, *, activation: Activation = "softmax") -> PerMask:
    """Faithfulness on spectra: how much probability is lost when what the mask marks is removed.

    ``FF = p_c(X) - p_c(X_out)``, from -1 to 1; higher is better. Rewards large masks: removing everything loses most.

    Degenerate: an empty mask gives exactly 0.

    Parameters
    ----------
    logits
        The model's own numbers for X, (unit, label).
    logits_out
        The same for X_out, (unit, ..., label).
    target
        Index of the label explained, (unit,) or one for all; None: the top label of X.
    activation
        What turns the numbers into probabilities.

    Returns
    -------
    Tensor
        (unit, ...), float64.

    Raises
    ------
    ValueError
        Shapes do not fit, numbers are not finite (or no probabilities), no such label or activation.

    References
    ----------
    Paissan et al. 2024 (L-MAC); Pak & Teryokhina 2025, section II-D.

    Examples
    --------
    >>> p, p_out = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.25, 0.75]])
    >>> ff(p.log(), p_out.log())
    tensor([0.6500], dtype=torch.float64)
    """
    before, after = compared(logits, logits_out, target, activation)
    return before.p.exp() - after.p.exp()


def ai(
    logits: Logits,
    logits_in: Masked,
    target: Target = None,
    *,
    activation: Activation = "softmax",
    protocol: ProtocolName = "corrected",
) -> PerMask:
    """Average increase: 100 where the model is surer of what the mask keeps than of the whole, else 0.

    ``AI = 100 [p_c(X_in) - p_c(X) > 1e-6]``, 0 or 100; its mean over units is a percentage; higher is better.

    Degenerate: an identity mask gives 0. A model that is already certain to 1e-6 cannot score.

    Parameters
    ----------
    logits, logits_in, target, activation
        As in `ff`, with the numbers for X_in.
    protocol
        "paper": any rise counts, ``p_c(X_in) > p_c(X)``, float noise too: with masks applied by arithmetic an identity mask
        scored 100 on 3 of 8 clips.

    Returns
    -------
    Tensor
        (unit, ...), float64.

    Raises
    ------
    ValueError
        As `ff`; no such protocol.

    References
    ----------
    Chattopadhay et al. 2018 (Grad-CAM++); Pak & Teryokhina 2025, section II-D. Deviation: the smallest rise.

    Examples
    --------
    >>> p, p_in = torch.tensor([[0.5, 0.5]]), torch.tensor([[[0.7, 0.3], [0.4, 0.6]]])
    >>> ai(p.log(), p_in.log(), 0)
    tensor([[100.,   0.]], dtype=torch.float64)
    """
    check_protocol(protocol)
    before, after = compared(logits, logits_in, target, activation)
    # near certainty the rise is read off 1 - p, which still has all its digits there
    rise = torch.where(before.p > before.rest, before.rest.exp() - after.rest.exp(), after.p.exp() - before.p.exp())
    return 100 * (rise > (0 if protocol == "paper" else SMALLEST_RISE)).to(torch.float64)


def ad(logits: Logits, logits_in: Masked, target: Target = None, *, activation: Activation = "softmax") -> PerMask:
    """Average drop: what share of its probability the target loses when only what the mask keeps is left, in percent.

    ``AD = 100 max(0, p_c(X) - p_c(X_in)) / p_c(X)``, 0 to 100; lower is better.

    Degenerate: an identity mask gives 0; where p_c(X) is 0 there is nothing to lose and the answer is 0. The ratio is
    taken of logarithms, so no probability is too small to divide by.

    Parameters
    ----------
    logits, logits_in, target, activation
        As in `ff`, with the numbers for X_in.

    Returns
    -------
    Tensor
        (unit, ...), float64.

    Raises
    ------
    ValueError
        As `ff`.

    References
    ----------
    Chattopadhay et al. 2018 (Grad-CAM++); Pak & Teryokhina 2025, section II-D. L-MAC's published values apply softmax twice and
    cannot be compared.

    Examples
    --------
    >>> p, p_in = torch.tensor([[0.8, 0.2]]), torch.tensor([[0.2, 0.8]])
    >>> ad(p.log(), p_in.log())
    tensor([75.0000], dtype=torch.float64)
    """
    before, after = compared(logits, logits_in, target, activation)
    return 100 * relative_loss(before.p, after.p)


def ag(logits: Logits, logits_in: Masked, target: Target = None, *, activation: Activation = "softmax") -> PerMask:
    """Average gain: what share of its doubt about the target the model loses when only what the mask keeps is left, in percent.

    ``AG = 100 max(0, p_c(X_in) - p_c(X)) / (1 - p_c(X))``, 0 to 100; higher is better.

    Degenerate: an identity mask gives 0; where p_c(X) is 1 there is nothing to gain and the answer is 0. The ratio is
    taken of logarithms of 1 - p, so a model that is certain to 1e-300 is still measured.

    Parameters
    ----------
    logits, logits_in, target, activation
        As in `ff`, with the numbers for X_in.

    Returns
    -------
    Tensor
        (unit, ...), float64.

    Raises
    ------
    ValueError
        As `ff`.

    References
    ----------
    Zhang et al. 2024 (Opti-CAM); Pak & Teryokhina 2025, section II-D.

    Examples
    --------
    >>> p, p_in = torch.tensor([[0.6, 0.4]]), torch.tensor([[0.9, 0.1]])
    >>> ag(p.log(), p_in.log())
    tensor([75.0000], dtype=torch.float64)
    """
    before, after = compared(logits, logits_in, target, activation)
    return 100 * relative_loss(before.rest, after.rest)


def fid_in(
    logits: Logits,
    logits_in: Masked,
    target: Target = None,
    *,
    activation: Activation = "softmax",
    keeps: Literal["top_label", "side"] | None = None,
) -> PerMask:
    """Input fidelity: 1 where the model decides on what the mask keeps as it does on the whole, else 0.

    One label of several (softmax): ``Fid-In = [argmax p(X_in) = argmax p(X)]``; whether the target is that label does not
    matter. Labels on their own (sigmoid): the target stays on its side of 0.5, ``[p_c(X_in) > 0.5] = [p_c(X) > 0.5]``, for the
    largest of many independent labels is no decision that such a model makes. Higher is better.

    Degenerate: an identity mask gives 1; of equal top labels the first counts. With labels on their own, a mask that
    keeps nothing scores 1 for a label that was absent before: read it together with `ff`.

    Parameters
    ----------
    logits, logits_in, target, activation
        As in `ff`, with the numbers for X_in.
    keeps
        What counts as the decision: "top_label" or "side"; None: "side" for sigmoid, otherwise "top_label". Say "side" where
        a multi-label model gives probabilities only.

    Returns
    -------
    Tensor
        (unit, ...), float64, 0 or 1.

    Raises
    ------
    ValueError
        As `ff`; no such decision.

    References
    ----------
    Paissan et al. 2024 (L-MAC); Pak & Teryokhina 2025, section II-D. The multi-label form is ours: neither defines one.

    Examples
    --------
    >>> fid_in(torch.tensor([[2.0, 0.0]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))
    tensor([[1., 0.]], dtype=torch.float64)
    """
    decision = keeps or ("side" if activation == "sigmoid" else "top_label")
    if decision not in ("top_label", "side"):
        raise ValueError(f"fid_in compares the 'top_label' or the 'side' of 0.5; got keeps={keeps!r}.")
    before, after = compared(logits, logits_in, target, activation)
    if decision == "side":
        return ((before.p > before.rest) == (after.p > after.rest)).to(torch.float64)
    top = logits.argmax(-1)
    return (beside(top, logits_in) == logits_in.argmax(-1)).to(torch.float64)
