"""The subject of a check: a model, and one clip of sound of the length and rate that it takes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.classifiers.callable import classifier_module, name_of
from hearwhy.targets import Target, probabilities, score
from hearwhy.types import Classifier, Recording

LONGEST_S = 10.0  # a model that takes any length is examined on so much
MAX_DOUBLE = 100_000_000  # weights up to which a copy in double precision is made: 0.8 GB
SAME_DOUBLE = 1e-3  # of the answers' range: float32 rounding in a deep network stays well below


@dataclass(frozen=True, eq=False)
class Subject:
    """A model on its device, and a clip (1, channel, time) that it can be given.

    Parameters
    ----------
    classifier
        What is examined.
    clip
        The loudest stretch of the recording, as long as the model takes.
    span
        Which stretch, in words.
    device, seed
        Where it runs; seed of the noises that it is given.
    """

    classifier: Classifier
    clip: Float[Tensor, "1 channel time"]
    span: str
    device: str = "cpu"
    seed: int = 0

    def answers(self, audio: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch label"]:
        """Return the model's own numbers in float64, with gradients; frames are averaged."""
        answers = torch.as_tensor(self.classifier(audio))
        answers = answers.mean(dim=2) if answers.ndim == 3 else answers
        return answers.to(torch.float64)

    def ask(self, audio: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch label"]:
        """Return the model's own numbers without gradients, on the CPU."""
        with torch.no_grad():  # not inference mode: what a model keeps from this call must serve gradients later
            return self.answers(audio.to(self.device)).cpu().clone()

    def probabilities(self, audio: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch label"]:
        """Return the probability of every label."""
        return probabilities(self.ask(audio), self.classifier.activation)

    def score(self, audio: Float[Tensor, "batch channel time"], label: int) -> Float[Tensor, " batch"]:
        """Return a label's score on the default scale, with gradients."""
        scale = "probability" if self.classifier.activation == "probability" else "log_odds"
        return score(self.answers(audio), Target((label,)), scale=scale, activation=self.classifier.activation)  # type: ignore[arg-type]

    def noise(self, like: Tensor, *, stream: int = 0) -> Tensor:
        """Return white noise of that shape, of RMS 1."""
        generator = torch.Generator().manual_seed(self.seed + 104_729 * (stream + 1))
        return torch.randn(like.shape, generator=generator).to(self.device)

    def double(self) -> Subject | None:
        """Return a copy that computes in double precision; None where there is none, or where it answers otherwise."""
        twin = doubled(self.classifier)
        if twin is None:
            return None
        other = replace(self, classifier=twin, clip=self.clip.double())
        same = refusal(lambda: check_alike(self.ask(self.clip), other.ask(other.clip))) is None
        return other if same else None


def doubled(classifier: Classifier) -> Classifier | None:
    """Return a copy of a torch model with weights in double precision; None where it has none, or too many."""
    module = classifier_module(classifier)
    if module is None or sum(p.numel() for p in module.parameters()) > MAX_DOUBLE:
        return None
    try:
        twin = copy.deepcopy(classifier)
        inside = classifier_module(twin)
        return None if inside is None else (inside.double(), twin)[1]
    except Exception:  # every kind of model has its own way of not being copied
        return None


def check_alike(ours: Tensor, theirs: Tensor) -> None:
    """Raise ValueError where the answers of a copy in double precision are not those of the model, up to rounding.

    Or where they are so by name only: numbers that float32 can all hold were computed in it (an exported program casts what
    it is given, and its copy computes as before).
    """
    if torch.equal(theirs.to(torch.float32).to(torch.float64), theirs.to(torch.float64)):
        raise ValueError("The copy does not compute in double precision.")
    if theirs.dtype != torch.float64 or (ours - theirs).abs().max() > SAME_DOUBLE * max(1.0, float(ours.max() - ours.min())):
        raise ValueError("The copy in double precision answers otherwise.")


def prepared(classifier: Classifier, recording: Recording, *, device: str, seed: int) -> Subject:
    """Return the model with the loudest stretch of the recording that is as long as it takes, moved to the device.

    Raises
    ------
    ValueError
        There is no such device.
    """
    on_device(classifier, device)
    heard = sound.convert(recording, classifier.sample_rate, classifier.channels)
    total, rate = heard.audio.shape[1], heard.sample_rate
    length = min(total, round(LONGEST_S * rate)) if classifier.window_s is None else round(classifier.window_s * rate)
    start = _loudest(heard.audio, length)
    clip = torch.nn.functional.pad(heard.audio[:, start : start + length], (0, max(0, length - total)))
    stop = min(start + length, total)
    filled = f", followed by {(length - total) / rate:.2f} s of silence" if length > total else ""
    return Subject(classifier, clip[None].to(device), f"{start / rate:.2f}-{stop / rate:.2f} s{filled}", device, seed)


def on_device(classifier: Classifier, device: str) -> None:
    """Move a model to a device, or raise ValueError where there is none of that name."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"There is no device {device!r} here ({reason}); give cpu, or leave it out.") from error
    module = classifier_module(classifier)
    if module is not None:
        module.to(device)


def _loudest(audio: Tensor, length: int) -> int:
    starts = range(0, max(1, audio.shape[1] - length + 1), max(1, length // 2))
    return max(starts, key=lambda start: float(audio[:, start : start + length].square().sum()))


def refusal(ask: Callable[[], object]) -> str | None:
    """Return what a model said when it refused to answer; None where it answered."""
    try:
        ask()
    except Exception as error:  # a model may raise anything
        return f"{type(error).__name__}: {(str(error).strip() or 'no reason given').splitlines()[0][:100]}"
    return None


def title(classifier: Classifier) -> str:
    """Return what to call the model."""
    return name_of(classifier)
