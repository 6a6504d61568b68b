"""Scoring: one number per target made of the model's own numbers: what a method explains."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.asking import Predict
from hearwhy.targets import parse_target
from hearwhy.targets import score as score_of
from hearwhy.types import Classifier, Mask, Scale


class TargetScore:
    """One number per target: each draw on one stated scale, then the mean over draws.

    ``log_odds`` is log p/(1-p), computed from logits without forming p (softmax: z_c - logsumexp of the others; sigmoid:
    z_c). ``probability`` is p, ``logit`` the model's own number. A contrast "A - B" is the difference of its two labels on
    that scale; for softmax log-odds it is log p_A/p_B, which is z_A - z_B. "A + B" is the one or the other: see
    `hearwhy.targets.score`.

    Parameters
    ----------
    predict
        Mask to (batch, draw, label).
    targets
        Labels or contrasts.
    scale
        None: log-odds where the model gives logits, probability where it gives only probabilities.

    Raises
    ------
    ValueError
        An unknown label or scale, or a scale that the model cannot be explained on.
    """

    def __init__(self, predict: Predict, targets: Sequence[str], *, scale: Scale | None = None) -> None:
        classifier = predict.classifier
        self.predict, self.targets = predict, tuple(targets)
        self.activation = classifier.activation
        self.scale: Scale = checked_scale(scale, classifier)
        self._parsed = [parse_target(target, classifier.labels) for target in targets]

    def __call__(self, mask: Mask) -> Float[Tensor, "batch target"]:
        """Return the score of every target under every mask."""
        return self.of(self.predict(mask)).to(torch.float32)

    @property
    def gradient(self) -> Callable[[Tensor], Tensor] | None:
        """Soft mask (batch, *component) to d score / d mask (batch, target, *component); None without gradients."""
        return self._gradient if self._differentiable() else None

    def _differentiable(self) -> bool:
        try:
            probe = torch.ones(1, *self.predict.parts.shape, requires_grad=True)
            return self.predict.soft(probe).requires_grad
        except (RuntimeError, TypeError, ValueError):  # a callable that leaves torch
            return False

    def _gradient(self, mask: Tensor) -> Tensor:
        step = max(1, self.predict.batch_size // self.predict.n_draws)
        return torch.cat([self._gradient_of(chunk) for chunk in mask.split(step)])

    def _gradient_of(self, mask: Tensor) -> Tensor:
        mask = mask.detach().to(torch.float32).requires_grad_(True)
        score = self.of(self.predict.soft(mask)).sum(dim=0)  # masks do not touch each other, so a sum keeps them apart
        slopes = [torch.autograd.grad(value, mask, retain_graph=True)[0] for value in score]
        return torch.stack(slopes, dim=1).to("cpu", torch.float32)

    def of(self, answers: Float[Tensor, "batch draw label"]) -> Float[Tensor, "batch target"]:
        """Return the score of the model's own numbers, in double precision."""
        answers = answers.to(torch.float64)
        columns = [score_of(answers, target, scale=self.scale, activation=self.activation) for target in self._parsed]
        return self.predict.average(torch.stack(columns, dim=-1))


def checked_scale(scale: Scale | None, classifier: Classifier) -> Scale:
    """Return the scale to explain on, or raise ValueError where the model does not allow it."""
    if scale is None:
        return "probability" if classifier.activation == "probability" else "log_odds"
    if scale not in ("log_odds", "probability", "logit"):
        raise ValueError(f"There is no scale {scale!r}; give log_odds, probability or logit.")
    if classifier.activation == "probability" and scale != "probability":
        raise ValueError(
            f"The model gives probabilities only, so it cannot be explained on the scale {scale}; leave --scale out."
        )
    return scale
