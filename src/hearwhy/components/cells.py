"""Cells: patches of the spectrogram that a network is given, each of which can be switched off."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.components.parts import Parts
from hearwhy.components.superpixels import superpixels
from hearwhy.types import Classifier, Domain, Mask, Recording
from hearwhy.windowing import Windows, windows


class Numbered(Sequence[str]):
    """Names of very many components, made when they are asked for: "cell 17"."""

    def __init__(self, n: int, word: str = "cell") -> None:
        self.n, self.word = n, word

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return tuple(self[j] for j in range(*i.indices(self.n)))
        if not -self.n <= i < self.n:
            raise IndexError(i)
        return f"{self.word} {i % self.n + 1}"


@dataclass(frozen=True, eq=False)
class Cells:
    """A recording's spectrogram, as a network is given it, divided into cells.

    Parameters
    ----------
    features
        The spectrogram of the recording, (freq, frame).
    cell
        The number of the cell that every bin lies in.
    recording
        What it is the spectrogram of.
    classifier
        Whose front end made it.
    fills
        What stands where a cell was removed, one (freq, frame) a fill.
    fill_names
        What the fills are called.
    window
        The one window that was heard; its note says what was done to the recording before.
    domain
        "features"; "vector" where a cell is a row, whose value is one number (see `hearwhy.components.vectors`).
    fill_weights
        How much each fill counts; they sum to 1. None: all alike.
    conditional
        Masks (mask, cell) to what stands where they remove, (mask, 1, freq, frame), where that hangs on what is kept; `fills`
        then holds what stands when everything is removed.
    linear, gap_db, levels_db
        As of `Parts`: cells are no sounds that add up, so they have no gap and no levels.
    """

    features: Float[Tensor, "freq frame"]
    cell: Int[Tensor, "freq frame"]
    recording: Recording
    classifier: SpectrogramClassifier
    names: Sequence[str]
    shape: tuple[int, ...]
    fills: tuple[Tensor, ...]
    fill_names: tuple[str, ...]
    window: Windows
    spec: str = ""
    domain: Domain = "features"
    fill_weights: tuple[float, ...] | None = None
    conditional: Callable[[Tensor], Tensor] | None = None
    linear: bool = False
    gap_db: None = None
    levels_db: tuple[float, ...] = ()

    def mix(self, mask: Mask) -> Float[Tensor, "batch fill freq frame"]:
        """Return the features under each mask: chosen bin by bin, so that a mask of ones changes no bit.

        Masks between 0 and 1 blend features and fill, with gradients.
        """
        gates = mask.reshape(len(mask), -1)[:, self.cell.flatten()].reshape(-1, 1, *self.features.shape)
        fills = torch.stack(self.fills)[None] if self.conditional is None else self.conditional(mask)
        if gates.dtype == torch.bool:
            return torch.where(gates, self.features, fills)
        return fills + gates * (self.features - fills)

    def to(self, device: str | torch.device | torch.dtype) -> Cells:
        """Return the same cells on another device, or in another precision."""
        features, *fills = (bins.to(device) for bins in (self.features, *self.fills))
        return replace(self, features=features, cell=self.cell.to(features.device), fills=tuple(fills))

    @property
    def absent(self) -> tuple[bool, ...]:
        """Which cells hold nothing but the fill: switching them off changes nothing."""
        same = torch.stack([(self.features - fill).abs() < 1e-6 for fill in self.fills]).all(dim=0)
        held = torch.zeros(len(self.names), dtype=torch.bool).index_put((self.cell[~same].flatten(),), torch.tensor(True))
        return tuple((~held).tolist())


AnyParts = Parts | Cells
"""What a recording is taken apart into: sounds, or cells of a spectrogram."""


def cells(recording: Recording, classifier: Classifier, how: str, *, seed: int = 0) -> Cells:
    """Return the spectrogram that a classifier is given of a recording, divided into cells.

    Parameters
    ----------
    recording
        No longer than the classifier's window; a shorter one is followed by silence, as in every window.
    classifier
        A front end and a network.
    how
        ``quickshift``, ``slic=50``, ``felzenszwalb``, ``tiles=4x8`` (see `superpixels`), or ``every`` bin by itself.
    seed
        Breaks ties of the division.

    Raises
    ------
    ValueError
        The recording is longer than a window, or there is no such division.
    """
    seen = with_front_end(classifier)
    features, window = spectrogram(recording, seen)
    every = how == "every"
    number = torch.arange(features.numel()).reshape(features.shape) if every else superpixels(features, how, seed=seed)
    n = int(number.max()) + 1
    shape = tuple(features.shape) if every else (n,)
    silence = seen.features(torch.zeros(1, 1, window.length))[0]
    spec = "features" if every else f"cells:{how}"
    return Cells(features, number, recording, seen, Numbered(n, "bin" if every else "cell"), shape, (silence,),
                 ("silence",), window, spec)  # fmt: skip


def with_front_end(classifier: Classifier) -> SpectrogramClassifier:
    """Return the classifier, or raise TypeError where hearwhy cannot see its front end."""
    if not isinstance(classifier, SpectrogramClassifier):
        raise TypeError("Its spectrogram can be explained only of a model whose front end hearwhy can see, a "
                        "SpectrogramClassifier; use segments, bands or tiles, which any model takes.")  # fmt: skip
    return classifier


def spectrogram(recording: Recording, classifier: SpectrogramClassifier) -> tuple[Float[Tensor, "freq frame"], Windows]:
    """Return what the network is given of a recording that fits into one window, and that window.

    Raises
    ------
    ValueError
        The recording is longer than one window.
    """
    audio = heard(recording, classifier)
    window = windows(audio.shape[-1], classifier)
    if len(window.starts) > 1:
        raise ValueError(
            f"{recording.name} is {recording.duration_s:.2f} s long and the model takes {classifier.window_s:g} s at a time: "
            "a spectrogram is explained window by window, with --per-window, or a part of it with --start and --duration."
        )
    with torch.no_grad():
        return classifier.features(padded(audio, window)[None])[0], window


def padded(audio: Float[Tensor, "1 time"], window: Windows) -> Float[Tensor, "1 time2"]:
    """Return the audio followed by silence up to the length of the window."""
    return torch.nn.functional.pad(audio, (0, window.length - audio.shape[-1]))


def heard(recording: Recording, classifier: SpectrogramClassifier) -> Float[Tensor, "1 time"]:
    """Return the recording in the classifier's rate and channels."""
    return sound.resample(sound.remix(recording.audio, 1), recording.sample_rate, classifier.sample_rate)


def n_bins(cells: Cells) -> Int[Tensor, " cell"]:
    """Return the number of bins in each cell."""
    return torch.bincount(cells.cell.flatten(), minlength=math.prod(cells.shape))
