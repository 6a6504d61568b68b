"""Asking: what the model says when some components are switched off.

`Predict` owns everything between a mask and the model's numbers: rates, channels, windows, frames, fills, device, batches,
duplicates, progress.
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
        What is switched off.
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
        self, classifier: Classifier, parts: Parts, *, device: str = "cpu", batch_size: int | None = None,
        advance: Advance | None = None, listening: Listening = EVERYTHING,
    ) -> None:  # fmt: skip
        check_recording(parts.recording)
        self.classifier, self.parts, self.device = classifier, parts, device
        heard = parts.at(classifier.sample_rate, classifier.channels)
        if sound.level_db(heard.audio.sum(dim=0)) < sound.SILENCE_DB:
            raise ValueError(
                f"{parts.recording.name} is silent once it is brought to the model's {classifier.channels} channel(s) at "
                f"{classifier.sample_rate} Hz; do its channels cancel? Give one channel of it."
            )
        self.listening = listening
        self.windows = listening.windows(heard.audio.shape[-1], classifier)
        self.frame_wise = "frame" in getattr(classifier, "output", "").split()
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

    def _answers_in(self, flat: Tensor, starts: Sequence[int]) -> Float[Tensor, "mask fill draw label"]:
        """Answers of some neighbouring windows."""
        length = self.windows.length
        mixed = self._heard.span(starts[0], starts[-1] + length).mix(flat)  # (mask, fill, channel, time)
        heard = torch.stack([mixed[..., s - starts[0] : s - starts[0] + length] for s in starts], dim=2)
        batch = heard.flatten(0, 2)
        answers = torch.cat([self._forward(part) for part in batch.split(self.batch_size)]).unflatten(0, heard.shape[:3])
        if not self.frame_wise:
            return answers
        answers = answers.movedim(-1, 3)  # (mask, fill, window, frame, label)
        return torch.cat([answers[:, :, i, self._frames(s, answers.shape[3])] for i, s in enumerate(starts)], dim=2)

    def _frames(self, start: int, n_frames: int) -> list[int]:
        """Return the frames of a window that count: within the span, and not in what only fills the window."""
        rate = self.classifier.sample_rate
        step = getattr(self.classifier, "frame_s", None) or self.windows.length / rate / n_frames
        end = self.parts.recording.duration_s
        low, high = self.listening.span_s or (0.0, end)
        centres = [start / rate + (i + 0.5) * step for i in range(n_frames)]
        kept = [i for i, centre in enumerate(centres) if low <= centre < min(high, end)]
        middle = (low + min(high, end)) / 2  # of a span shorter than a frame
        return kept or [i for i, centre in enumerate(centres) if abs(centre - middle) <= step / 2][:1]

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


def _chunks(items: Sequence, size: int) -> Iterator[Sequence]:  # type: ignore[type-arg]
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "not enough memory" in str(error)
