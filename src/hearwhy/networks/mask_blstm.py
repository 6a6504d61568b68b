"""The published mask-inference network: stacked bidirectional LSTMs over the frames of a spectrogram."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hearwhy.networks.mask_heads import EVERY, KEYS, Heard, unit

UNITS, LAYERS, DROPOUT = 300, 4, 0.3


class MaskBlstm(nn.Module):
    """Features, (batch, freq, frame), to one mask a source: 8 million weights and more, for a GPU.

    Batch normalisation of every bin, four bidirectional LSTMs of 300 units each way with dropout between them, and a linear
    layer a head: masks through a sigmoid, embeddings of length 1, log-odds of keys. Every mask depends on every frame: LSTMs
    were seen to remember more than 250, so a recording is never heard in pieces.

    Parameters
    ----------
    n_sources
        How many masks.
    n_freq
        Bins of a frame.
    units, layers
        Of each LSTM in each direction, and how many are stacked.
    embedding
        Dimensions of the deep-clustering head; 0: there is none.
    transcribes
        Whether there is a transcription head.

    References
    ----------
    E. Manilow, P. Seetharaman and B. Pardo, "Simultaneous separation and transcription of mixtures with multiple polyphonic and
    percussive instruments", ICASSP 2020 (Cerberus); Z.-Q. Wang, J. Le Roux and J. R. Hershey, "Alternative objective functions
    for deep clustering", ICASSP 2018 (Chimera++). audioLIME's paper names both kinds of networks without a size; layers, units,
    dropout and 20 dimensions were chosen here after these two lines of work, and are not checked against their code.
    """

    CONTEXT = None  # it can only be heard whole; what it holds of a frame is less than the frame's masks

    def __init__(
        self,
        n_sources: int,
        n_freq: int = 513,
        *,
        units: int = UNITS,
        layers: int = LAYERS,
        embedding: int = 0,
        transcribes: bool = False,
    ) -> None:
        super().__init__()
        self.n_sources, self.n_freq = n_sources, n_freq
        self.norm = nn.BatchNorm1d(n_freq)
        dropout = DROPOUT if layers > 1 else 0.0
        self.lstm = nn.LSTM(n_freq, units, layers, batch_first=True, bidirectional=True, dropout=dropout)
        self.masks = nn.Linear(2 * units, n_sources * n_freq)
        self.embedding = nn.Linear(2 * units, embedding * (n_freq - 1)) if embedding else None
        self.keys = nn.Linear(2 * units, n_sources * KEYS) if transcribes else None

    def forward(self, features: Float[Tensor, "batch freq frame"]) -> Float[Tensor, "batch source freq frame"]:
        """Return the masks alone, from 0 to 1."""
        return self._masks(self._seen(features))

    def with_heads(self, features: Float[Tensor, "batch freq frame"]) -> Heard:
        """Return the masks and what the other heads say."""
        seen = self._seen(features)
        embedding = None if self.embedding is None else unit(_places(self.embedding(seen[:, ::EVERY]), self.n_freq - 1))
        rolls = None if self.keys is None else _places(self.keys(seen), KEYS)
        return Heard(self._masks(seen), embedding, rolls)

    def _seen(self, features: Tensor) -> Float[Tensor, "batch frame unit"]:
        seen: Tensor = self.lstm(self.norm(features).transpose(1, 2))[0]
        return seen

    def _masks(self, seen: Tensor) -> Tensor:
        return _places(self.masks(seen), self.n_freq).sigmoid()


def _places(rows: Float[Tensor, "batch frame thing"], n_places: int) -> Float[Tensor, "batch group place frame"]:
    return torch.unflatten(rows, 2, (-1, n_places)).permute(0, 2, 3, 1)
