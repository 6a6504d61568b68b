"""Parts: waveforms that add up to the recording, so that what is heard is what the model was asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.types import Domain, Mask, Recording

ABSENT_DB = -60.0  # a part this far below the mix is not there: its value is 0 and it is never ranked

Spread = Callable[[Float[Tensor, "channel time"]], Float[Tensor, "part channel time"]]
"""Divides any sound of the recording's length among the parts; the shares sum to it."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Waveforms that sum to a recording, each of which can be switched off.

    Parameters
    ----------
    audio
        One waveform a part, (part, channel, time).
    recording
        What they are parts of.
    names, shape
        Flat names, row-major over the shape of a mask.
    spread
        How a fill is shared among the parts: removing a part puts its share in place.
    linear
        Whether `spread` is also how the parts were made (segments, bands), so that it may split other parts again.
    fills
        What stands for each removed part, one (part, channel, time) a fill; None is silence.
    fill_names
        What the fills are called.
    parents
        Where a part was split again: of every part, the name of the part that it is, or is a piece of. None: none was.
    added, as_it_is
        Names of what was mixed in, the last of the parts, and the recording without it. None: it is as it was.
    """

    audio: Float[Tensor, "part channel time"]
    recording: Recording
    names: tuple[str, ...]
    shape: tuple[int, ...]
    spread: Spread
    linear: bool = False
    spec: str = ""
    fills: tuple[Tensor | None, ...] = (None,)
    fill_names: tuple[str, ...] = ("silence",)
    sample_rate: int = 0
    domain: Domain = "audio"
    parents: tuple[str, ...] | None = None
    added: tuple[str, ...] = ()
    as_it_is: Recording | None = None

    def __post_init__(self) -> None:
        if not self.sample_rate:
            object.__setattr__(self, "sample_rate", self.recording.sample_rate)
        if len(self.names) != len(self.audio) or math.prod(self.shape) != len(self.audio):
            raise ValueError(f"{len(self.audio)} parts need as many names and a shape that holds them; "
                             f"got {len(self.names)} names and shape {self.shape}.")  # fmt: skip

    def mix(self, mask: Mask) -> Float[Tensor, "batch fill channel time"]:
        """Return the sum of the parts kept, each removed part replaced by its share of the fill.

        One matrix product a fill; `mix(ones)` is the recording up to the gap, `mix(zeros)` the fill.
        """
        return torch.stack([_blend(mask, self.audio, fill) for fill in self.fills], dim=1)

    def render(self, mask: Mask) -> Float[Tensor, "batch channel time"]:
        """Return the sound of a mask: exactly what the model is asked about, under the first fill."""
        return _blend(mask, self.audio, self.fills[0])

    def at(self, sample_rate: int, channels: Literal[1, 2]) -> Parts:
        """Return the same parts as a model of that rate and channels hears them."""

        def convert(sounds: Tensor) -> Tensor:
            return sound.resample(sound.remix(sounds, channels), self.sample_rate, sample_rate)

        fills = tuple(None if fill is None else convert(fill) for fill in self.fills)
        return replace(self, audio=convert(self.audio), fills=fills, sample_rate=sample_rate)

    def to(self, device: str | torch.device | torch.dtype) -> Parts:
        """Return the same parts on another device, or in another precision."""
        fills = tuple(None if fill is None else fill.to(device) for fill in self.fills)
        return replace(self, audio=self.audio.to(device), fills=fills)

    def padded(self, length: int) -> Parts:
        """Return the same parts followed by silence up to `length` samples."""
        extra = length - self.audio.shape[-1]

        def pad(sounds: Tensor) -> Tensor:
            return torch.nn.functional.pad(sounds, (0, extra))

        fills = tuple(None if fill is None else pad(fill) for fill in self.fills)
        return replace(self, audio=pad(self.audio), fills=fills)

    def span(self, start: int, stop: int) -> Parts:
        """Return the same parts between two samples (views, nothing is copied)."""
        fills = tuple(None if fill is None else fill[..., start:stop] for fill in self.fills)
        return replace(self, audio=self.audio[..., start:stop], fills=fills)

    @property
    def groups(self) -> tuple[int, ...] | None:
        """A number for every part, the same for the pieces of one; None where no part was split again."""
        if self.parents is None:
            return None
        return tuple(list(dict.fromkeys(self.parents)).index(name) for name in self.parents)

    @property
    def gap_db(self) -> float:
        """Level of recording minus sum of parts, relative to the recording; -inf where they sum to it to the bit."""
        gap = self.recording.audio - self.audio.sum(dim=0)
        return sound.level_db(gap) - sound.level_db(self.recording.audio)

    @property
    def levels_db(self) -> tuple[float, ...]:
        """RMS level of every part relative to the recording, in dB."""
        whole = sound.level_db(self.recording.audio)
        return tuple(sound.level_db(part) - whole for part in self.audio)

    @property
    def absent(self) -> tuple[bool, ...]:
        """Which parts are over 60 dB below the recording: not there, so never an explanation."""
        return tuple(level < ABSENT_DB for level in self.levels_db)


def _blend(mask: Mask, parts: Tensor, fill: Tensor | None) -> Tensor:
    weights = mask.reshape(len(mask), -1).to(parts)
    if fill is None:
        return torch.einsum("bp,pct->bct", weights, parts)
    return torch.einsum("bp,pct->bct", weights, parts - fill) + fill.sum(dim=0)


def equal_shares(n: int) -> Spread:
    """Return the spread of parts that have no place in time or frequency: each takes one n-th of the fill."""
    return lambda audio: (audio / n).expand(n, *audio.shape)


def product(first: Parts, second: Parts) -> Parts:
    """Return every part of one divided as the other divides the recording: sources x segments, say.

    Raises
    ------
    ValueError
        Neither divides by time or frequency alone, so one cannot be applied to the other's parts.
    """
    if not (first.linear or second.linear):
        raise ValueError(
            f"{first.spec!r} * {second.spec!r}: at least one must cut time or frequency (segments, bands or tiles); "
            "two separations cannot be multiplied."
        )
    return _multiplied(first, second, swapped=not second.linear)


def _multiplied(first: Parts, second: Parts, *, swapped: bool) -> Parts:
    outer, inner = (second, first) if swapped else (first, second)

    def arrange(grid: Tensor) -> Tensor:  # (outer, inner, channel, time), laid out as first x second
        return (grid.transpose(0, 1) if swapped else grid).flatten(0, 1)

    def spread(audio: Tensor) -> Tensor:
        return arrange(torch.stack([inner.spread(share) for share in outer.spread(audio)]))

    return Parts(
        audio=arrange(torch.stack([inner.spread(part) for part in outer.audio])),
        recording=first.recording,
        names=tuple(f"{a} / {b}" for a in first.names for b in second.names),
        shape=(*first.shape, *second.shape),
        spread=spread,
        linear=first.linear and second.linear,
        spec=f"{first.spec} * {second.spec}",
    )
