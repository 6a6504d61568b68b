"""What a separation network says of a spectrogram: masks, and where Cerberus's other two heads are, theirs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

LOWEST_KEY, KEYS = 21, 88
"""A piano's keys as MIDI numbers: 21 to 108. General MIDI's drums are 35 to 81."""
EVERY = 4
"""Frames: the embedding is asked in one of so many, for neighbours say the same and it is never heard."""


class Heard(NamedTuple):
    """The heads' answers.

    Parameters
    ----------
    masks
        How much of every bin is each source's, 0 to 1; the sources' masks need not sum to 1.
    embedding
        A unit vector for every bin but the Nyquist one, in one of `EVERY` frames, near to those of the bins with the same
        loudest source; None: no head.
    rolls
        Log-odds that a key of a source is held in a frame; None: no head.
    """

    masks: Float[Tensor, "batch source freq frame"]
    embedding: Float[Tensor, "batch dimension freq frame"] | None = None
    rolls: Float[Tensor, "batch source key frame"] | None = None


def unit(vectors: Float[Tensor, "batch dimension *place"]) -> Float[Tensor, "batch dimension *place"]:
    """Return vectors of length 1 in the same directions."""
    return nn.functional.normalize(vectors, dim=1)


class OneVsAll(nn.ModuleDict):
    """A network of its own for every source, by name, each with one mask; heard together."""

    def forward(self, features: Float[Tensor, "batch freq frame"]) -> Float[Tensor, "batch source freq frame"]:
        """Return the masks of all, in order."""
        return torch.cat([network(features) for network in self.values()], dim=1)

    def with_heads(self, features: Float[Tensor, "batch freq frame"]) -> Heard:
        """Return the masks; these networks have no other heads."""
        return Heard(self(features))
