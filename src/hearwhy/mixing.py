"""Mixing: what the model is given under a mask, and which of its answers count; one class a domain of components."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.blending import Mixer, Spectra, mixer
from hearwhy.components.cells import AnyParts, Cells
from hearwhy.components.parts import Parts
from hearwhy.types import Classifier
from hearwhy.windowing import Listening, Windows

Ask = Callable[[Tensor], Tensor]
"""A batch of what the model takes to its answers (batch, label) or (batch, label, frame)."""


class Mixture(Protocol):
    """What a model is given of some components: masks to answers."""

    windows: Windows
    n_draws: int
    item_size: int
    of_features: bool  # the model is given what stands behind its front end

    def answers(self, flat: Tensor, ask: Ask, batch_size: int) -> Float[Tensor, "mask draw label"]:
        """Return the answers to masks (mask, component), asked for in batches of at most `batch_size` items."""
        ...

    def in_double(self) -> Mixture:
        """Return the same mixture in double precision."""
        ...


class AudioMixture:
    """Windows of parts, mixed; a draw is one window under one fill, or one frame of it.

    Parameters
    ----------
    parts, classifier, listening
        What is mixed, for whom, and how it listens.
    device
        Where it is mixed.

    Raises
    ------
    ValueError
        The recording is silent to the model, or nothing of the span is heard.
    """

    def __init__(self, parts: Parts, classifier: Classifier, listening: Listening, device: str) -> None:
        heard = parts.at(classifier.sample_rate, classifier.channels)
        check_heard(heard.audio.sum(dim=0), parts, classifier)
        self.classifier, self.listening = classifier, listening
        self.duration_s = parts.recording.duration_s
        self.windows = listening.windows(heard.audio.shape[-1], classifier)
        self.item_size = self.windows.length * classifier.channels
        self._n_fills = len(parts.fills)
        self.n_draws = self._n_fills * len(self.windows.starts)
        short = heard.audio.shape[-1] < self.windows.length
        long = heard.padded(self.windows.length) if short else heard
        self._mixer: Mixer = mixer(long.to(device), classifier, self.windows)
        self.of_features = isinstance(self._mixer, Spectra)

    def answers(self, flat: Tensor, ask: Ask, batch_size: int) -> Float[Tensor, "mask draw label"]:
        """Return the answers to masks; windows that follow each other are cut from one mix."""
        size = max(1, batch_size // (len(flat) * self._n_fills))
        groups = [self._answers_in(flat, group, ask, batch_size) for group in chunks(self.windows.starts, size)]
        return torch.cat(groups, dim=2).flatten(1, 2)

    def in_double(self) -> AudioMixture:
        """Return the same mixture in double precision."""
        precise = copy.copy(self)
        precise._mixer = self._mixer.in_double()
        return precise

    def _answers_in(self, flat: Tensor, starts: Sequence[int], ask: Ask, batch_size: int) -> Tensor:
        """Answers (mask, fill, draw, label) of some neighbouring windows."""
        heard = self._mixer.mix(flat, starts)
        answers = torch.cat([ask(part) for part in heard.flatten(0, 2).split(batch_size)]).unflatten(0, heard.shape[:3])
        if answers.ndim == 4:
            return answers
        answers = answers.movedim(-1, 3)  # (mask, fill, window, frame, label)
        return torch.cat([answers[:, :, i, self._frames(s, answers.shape[3])] for i, s in enumerate(starts)], dim=2)

    def _frames(self, start: int, n_frames: int) -> list[int]:
        """Return the frames of a window that count: within the span, and not in what only fills the window."""
        rate = self.classifier.sample_rate
        step = getattr(self.classifier, "frame_s", None) or self.windows.length / rate / n_frames
        low, high = self.listening.span_s or (0.0, self.duration_s)
        centres = [start / rate + (i + 0.5) * step for i in range(n_frames)]
        kept = [i for i, centre in enumerate(centres) if low <= centre < min(high, self.duration_s)]
        middle = (low + min(high, self.duration_s)) / 2  # of a span shorter than a frame
        return kept or [i for i, centre in enumerate(centres) if abs(centre - middle) <= step / 2][:1]


class FeatureMixture:
    """Cells of a spectrogram kept or filled; a draw is one fill.

    Parameters
    ----------
    cells
        What is switched off.
    device
        Where it is mixed.
    """

    of_features = True

    def __init__(self, cells: Cells, device: str) -> None:
        self.windows = cells.window
        self.item_size = self.windows.length
        self.n_draws = len(cells.fills)
        self._cells = cells.to(device)

    def answers(self, flat: Tensor, ask: Ask, batch_size: int) -> Float[Tensor, "mask draw label"]:
        """Return the answers to masks; where the model answers frame by frame, the frames are draws."""
        given = self._cells.mix(flat)  # (mask, fill, freq, frame)
        answers = torch.cat([ask(part) for part in given.flatten(0, 1).split(batch_size)]).unflatten(0, given.shape[:2])
        return answers if answers.ndim == 3 else answers.movedim(-1, 2).flatten(1, 2)

    def in_double(self) -> FeatureMixture:
        """Return the same mixture in double precision."""
        precise = copy.copy(self)
        precise._cells = self._cells.to(torch.float64)
        return precise


def check_heard(audio: Tensor, parts: AnyParts, classifier: Classifier) -> None:
    """Raise ValueError where nothing is left of a recording in the model's rate and channels."""
    if sound.level_db(audio) < sound.SILENCE_DB:
        raise ValueError(
            f"{parts.recording.name} is silent once it is brought to the model's {classifier.channels} channel(s) at "
            f"{classifier.sample_rate} Hz; do its channels cancel? Give one channel of it."
        )


def chunks(items: Sequence, size: int) -> Iterator[Sequence]:  # type: ignore[type-arg]
    """Yield the items in their order, at most `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
