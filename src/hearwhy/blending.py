"""Blending: what a model is given of parts under a mask: their waveforms mixed, or their spectra where that spares the STFT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.components.parts import Parts
from hearwhy.front_ends import Linear, is_linear
from hearwhy.types import Classifier
from hearwhy.windowing import Windows

MAX_PARTS = 40  # measured on one core, the product of spectra costs as much as the STFT of the mix at about 60 parts
MAX_BYTES = 2**28  # of the parts' spectra, which take two to four times the memory of their waveforms


class Mixer(Protocol):
    """Masks to what the model is given: its input, or what stands behind its front end."""

    def mix(self, flat: Tensor, starts: Sequence[int]) -> Float[Tensor, "mask fill window *given"]:
        """Return what is given in some neighbouring windows."""
        ...

    def in_double(self) -> Mixer:
        """Return the same in double precision."""
        ...


@dataclass(frozen=True, eq=False)
class Blend:
    """What masks choose between under one fill: ``mask @ parts + rest``, one matrix product.

    Parameters
    ----------
    parts
        Each part less what stands in its place, (part, ..., time).
    rest
        All of what stands in their place, (..., time); None: silence.
    """

    parts: Tensor
    rest: Tensor | None

    @staticmethod
    def of(parts: Tensor, fill: Tensor | None) -> Blend:
        """Return the blend of parts with a fill of the same shape, or silence."""
        return Blend(parts, None) if fill is None else Blend(parts - fill, fill.sum(dim=0))

    def mix(self, mask: Tensor) -> Tensor:
        """Return the mix under each mask (mask, part), (mask, ..., time)."""
        weights, shape = mask.to(self.parts), self.parts.shape[1:]
        flat = self.parts.flatten(1)
        mixed = weights @ flat if self.rest is None else torch.addmm(self.rest.flatten(), weights, flat)
        return mixed.unflatten(1, shape)

    def span(self, start: int, stop: int) -> Blend:
        """Return the same blend between two samples; all of it is itself, less is a view."""
        if (start, stop) == (0, self.parts.shape[-1]):
            return self
        return Blend(self.parts[..., start:stop], None if self.rest is None else self.rest[..., start:stop])

    def in_double(self) -> Blend:
        """Return the same blend in double precision."""
        return Blend(self.parts.double(), None if self.rest is None else self.rest.double())


@dataclass(frozen=True, eq=False)
class Waveforms:
    """Parts mixed as they sound; windows are cut from one mix.

    Parameters
    ----------
    blends
        One a fill, over the whole recording.
    length
        Of a window, in samples.
    """

    blends: tuple[Blend, ...]
    length: int

    def mix(self, flat: Tensor, starts: Sequence[int]) -> Float[Tensor, "mask fill window channel time"]:
        """Return the sound of each mask in some neighbouring windows."""
        first = starts[0]
        mixed = alongside([blend.span(first, starts[-1] + self.length).mix(flat) for blend in self.blends])
        return alongside([mixed[..., s - first : s - first + self.length] for s in starts], dim=2)

    def in_double(self) -> Waveforms:
        """Return the same in double precision."""
        return Waveforms(tuple(blend.in_double() for blend in self.blends), self.length)


@dataclass(frozen=True, eq=False)
class Spectra:
    """Parts mixed where the front end is still linear: each part's STFT is made once, and none for a mask.

    Parameters
    ----------
    blends
        One a fill for each window, by where it starts; real and imaginary parts are the last axis.
    front_end
        Makes features of a mixed spectrum.
    """

    blends: dict[int, tuple[Blend, ...]]
    front_end: Linear

    def mix(self, flat: Tensor, starts: Sequence[int]) -> Float[Tensor, "mask fill window freq frame"]:
        """Return the features of each mask in some windows."""
        return alongside([alongside([self._features(blend, flat) for blend in self.blends[s]]) for s in starts], dim=2)

    def _features(self, blend: Blend, flat: Tensor) -> Tensor:
        return self.front_end.of_spectrum(torch.view_as_complex(blend.mix(flat)))

    def in_double(self) -> Spectra:
        """Return the same in double precision."""
        return Spectra({s: tuple(blend.in_double() for blend in blends) for s, blends in self.blends.items()}, self.front_end)


def mixer(parts: Parts, classifier: Classifier, windows: Windows) -> Waveforms | Spectra:
    """Return what mixes parts for a classifier, at its rate and long enough for its windows.

    Spectra are mixed for a `SpectrogramClassifier` whose front end is linear up to the magnitude (log-mel, log-STFT, MFCC), of
    at most 40 parts whose spectra take at most 256 MiB; waveforms otherwise. Both give the same within float32's rounding.
    """
    if isinstance(classifier, SpectrogramClassifier) and is_linear(classifier.front_end):
        sound = parts.audio[:1, :, : windows.length]
        if len(parts.audio) <= MAX_PARTS and _is_plain(classifier, sound):
            n_bytes = 8 * classifier.front_end.spectrum(sound[:, 0]).numel() * len(parts.audio)
            if n_bytes * len(windows.starts) * len(parts.fills) <= MAX_BYTES:
                return _spectra(parts, classifier.front_end, windows)
    return Waveforms(tuple(Blend.of(parts.audio, fill) for fill in parts.fills), windows.length)


def _is_plain(classifier: SpectrogramClassifier, sound: Tensor) -> bool:
    """Whether the network is given what the front end makes, and nothing else is done to the sound or to the features."""
    kind = type(classifier)
    if kind.__call__ is not SpectrogramClassifier.__call__:
        return False
    with torch.no_grad():
        return kind.features is SpectrogramClassifier.features or torch.equal(
            classifier.features(sound), classifier.front_end(sound[:, 0])
        )


@torch.no_grad()
def _spectra(parts: Parts, front_end: Linear, windows: Windows) -> Spectra:
    def of(sounds: Tensor) -> Tensor:
        return torch.view_as_real(front_end.spectrum(sounds[:, 0])).contiguous()

    blends = {}
    for start in windows.starts:
        span = parts.span(start, start + windows.length)
        heard = of(span.audio)
        blends[start] = tuple(Blend.of(heard, None if fill is None else of(fill)) for fill in span.fills)
    return Spectra(blends, front_end)


def alongside(tensors: Sequence[Tensor], dim: int = 1) -> Tensor:
    """Return tensors side by side along a new axis; a single one is a view, as copying a batch costs as much as mixing it."""
    return tensors[0].unsqueeze(dim) if len(tensors) == 1 else torch.stack(list(tensors), dim=dim)
