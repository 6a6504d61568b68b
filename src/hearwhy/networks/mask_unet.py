"""A small U-Net that hears in a spectrogram how much of every bin belongs to each source."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hearwhy.networks.mask_heads import EVERY, KEYS, Heard, unit

CHANNELS = (16, 32, 48, 64, 96)
"""Of one network for all sources; halved where every source has a network of its own."""
KERNEL, PADDING = (5, 3), (2, 1)  # a mask follows partials that slide further in frequency than notes do in frames


class MaskUNet(nn.Module):
    """Features, (batch, freq, frame), to one mask a source: 0.11 to 0.5 million weights.

    Five 5 x 3 convolutions that each halve frequency and time, with batch normalisation and leaky ReLU; five transposed ones
    back, each hearing the level beside it; a 1 x 1 convolution and a sigmoid for every source's mask. A second input channel
    rises with frequency, for where a partial lies says what plays it. The Nyquist bin has the mask of the bin below it. No mask
    depends on what is further than `CONTEXT` frames away, so a long recording can be heard in pieces.

    Parameters
    ----------
    n_sources
        How many masks.
    n_freq
        Bins of a frame, a power of two of at least 32 and one more.
    channels
        Of each level.
    embedding
        Dimensions of the deep-clustering head, a 1 x 1 convolution; 0: there is none.
    transcribes
        Whether there is a transcription head: a 1 x 1 convolution and, for every source, one linear layer from bins to keys.

    References
    ----------
    A. Jansson and others, "Singing voice separation with deep U-Net convolutional networks", ISMIR 2017. Deviations: five
    levels instead of six, 16 to 96 channels instead of 16 to 512, kernels of 5 x 3, no dropout; the heads are Cerberus's.
    """

    MULTIPLE = 2**5  # frames are worked on in groups of so many
    CONTEXT = 2 * MULTIPLE  # a mask depends on frames up to 62 away; a whole number of groups

    def __init__(
        self,
        n_sources: int,
        n_freq: int = 513,
        *,
        channels: Sequence[int] = CHANNELS,
        embedding: int = 0,
        transcribes: bool = False,
    ) -> None:
        super().__init__()
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for before, after in pairwise((2, *channels)):
            convolution = nn.Conv2d(before, after, KERNEL, 2, PADDING, bias=False)
            self.down.append(nn.Sequential(convolution, nn.BatchNorm2d(after), nn.LeakyReLU(0.2)))
        for level, (before, after) in enumerate(pairwise((*channels[::-1], channels[0]))):
            n_heard = before if level == 0 else 2 * before
            back = nn.ConvTranspose2d(n_heard, after, KERNEL, 2, PADDING, output_padding=1, bias=False)
            self.up.append(nn.Sequential(back, nn.BatchNorm2d(after), nn.ReLU()))
        self.masks = nn.Conv2d(channels[0], n_sources, 1)
        self.embedding = nn.Conv2d(channels[0], embedding, 1) if embedding else None
        self.notes = nn.Conv2d(channels[0], n_sources, 1) if transcribes else None
        n_bins = n_sources * (n_freq - 1)
        self.keys = nn.Conv1d(n_bins, n_sources * KEYS, 1, groups=n_sources) if transcribes else None

    def forward(self, features: Float[Tensor, "batch freq frame"]) -> Float[Tensor, "batch source freq frame"]:
        """Return the masks alone, from 0 to 1."""
        return self._masks(self._seen(features), features.shape[2])

    def with_heads(self, features: Float[Tensor, "batch freq frame"]) -> Heard:
        """Return the masks and what the other heads say."""
        seen, n_frames = self._seen(features), features.shape[2]
        embedding = None if self.embedding is None else unit(self.embedding(seen[..., :n_frames:EVERY]))
        rolls = None
        if self.notes is not None and self.keys is not None:
            rolls = self.keys(self.notes(seen)[..., :n_frames].flatten(1, 2)).unflatten(1, (-1, KEYS))
        return Heard(self._masks(seen, n_frames), embedding, rolls)

    def _seen(self, features: Tensor) -> Tensor:
        """What the last level says of every bin but the Nyquist one, and of frames up to a whole number of groups."""
        n_freq, n_frames = features.shape[1:]
        padded = nn.functional.pad(features[:, :-1], (0, -n_frames % self.MULTIPLE))
        height = torch.linspace(-1, 1, n_freq - 1, device=features.device)[:, None].expand_as(padded)
        levels = [torch.stack([padded, height], dim=1)]
        for down in self.down:
            levels.append(down(levels[-1]))
        seen = self.up[0](levels.pop())
        for up in self.up[1:]:
            seen = up(torch.cat([seen, levels.pop()], dim=1))
        return seen

    def _masks(self, seen: Tensor, n_frames: int) -> Tensor:
        masks = self.masks(seen)[..., :n_frames].sigmoid()
        return torch.cat([masks, masks[:, :, -1:]], dim=2)
