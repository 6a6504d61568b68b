"""The words everything else is said in: recordings, classifiers, components, scores and estimates."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

MANY = 1e9  # degrees of freedom with which Student's t is the normal distribution
Activation = Literal["softmax", "sigmoid", "probability"]
Scale = Literal["log_odds", "probability", "logit"]
Domain = Literal["audio", "features", "vector"]
Mask = Bool[Tensor, " batch *component"] | Float[Tensor, "batch *component"]
"""1 (True) keeps a component, 0 (False) removes it. Only gradient methods use values in between."""


@dataclass(frozen=True, eq=False)
class Recording:
    """A sound as it was stored: every channel, its own rate, never normalised.

    Parameters
    ----------
    audio
        Samples, float32, (channel, time); a file's full scale is -1 to 1, and values beyond are kept.
    sample_rate
        Samples a second, in Hz.
    name
        What to call it in a report.
    history
        What was done to it since it was stored, one short sentence a step.

    Raises
    ------
    ValueError
        The samples are not a finite, non-empty (channel, time) float tensor, or the rate is not positive.
    """

    audio: Float[Tensor, "channel time"]
    sample_rate: int
    name: str = "recording"
    history: tuple[str, ...] = ()
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        audio = torch.as_tensor(self.audio)
        if audio.ndim == 1:
            audio = audio[None]
        _check_audio(audio, self.sample_rate, self.name)
        audio = audio.detach().to("cpu", torch.float32).contiguous()
        object.__setattr__(self, "audio", audio)
        digest = hashlib.sha256(audio.numpy().tobytes())
        digest.update(f"{self.sample_rate} {tuple(audio.shape)}".encode())
        object.__setattr__(self, "fingerprint", digest.hexdigest()[:16])

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.audio.shape[1] / self.sample_rate


def _check_audio(audio: Tensor, sample_rate: int, name: str) -> None:
    if audio.ndim != 2 or not audio.is_floating_point():
        raise ValueError(
            f"{name}: audio must be float samples of shape (channel, time); got {audio.dtype} of shape "
            f"{tuple(audio.shape)}. Convert integers with audio / 32768, and put the channels first."
        )
    if audio.numel() == 0:
        raise ValueError(f"{name}: there are no samples in it. Give a recording that is not empty.")
    if sample_rate <= 0:
        raise ValueError(f"{name}: the sample rate must be positive; got {sample_rate} Hz.")
    if not torch.isfinite(audio).all():
        bad = int((~torch.isfinite(audio)).sum())
        raise ValueError(f"{name}: {bad} of {audio.numel()} samples are NaN or infinite. Repair or cut them out first.")


@runtime_checkable
class Classifier(Protocol):
    """What hearwhy asks of a model; every adapter in `hearwhy.classifiers` gives this.

    Recordings are resampled and remixed to what it takes, which is recorded; without a fingerprint nothing is cached on disk.
    """

    @property
    def sample_rate(self) -> int:
        """Samples a second that it must be given, in Hz."""
        ...

    @property
    def channels(self) -> Literal[1, 2]:
        """Channels that it must be given."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """What it tells apart."""
        ...

    @property
    def activation(self) -> Activation:
        """What turns its numbers into probabilities."""
        ...

    @property
    def window_s(self) -> float | None:
        """Seconds it takes at a time; None: any length."""
        ...

    @property
    def fingerprint(self) -> str | None:
        """Hash of weights and front end; None: unknown."""
        ...

    def __call__(self, audio: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch label"]:
        """Return the model's own numbers, logits or probabilities, as `activation` says."""
        ...


class Components(Protocol):
    """The interpretable representation of one recording: what can be switched off."""

    domain: Domain
    shape: tuple[int, ...]
    names: tuple[str, ...]

    def mix(self, mask: Mask) -> Tensor:
        """Return what the model is given under each mask, (batch, fill, ...)."""
        ...

    def render(self, mask: Mask) -> Float[Tensor, "batch channel time"] | None:
        """Return what the ear is given under each mask; None where there is no sound."""
        ...


Predict = Callable[[Tensor], Tensor]
"""Mask (batch, *component) to the model's own numbers (batch, draw, label); a draw is one window under one fill."""


@runtime_checkable
class Score(Protocol):
    """Mask (batch, *component) to one number per target (batch, target); higher is more of the target."""

    def __call__(self, mask: Mask) -> Float[Tensor, "batch target"]:
        """Return the score of every target under every mask."""
        ...


@runtime_checkable
class DifferentiableScore(Score, Protocol):
    """A score that also knows its slope."""

    def gradient(self, mask: Float[Tensor, " batch *component"]) -> Float[Tensor, "batch target *component"]:
        """Return d score / d mask at soft masks."""
        ...


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a method found: an additive explanation ``score(mask) ~ base + sum(mask * values)``.

    Parameters
    ----------
    values
        Signed attribution, (target, *component), in the unit of the score.
    base
        Score of the additive explanation when everything is removed, (target,).
    n_calls
        How many masks were scored (repeats counted).
    stderr
        Standard error of `values` from sampling masks, same shape; None where nothing was sampled.
    df
        Degrees of freedom of `stderr`: how many more residuals than coefficients it was read off. Few make an interval wider.
    """

    values: Float[Tensor, " target *component"]
    base: Float[Tensor, " target"]
    n_calls: int
    stderr: Float[Tensor, " target *component"] | None = None
    df: float = math.inf

    def margin(self, level: float = 0.95) -> Float[Tensor, " target *component"]:
        """Return how far to either side of `values` an interval reaches that holds the truth at this level; 0 where exact.

        Student's t with `df` degrees of freedom times `stderr`: the error of sampling masks, and no other.
        """
        if self.stderr is None:
            return torch.zeros_like(self.values)
        from scipy.special import stdtrit

        return self.stderr * float(stdtrit(min(self.df, MANY), (1 + level) / 2))


@dataclass(frozen=True, eq=False)
class InteractionEstimate:
    """How much every two components do together beyond what each does alone.

    Parameters
    ----------
    values
        (target, component, component) over the flattened components, symmetric, 0 on the diagonal, in the unit of the score;
        positive where the two strengthen each other, negative where one makes the other needless.
    n_calls
        How many masks were scored.
    stderr
        Standard error of `values` from sampling masks, same shape; None where nothing was sampled.
    """

    values: Float[Tensor, "target component component"]
    n_calls: int
    stderr: Float[Tensor, "target component component"] | None = None


Method = Callable[..., Estimate]
"""(score, shape, *, options) to an Estimate."""
