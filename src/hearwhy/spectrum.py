"""Spectrum: the spectrogram that was explained, and the sound of what a mask keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hearwhy import audio as sound
from hearwhy import front_ends
from hearwhy.components.cells import Cells
from hearwhy.front_ends import FrontEnd
from hearwhy.front_ends.rendering import render
from hearwhy.masks import masked
from hearwhy.types import Recording

ROWS = ("as_is", "kept", "removed", "heard_kept", "heard_removed")
"""What the model is asked about a mask: the features as they are, what it keeps and removes, and the sounds made of both."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The spectrogram that a network was given of a recording.

    Parameters
    ----------
    features
        What the network was given, (freq, frame).
    cell
        The component that every bin belongs to.
    floor
        The features of silence: what stands where a mask removes.
    front_end
        What made the features.
    n_samples
        Length of the window that they were made of, at the front end's rate.
    """

    features: Float[Tensor, "freq frame"]
    cell: Int[Tensor, "freq frame"]
    floor: Float[Tensor, "freq frame"]
    front_end: FrontEnd
    n_samples: int

    @staticmethod
    def of(cells: Cells) -> Spectrum:
        """Return the spectrum of cells."""
        classifier = cells.classifier
        with torch.no_grad():
            floor = classifier.features(torch.zeros(1, 1, cells.window.length))[0]
        return Spectrum(cells.features, cells.cell, floor, classifier.front_end, cells.window.length)

    def masked(self, mask: Float[Tensor, "*many freq frame"]) -> tuple[Tensor, Tensor]:
        """Return the features that masks keep, and those that they remove; the floor stands for the rest."""
        return masked(self.features, mask, fill=self.floor)

    def sound(self, recording: Recording, features: Float[Tensor, "*many freq frame"]) -> Float[Tensor, "*many 1 time"]:
        """Return the sound of masked features, mono and in the front end's rate, as long as the recording.

        Raises
        ------
        TypeError
            There is no way from such features to sound.
        """
        rate = self.front_end.sample_rate
        audio = sound.resample(sound.remix(recording.audio, 1), recording.sample_rate, rate)
        filled = torch.nn.functional.pad(audio, (0, self.n_samples - audio.shape[-1]))
        many = features.reshape(-1, *self.features.shape)
        found = render(self.front_end, filled, self.features[None], many)[:, None, : audio.shape[-1]]
        return found.reshape(*features.shape[:-2], *found.shape[1:])

    def each(self, recording: Recording) -> Float[Tensor, "component 1 time"]:
        """Return the sound of every component: what is left when all others are at the floor."""
        components = torch.arange(int(self.cell.max()) + 1)[:, None, None]
        return self.sound(recording, self.masked(self.cell == components)[0])

    def described(self) -> dict[str, Any]:
        """Return the front end and the window as JSON can hold them."""
        return {"front_end": described(self.front_end), "n_samples": self.n_samples}


def described(front_end: Any) -> dict[str, Any]:
    """Return a front end as JSON can hold it."""
    inner = {f.name: getattr(front_end, f.name) for f in fields(front_end)}
    return {"type": type(front_end).__name__} | {
        name: described(value) if is_dataclass(value) else value for name, value in inner.items()
    }


def front_end_of(described: Mapping[str, Any]) -> FrontEnd:
    """Return the front end that `Spectrum.described` wrote down.

    Raises
    ------
    ValueError
        It is of a kind that is not known here.
    """
    kind = getattr(front_ends, str(described["type"]), None)
    if not isinstance(kind, type) or not is_dataclass(kind):
        raise ValueError(f"There is no front end {described['type']!r} in this hearwhy.")
    settings = {key: value for key, value in described.items() if key != "type"}
    made: Any = kind(**{key: front_end_of(value) if isinstance(value, dict) else value for key, value in settings.items()})
    return made


@dataclass(frozen=True, eq=False)
class Masked:
    """A mask of a map, and what the model says of what it keeps and of what it removes.

    Parameters
    ----------
    line
        How the mask was made, such as "top_k(k=0.3)".
    target
        Number of the target whose map it is.
    mask
        1 keeps and 0 removes, (freq, frame).
    probabilities
        The model's answers to `ROWS`, (row, label); NaN where there is no sound of the features.
    metrics
        Metric to its value; see `hearwhy.metrics`.
    """

    line: str
    target: int
    mask: Float[Tensor, "freq frame"]
    probabilities: Float[Tensor, "row label"]
    metrics: Mapping[str, float | None] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        """Return all but the tensors as JSON can hold it."""
        return {key: value for key, value in asdict(self).items() if key not in ("mask", "probabilities")}
