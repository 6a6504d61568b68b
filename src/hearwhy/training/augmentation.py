"""Augmentation of spectrograms in dB: rolled in time, mixed as powers, with stripes at the floor; all from one generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.front_ends import FLOOR_DB


@dataclass(frozen=True)
class Augmentation:
    """What is done to each spectrogram of a training batch.

    Parameters
    ----------
    freq_stripes, time_stripes
        SpecAugment: how many stripes are taken out, and how wide one is at most, in cells. They are filled with the floor of
        the scale, which is silence; 0 dB would be the loudest there is.
    roll
        Begin anywhere in the clip: what is cut off at its end stands before.
    mixup
        Parameter of the beta distribution that two clips' powers and labels are mixed by; 0: no mixing.
    tilt_db
        Raise or lower the highest against the lowest frequency by at most so much, linearly between.
    """

    freq_stripes: tuple[int, int] = (0, 0)
    time_stripes: tuple[int, int] = (0, 0)
    roll: bool = False
    mixup: float = 0.0
    tilt_db: float = 0.0

    def __call__(
        self, features: Float[Tensor, "batch freq frame"], labels: Float[Tensor, "batch label"], rng: np.random.Generator
    ) -> tuple[Float[Tensor, "batch freq frame"], Float[Tensor, "batch label"]]:
        """Return new spectrograms and what share of each label is in them."""
        n_clips, n_features, n_frames = features.shape
        if self.roll:
            shifts = rng.integers(n_frames, size=n_clips)
            features = torch.stack([row.roll(int(shift), dims=1) for row, shift in zip(features, shifts, strict=True)])
        if self.mixup:
            share = torch.from_numpy(rng.beta(self.mixup, self.mixup, size=n_clips)).to(features)
            other = torch.from_numpy(rng.permutation(n_clips))
            features = mixed(features, features[other], share[:, None, None])
            labels = share[:, None] * labels + (1 - share[:, None]) * labels[other]
        if self.tilt_db:
            slopes = torch.from_numpy(rng.uniform(-self.tilt_db, self.tilt_db, size=n_clips)).to(features)
            line = torch.linspace(-0.5, 0.5, n_features).to(features)
            features = (features + (slopes[:, None] * line)[:, :, None]).clamp(min=FLOOR_DB)
        return self._striped(features.clone(), rng), labels

    def _striped(self, features: Tensor, rng: np.random.Generator) -> Tensor:
        for axis, (n_stripes, widest) in ((1, self.freq_stripes), (2, self.time_stripes)):
            size = features.shape[axis]
            for row in features:
                for _ in range(n_stripes):
                    width = int(rng.integers(min(widest, size) + 1))
                    start = int(rng.integers(size - width + 1))
                    row.narrow(axis - 1, start, width).fill_(FLOOR_DB)
        return features


def mixed(one: Tensor, other: Tensor, share: Tensor | float) -> Tensor:
    """Return two spectrograms in dB as if their sounds played together, `share` of one's power with the rest of the other's.

    Examples
    --------
    >>> mixed(torch.tensor(0.0), torch.tensor(-100.0), 0.5)
    tensor(-3.0103)
    """
    return 10 * torch.log10(share * 10 ** (one / 10) + (1 - share) * 10 ** (other / 10))
