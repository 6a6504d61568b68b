"""Asking: what the model says when some components are switched off.

`Predict` owns everything between a mask and the model's numbers: rates, channels, windows, frames, fills, device, batches,
duplicates, what was answered before, progress.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.answers import Answers, Table, content_of, packed
from hearwhy.classifiers.callable import name_of
from hearwhy.components.cells import AnyParts, Cells
from hearwhy.memory import Largest, fitting
from hearwhy.mixing import AudioMixture, FeatureMixture, Mixture
from hearwhy.targets import probabilities
from hearwhy.types import Classifier, Mask, Recording
from hearwhy.windowing import Listening

MIN_DURATION_S = 0.032  # one frame of 512 samples at 16 kHz: nothing shorter can be classified
BATCH_SAMPLES = 2**22  # samples a batch may hold: 16 MiB of audio
CPU_SAMPLES = 2**20  # on the CPU: 4 MiB, so that mixing stays in reach of the caches
MAX_BATCH = 64  # windows; where more at a time pays, on a GPU say, give batch_size
FIRST_BATCH = 4  # on the CPU, from which it is seen how many fit

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
        Draws a batch; by default as many as hold 16 MiB of audio, at most 64; on the CPU 4 MiB, and no more than it can hold
        without asking the system for memory anew (see `hearwhy.memory`). Halved when memory runs out.
    advance
        Told of every batch, for a progress bar.
    listening
        How long its windows are, how they overlap, and which span of time counts.
    cache
        Answers that are shared with others who ask; it counts the forward passes that they spare. None: its own.

    Raises
    ------
    ValueError
        The recording is silent or too short, nothing of the span is heard, the model's answer is not finite or not
        (batch, label), or there is a cache and the model has no fingerprint.
    """

    def __init__(
        self, classifier: Classifier, parts: AnyParts, *, device: str = "cpu", batch_size: int | None = None,
        advance: Advance | None = None, listening: Listening = EVERYTHING, cache: Answers | None = None,
    ) -> None:  # fmt: skip
        check_recording(parts.recording)
        self.classifier, self.parts, self.device, self.listening = classifier, parts, device, listening
        self._mixture = _mixture(classifier, parts, listening, device)
        self._model = _asked(classifier, self._mixture)
        self.windows, self.n_draws = self._mixture.windows, self._mixture.n_draws
        self.frame_wise = "frame" in getattr(classifier, "output", "").split()
        self.cache, self.n_calls = cache, 0
        samples = CPU_SAMPLES if device == "cpu" else BATCH_SAMPLES
        self._most = max(1, min(MAX_BATCH, samples // self._mixture.item_size))
        self._seen = batch_size is not None or device != "cpu"  # how many items fit
        self.batch_size = batch_size or (self._most if self._seen else min(self._most, FIRST_BATCH))
        self._advance = advance or (lambda calls: None)
        self._kept = Table() if cache is None else cache.about(content_of(classifier, parts, listening, device))
        self._counted: set[bytes] = set()

    def __call__(self, mask: Mask) -> Float[Tensor, "batch draw label"]:
        """Return the model's own numbers under every mask."""
        flat = mask.reshape(len(mask), -1)
        keys = packed(flat)
        fresh = list(self._kept.missing(keys).items())
        self._count(keys, fresh)
        while fresh:
            size = max(1, self.batch_size // self.n_draws)  # it may change from batch to batch
            chunk, fresh = fresh[:size], fresh[size:]
            self._kept.add([key for key, _ in chunk], self._ask(flat[[i for _, i in chunk]]))
        return self._kept.of(keys)

    def _count(self, keys: list[bytes], fresh: list[tuple[bytes, int]]) -> None:
        """Note how many forward passes somebody else's answers spare."""
        if self.cache is not None:
            new = set(keys) - self._counted
            self.cache.n_remembered += (len(new) - len(fresh)) * self.n_draws
            self._counted |= new

    def soft(self, mask: Float[Tensor, " batch *component"]) -> Float[Tensor, "batch draw label"]:
        """Return the numbers under masks between 0 and 1, with gradients; nothing is remembered."""
        return self._answers_of(mask.reshape(len(mask), -1).to(self.device))

    def in_double(self, twin: Any) -> Predict:
        """Return the same questions in double precision, asked of the model's twin that runs in it; see `soft`."""
        precise = copy.copy(self)
        precise.classifier = twin
        precise._mixture, precise._model = self._mixture.in_double(), _asked(twin, self._mixture)
        return precise

    def _ask(self, flat: Tensor) -> Tensor:
        """Ask about masks, in ever smaller batches while memory does not suffice."""
        try:
            with torch.inference_mode():
                answers = self._answers_of(self._sent(flat)).to("cpu", torch.float32)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _out_of_memory(error) or self.batch_size == 1:
                raise
            self.batch_size, self._seen = max(1, self.batch_size // 2), True
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

    def _sent(self, flat: Tensor) -> Tensor:
        """Return masks on the device; a GPU fetches them while it is still at work."""
        if torch.device(self.device).type != "cuda":
            return flat.to(self.device)
        return flat.pin_memory().to(self.device, non_blocking=True)

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
            return torch.as_tensor(self._model(batch) if self._seen else self._watched(batch))
        except Exception as error:
            if _out_of_memory(error):
                raise
            name = name_of(self.classifier)
            raise RuntimeError(
                f"The model {name} raised {type(error).__name__} for an input of {tuple(batch.shape)}: {error}"
            ) from error

    def _watched(self, batch: Tensor) -> Any:
        """Ask about the first batch, and see how many items the next ones may hold."""
        with Largest() as largest:
            answers = self._model(batch)
        self._seen, self.batch_size = True, fitting(largest.n_bytes, len(batch), self._most)
        return answers

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


def _mixture(classifier: Classifier, parts: AnyParts, listening: Listening, device: str) -> Mixture:
    if isinstance(parts, Cells):
        return FeatureMixture(parts, device)
    return AudioMixture(parts, classifier, listening, device)


def _asked(classifier: Any, mixture: Mixture) -> Callable[[Tensor], Tensor]:
    """Return the part of the model that is given what is mixed: all of it, or what stands behind its front end."""
    return classifier.answers if mixture.of_features else classifier


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "not enough memory" in str(error)
