"""Asking: what the model says when some components are switched off, and the score made of it.

`Predict` owns everything between a mask and the model's numbers: rates, channels, windows, fills, device, batches,
duplicates, progress. `TargetScore` turns those numbers into what a method explains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.classifiers.callable import name_of
from hearwhy.components.parts import Parts
from hearwhy.types import Classifier, Mask, Recording, Scale
from hearwhy.windowing import windows

MIN_DURATION_S = 0.032  # one frame of 512 samples at 16 kHz: nothing shorter can be classified
BATCH_SAMPLES = 2**22  # samples a batch may hold: 16 MiB of audio, so that mixing stays in reach of the caches
MAX_BATCH = 64  # windows; where more at a time pays, on a GPU say, give batch_size

Advance = Callable[[int], None]
"""Told the number of forward passes that were just made."""


class Predict:
    """The model's own numbers for masks of one recording's parts: ``predict(mask) -> (batch, draw, label)``.

    A draw is one window under one fill. Every mask is asked once, however often it comes; masks are mixed as one matrix
    product on the model's device.

    Parameters
    ----------
    classifier
        What is asked.
    parts
        What is switched off.
    device
        Where audio is mixed and the model runs; the model must be there already.
    batch_size
        Draws a batch; by default as many as hold 16 MiB of audio, at most 64. Halved when memory runs out.
    advance
        Told of every batch, for a progress bar.

    Raises
    ------
    ValueError
        The recording is silent or too short, or the model's answer is not finite or not (batch, label).
    """

    def __init__(
        self, classifier: Classifier, parts: Parts, *, device: str = "cpu", batch_size: int | None = None,
        advance: Advance | None = None,
    ) -> None:  # fmt: skip
        check_recording(parts.recording)
        self.classifier, self.parts, self.device = classifier, parts, device
        heard = parts.at(classifier.sample_rate, classifier.channels)
        if sound.level_db(heard.audio.sum(dim=0)) < sound.SILENCE_DB:
            raise ValueError(
                f"{parts.recording.name} is silent once it is brought to the model's {classifier.channels} channel(s) at "
                f"{classifier.sample_rate} Hz; do its channels cancel? Give one channel of it."
            )
        self.windows = windows(heard.audio.shape[-1], classifier)
        self._heard = heard.padded(max(heard.audio.shape[-1], self.windows.length)).to(device)
        self.n_fills = len(parts.fills)
        self.n_draws = self.n_fills * len(self.windows.starts)
        self.batch_size = batch_size or max(1, min(MAX_BATCH, BATCH_SAMPLES // self.windows.length))
        self.n_calls = 0
        self._advance = advance or (lambda calls: None)
        self._row: dict[bytes, int] = {}
        self._answers: list[Tensor] = []

    def __call__(self, mask: Mask) -> Float[Tensor, "batch draw label"]:
        """Return the model's own numbers under every mask."""
        flat = mask.reshape(len(mask), -1)
        keys = [row.tobytes() for row in np.packbits(flat.to(torch.bool).numpy(), axis=1)]
        fresh = {key: i for i, key in enumerate(keys) if key not in self._row}
        if fresh:
            for chunk in _chunks(list(fresh), max(1, self.batch_size // self.n_draws)):
                answers = self._ask(flat[[fresh[key] for key in chunk]])
                for key, answer in zip(chunk, answers, strict=True):
                    self._row[key] = len(self._answers)
                    self._answers.append(answer)
        return torch.stack([self._answers[self._row[key]] for key in keys])

    def soft(self, mask: Float[Tensor, " batch *component"]) -> Float[Tensor, "batch draw label"]:
        """Return the numbers under masks between 0 and 1, with gradients; nothing is remembered."""
        return self._answers_of(mask.reshape(len(mask), -1).to(self.device))

    def _ask(self, flat: Tensor) -> Tensor:
        """Ask about masks, in ever smaller batches while memory does not suffice."""
        try:
            with torch.inference_mode():
                answers = self._answers_of(flat.to(self.device)).to("cpu", torch.float32)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _out_of_memory(error) or self.batch_size == 1:
                raise
            self.batch_size = max(1, self.batch_size // 2)
            step = max(1, self.batch_size // self.n_draws)
            return torch.cat([self._ask(chunk) for chunk in flat.split(step)])
        if not torch.isfinite(answers).all():
            raise ValueError(
                f"The model's answer for a mix of {self.parts.recording.name} is NaN or infinite (with "
                f"{int((~torch.isfinite(answers)).any(dim=(1, 2)).sum())} of {len(answers)} masks). Try --fill noise: "
                "many models divide by the level, and a removed part leaves silence."
            )
        if self.classifier.activation == "probability" and not ((answers >= -1e-4) & (answers <= 1 + 1e-4)).all():
            raise ValueError(
                f"The model says that it gives probabilities, but its answers lie between {float(answers.min()):.3g} and "
                f"{float(answers.max()):.3g}. Set its activation to 'softmax' or 'sigmoid'."
            )
        return answers

    def _answers_of(self, flat: Tensor) -> Tensor:
        groups = [self._answers_in(flat, group) for group in _chunks(self.windows.starts, max(1, self.batch_size // len(flat)))]
        return torch.cat(groups, dim=2).flatten(1, 2)

    def _answers_in(self, flat: Tensor, starts: Sequence[int]) -> Tensor:
        """Answers (mask, fill, window, label) for some neighbouring windows."""
        length = self.windows.length
        mixed = self._heard.span(starts[0], starts[-1] + length).mix(flat)  # (mask, fill, channel, time)
        heard = torch.stack([mixed[..., s - starts[0] : s - starts[0] + length] for s in starts], dim=2)
        batch = heard.flatten(0, 2)
        answers = torch.cat([self._forward(part) for part in batch.split(self.batch_size)])
        return answers.unflatten(0, heard.shape[:3])

    def _forward(self, batch: Tensor) -> Tensor:
        answers = self._answer(batch)
        expected = (len(batch), len(self.classifier.labels))
        if tuple(answers.shape) != expected:
            raise ValueError(
                f"The model must answer (batch, label) = {expected} for a batch of {tuple(batch.shape)}; got "
                f"{tuple(answers.shape)}. Check its labels, and average over time inside the model."
            )
        self.n_calls += len(batch)
        self._advance(len(batch))
        return answers

    def _answer(self, batch: Tensor) -> Tensor:
        try:
            return torch.as_tensor(self.classifier(batch))
        except Exception as error:
            if _out_of_memory(error):
                raise
            name = name_of(self.classifier)
            raise RuntimeError(
                f"The model {name} raised {type(error).__name__} for {tuple(batch.shape)} samples: {error}"
            ) from error

    def probabilities(self, mask: Mask) -> Float[Tensor, "batch label"]:
        """Return the probability of every label, the mean over windows and fills."""
        return probabilities(self(mask), self.classifier.activation).mean(dim=1)


def check_recording(recording: Recording) -> None:
    """Raise ValueError where there is nothing to explain: silence, or less than one frame."""
    if recording.duration_s < MIN_DURATION_S:
        raise ValueError(
            f"{recording.name} is {recording.duration_s * 1000:.1f} ms long, shorter than one frame "
            f"({MIN_DURATION_S * 1000:.0f} ms); there is nothing a classifier could hear in it."
        )
    if sound.level_db(recording.audio) < sound.SILENCE_DB:
        raise ValueError(f"{recording.name} is silent; there is nothing in it to explain. Check the file or the channel.")


def probabilities(answers: Float[Tensor, "*batch label"], activation: str) -> Float[Tensor, "*batch label"]:
    """Return probabilities from the model's own numbers."""
    if activation == "softmax":
        return answers.softmax(dim=-1)
    return answers.sigmoid() if activation == "sigmoid" else answers


class TargetScore:
    """One number per target: each draw on one stated scale, then the mean over draws.

    ``log_odds`` is log p/(1-p), computed from logits without forming p (softmax: z_c - logsumexp of the others; sigmoid:
    z_c). ``probability`` is p, ``logit`` the model's own number. A contrast "A - B" is the difference of its two labels on
    that scale; for softmax log-odds it is log p_A/p_B, which is z_A - z_B.

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
        self._pairs = [parse_target(target, classifier.labels) for target in targets]

    def __call__(self, mask: Mask) -> Float[Tensor, "batch target"]:
        """Return the score of every target under every mask."""
        return self._score(self.predict(mask)).to(torch.float32)

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
        score = self._score(self.predict.soft(mask)).sum(dim=0)  # masks do not touch each other, so a sum keeps them apart
        slopes = [torch.autograd.grad(value, mask, retain_graph=True)[0] for value in score]
        return torch.stack(slopes, dim=1).to("cpu", torch.float32)

    def _score(self, answers: Tensor) -> Tensor:
        """(batch, draw, label) to (batch, target)."""
        answers = answers.to(torch.float64)
        columns = [self._column(answers, a) if b is None else self._contrast(answers, a, b) for a, b in self._pairs]
        return torch.stack(columns, dim=-1).mean(dim=1)

    def _column(self, answers: Tensor, label: int) -> Tensor:
        if self.scale == "probability":
            return probabilities(answers, self.activation)[..., label]
        if self.scale == "log_odds" and self.activation == "softmax":
            others = torch.cat([answers[..., :label], answers[..., label + 1 :]], dim=-1)
            return answers[..., label] - others.logsumexp(dim=-1)
        return answers[..., label]

    def _contrast(self, answers: Tensor, a: int, b: int) -> Tensor:
        if self.scale == "probability":
            return self._column(answers, a) - self._column(answers, b)
        return answers[..., a] - answers[..., b]


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


def parse_target(target: str, labels: Sequence[str]) -> tuple[int, int | None]:
    """Return the index of a label, or the two indices of a contrast "A - B"."""
    if target in labels:
        return labels.index(target), None
    for at in range(len(target)):  # a label may itself hold " - "
        left, right = target[:at], target[at + 3 :]
        if target[at : at + 3] == " - " and left in labels and right in labels:
            return labels.index(left), labels.index(right)
    shown = ", ".join(labels[:12]) + (f" and {len(labels) - 12} more" if len(labels) > 12 else "")
    raise ValueError(f"The model has no label {target!r}; it has {shown}. A contrast is written 'A - B'.")


def _chunks(items: Sequence, size: int) -> Iterator[Sequence]:  # type: ignore[type-arg]
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "not enough memory" in str(error)
