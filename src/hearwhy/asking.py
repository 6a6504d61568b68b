"""Asking: what the model says when some components are switched off.

`Predict` owns everything between a mask and the model's numbers: rates, channels, windows, frames, fills, device, batches,
duplicates, progress.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.classifiers.callable import name_of
from hearwhy.components.cells import AnyParts, Cells
from hearwhy.mixing import AudioMixture, FeatureMixture, Mixture, chunks
from hearwhy.targets import probabilities
from hearwhy.types import Classifier, Mask, Recording
from hearwhy.windowing import Listening

MIN_DURATION_S = 0.032  # one frame of 512 samples at 16 kHz: nothing shorter can be classified
BATCH_SAMPLES = 2**22  # samples a batch may hold: 16 MiB of audio, so that mixing stays in reach of the caches
MAX_BATCH = 64  # windows; where more at a time pays, on a GPU say, give batch_size

EVERYTHING = Listening()

Advance = Callable[[int], None]
"""Told the number of forward passes that were just made."""


class Predict:
    """The model's own numbers for masks of one recording's parts: ``predict(mask) -> (batch, draw, label)``.

    A draw is one window under one fill, or one frame of it where the model answers frame by frame. Every mask is asked
    once, however often it comes; masks are mixed as one matrix product on the model's device.

    Parameters
    ----------
    classifier
        What is asked.
    parts
        What is switched off: parts of the sound, or cells of the spectrogram that the model's network is given.
    device
        Where audio is mixed and the model runs; the model must be there already.
    batch_size
        Draws a batch; by default as many as hold 16 MiB of audio, at most 64. Halved when memory runs out.
    advance
        Told of every batch, for a progress bar.
    listening
        How long its windows are, how they overlap, and which span of time counts.

    Raises
    ------
    ValueError
        The recording is silent or too short, nothing of the span is heard, or the model's answer is not finite or not
        (batch, label).
    """

    def __init__(
        self, classifier: Classifier, parts: AnyParts, *, device: str = "cpu", batch_size: int | None = None,
        advance: Advance | None = None, listening: Listening = EVERYTHING,
    ) -> None:  # fmt: skip
        check_recording(parts.recording)
        self.classifier, self.parts, self.device, self.listening = classifier, parts, device, listening
        self._mixture, self._model = _mixture(classifier, parts, listening, device)
        self.windows, self.n_draws = self._mixture.windows, self._mixture.n_draws
        self.frame_wise = "frame" in getattr(classifier, "output", "").split()
        self.batch_size = batch_size or max(1, min(MAX_BATCH, BATCH_SAMPLES // self._mixture.item_size))
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
            for chunk in chunks(list(fresh), max(1, self.batch_size // self.n_draws)):
                answers = self._ask(flat[[fresh[key] for key in chunk]])
                for key, answer in zip(chunk, answers, strict=True):
                    self._row[key] = len(self._answers)
                    self._answers.append(answer)
        return torch.stack([self._answers[self._row[key]] for key in keys])

    def soft(self, mask: Float[Tensor, " batch *component"]) -> Float[Tensor, "batch draw label"]:
        """Return the numbers under masks between 0 and 1, with gradients; nothing is remembered."""
        return self._answers_of(mask.reshape(len(mask), -1).to(self.device))

    def in_double(self, twin: Any) -> Predict:
        """Return the same questions in double precision, asked of the model's twin that runs in it; see `soft`."""
        precise = copy.copy(self)
        precise.classifier = twin
        precise._mixture, precise._model = self._mixture.in_double(), _asked(twin, self.parts)
        return precise

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
        return self._mixture.answers(flat, self._forward, self.batch_size)

    def _forward(self, batch: Tensor) -> Tensor:
        answers = self._answer(batch)
        expected = (len(batch), len(self.classifier.labels))
        if answers.ndim != 2 + self.frame_wise or tuple(answers.shape[:2]) != expected:
            axes = "(batch, label, frame)" if self.frame_wise else "(batch, label)"
            shape = (*expected, "frames") if self.frame_wise else expected
            raise ValueError(
                f"The model must answer {axes} = {shape} for a batch of {tuple(batch.shape)}; got {tuple(answers.shape)}. "
                "Check its labels; where it answers frame by frame, say so with output = 'batch label frame'."
            )
        self.n_calls += len(batch)
        self._advance(len(batch))
        return answers

    def _answer(self, batch: Tensor) -> Tensor:
        try:
            return torch.as_tensor(self._model(batch))
        except Exception as error:
            if _out_of_memory(error):
                raise
            name = name_of(self.classifier)
            raise RuntimeError(
                f"The model {name} raised {type(error).__name__} for an input of {tuple(batch.shape)}: {error}"
            ) from error

    def probabilities(self, mask: Mask) -> Float[Tensor, "batch label"]:
        """Return the probability of every label, the mean over windows and fills."""
        return self.average(probabilities(self(mask), self.classifier.activation))

    def average(self, values: Float[Tensor, "batch draw label"]) -> Float[Tensor, "batch label"]:
        """Return the mean over draws, in which each fill counts as much as the components say."""
        weights = self.parts.fill_weights if isinstance(self.parts, Cells) else None
        if weights is None:
            return values.mean(dim=1)
        frames = values.shape[1] // len(weights)  # draws of one fill, where the model answers frame by frame
        share = torch.tensor(weights).to(values).repeat_interleave(frames) / frames
        return torch.einsum("bdl,d->bl", values, share)


def check_recording(recording: Recording) -> None:
    """Raise ValueError where there is nothing to explain: silence, or less than one frame."""
    if recording.duration_s < MIN_DURATION_S:
        raise ValueError(
            f"{recording.name} is {recording.duration_s * 1000:.1f} ms long, shorter than one frame "
            f"({MIN_DURATION_S * 1000:.0f} ms); there is nothing a classifier could hear in it."
        )
    if sound.level_db(recording.audio) < sound.SILENCE_DB:
        raise ValueError(f"{recording.name} is silent; there is nothing in it to explain. Check the file or the channel.")


def _mixture(
    classifier: Classifier, parts: AnyParts, listening: Listening, device: str
) -> tuple[Mixture, Callable[[Tensor], Tensor]]:
    """Return what is mixed, and the part of the model that is given it: all of it, or what stands behind its front end."""
    if isinstance(parts, Cells):
        return FeatureMixture(parts, device), _asked(classifier, parts)
    return AudioMixture(parts, classifier, listening, device), classifier


def _asked(classifier: Any, parts: AnyParts) -> Callable[[Tensor], Tensor]:
    return classifier.answers if isinstance(parts, Cells) else classifier


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "not enough memory" in str(error)
