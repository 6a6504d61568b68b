"""A target's probability for X and for masked features, side by side, as logarithms of p and of 1 - p."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hearwhy.types import Activation

Logits = Float[Tensor, "*unit label"]
Masked = Float[Tensor, "*unit_and_mask label"]
Target = Int[Tensor, "*unit"] | int | None


@dataclass(frozen=True, eq=False)
class LogProbabilities:
    """log p and log (1 - p) of the target, (unit, ...), float64; both keep their digits where the other is near 0."""

    p: Float[Tensor, "*unit_and_mask"]
    rest: Float[Tensor, "*unit_and_mask"]


def compared(
    logits: Logits, masked: Masked, target: Target, activation: Activation
) -> tuple[LogProbabilities, LogProbabilities]:
    """Return the target's probabilities for X and for the masked features, checked, with axes that broadcast."""
    if activation not in ("softmax", "sigmoid", "probability"):
        raise ValueError(f"An activation is softmax, sigmoid or probability; got {activation!r}.")
    _check_shapes(logits, masked)
    for numbers in (logits, masked):
        _check_numbers(numbers, activation)
    label = _checked_target(logits, target)
    before = _log_probabilities(logits, label, activation)
    beside_masks = LogProbabilities(beside(before.p, masked), beside(before.rest, masked))
    return beside_masks, _log_probabilities(masked, beside(label, masked).expand(masked.shape[:-1]), activation)


def beside(per_unit: Tensor, masked: Masked) -> Tensor:
    """Return (unit,) with an axis of size 1 for every axis of masks."""
    return per_unit.reshape(per_unit.shape + (1,) * (masked.ndim - 1 - per_unit.ndim))


def relative_loss(before: Tensor, after: Tensor) -> Tensor:
    """Return max(0, 1 - exp(after) / exp(before)), and 0 where exp(before) is 0."""
    possible = before > -torch.inf
    ratio = torch.where(possible, after, 0.0) - torch.where(possible, before, 0.0)
    return torch.where(possible, 0.0 - torch.expm1(ratio.clamp(max=0)), 0.0)


def _log_probabilities(numbers: Tensor, label: Tensor, activation: Activation) -> LogProbabilities:
    numbers, index = numbers.to(torch.float64), label[..., None]
    chosen = numbers.gather(-1, index).squeeze(-1)
    if activation == "softmax":
        total = numbers.logsumexp(-1)
        others = numbers.scatter(-1, index, -torch.inf).logsumexp(-1)
        return LogProbabilities(chosen - total, others - total)
    if activation == "sigmoid":
        return LogProbabilities(torch.nn.functional.logsigmoid(chosen), torch.nn.functional.logsigmoid(-chosen))
    return LogProbabilities(chosen.log(), torch.log1p(-chosen))


def _checked_target(logits: Tensor, target: Target) -> Tensor:
    units, n_labels = logits.shape[:-1], logits.shape[-1]
    label = logits.argmax(-1) if target is None else torch.as_tensor(target, device=logits.device)
    if label.dtype == torch.bool or label.is_floating_point() or label.shape not in (torch.Size(), units):
        raise ValueError(f"target must be one label's index or {tuple(units)} of them; got {label.dtype} {tuple(label.shape)}.")
    if label.numel() and not (label.min() >= 0 and label.max() < n_labels):
        raise ValueError(f"target must be 0 to {n_labels - 1}, for the model has {n_labels} labels; got {label.tolist()}.")
    return label.to(torch.int64).expand(units)


def _check_shapes(logits: Tensor, masked: Tensor) -> None:
    units = logits.shape[:-1]
    if (
        logits.ndim < 1
        or masked.ndim < logits.ndim
        or masked.shape[: len(units)] != units
        or masked.shape[-1] != logits.shape[-1]
    ):
        raise ValueError(
            "Numbers for X are (unit, label) and for masked features (unit, ..., label), with the same units and labels; got "
            f"{tuple(logits.shape)} and {tuple(masked.shape)}."
        )


def _check_numbers(numbers: Tensor, activation: Activation) -> None:
    if not torch.isfinite(numbers).all():
        bad = int((~torch.isfinite(numbers)).sum())
        raise ValueError(
            f"{bad} of the model's numbers are NaN or infinite, and a metric of them means nothing; leave them out."
        )
    if activation == "probability" and numbers.numel() and not (numbers.min() >= 0 and numbers.max() <= 1):
        low, high = float(numbers.min()), float(numbers.max())
        raise ValueError(f"activation='probability' takes 0 to 1; got {low:g} to {high:g}. Say softmax or sigmoid for logits.")
