"""Fitting a separation network: epochs that depend on (seed, epoch) alone, the best one kept, resumable after any."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hearwhy.networks.mask_heads import EVERY, OneVsAll
from hearwhy.training.fitting import Best, Checkpoint, Progress
from hearwhy.training.separation_losses import clustering_loss, counted_bins, distortion, mask_loss, roll_loss
from hearwhy.training.separation_songs import Batch, Cut, Songs

CHECKED_PER_SONG = 2  # snippets of every validation song, the same after every epoch


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a separation network is trained.

    Parameters
    ----------
    epochs, per_song
        How many epochs, and snippets of every song in one.
    batch_size
        Snippets at a time.
    learning_rate
        Of AdamW: it rises for a twentieth of all steps and falls to 0 as a half cosine.
    steepest
        The gradient of a network is scaled down to this length where it is longer.
    distortion, clustering, transcription
        Weights of these losses beside the masks' distance to their target.
    """

    epochs: int = 16
    per_song: int = 4
    batch_size: int = 8
    learning_rate: float = 3e-3
    steepest: float = 1.0
    distortion: float = 0.1
    clustering: float = 0.1
    transcription: float = 0.1

    def rate(self, done: float) -> float:
        """Return the learning rate after a share of all steps, 0 to 1."""
        return self.learning_rate * min(1.0, 0.02 + done / 0.05) * 0.5 * (1 + math.cos(math.pi * done))


def fit_separation(
    network: nn.Module,
    sets: tuple[Songs, Songs],
    schedule: Schedule,
    *,
    seed: int = 0,
    checkpoint: Checkpoint,
    progress: Progress | None = None,
) -> Best:
    """Fit the network, leave in it the weights of the best epoch on the songs held out, and return that epoch.

    Parameters
    ----------
    network
        A separation network (`hearwhy.networks`), on the device where it shall be fitted; it is changed.
    sets
        The songs that it learns from, and those held out, on which the best epoch is chosen by the masks' loss.
    schedule
        How long and how fast.
    seed
        Of snippets and dropout: epoch k depends on (seed, k) and the weights alone.
    checkpoint
        Where it goes on from, and is written after every epoch.
    progress
        Told (epochs done, epochs in all).

    Raises
    ------
    ValueError
        The checkpoint is damaged, or of a training of something else.
    FloatingPointError
        The loss became NaN or infinite.
    """
    train, held_out = sets
    optimiser = torch.optim.AdamW(network.parameters(), lr=schedule.learning_rate)
    done, best = checkpoint.read(network, optimiser)
    check = held_out.draw(np.random.default_rng([seed, 1]), CHECKED_PER_SONG)
    for epoch in range(done + 1, schedule.epochs + 1):
        learned = _train_epoch(network, optimiser, train, schedule, (seed, epoch))
        loss = held_out_loss(network, held_out, check, schedule)
        curve = (*best.curve, (learned, 0.0, loss))  # no share of clips is right here
        if best.beaten_by(0.0, loss, by="loss"):  # a copy: the weights go on changing with the next step
            best = Best(epoch, 0.0, loss, copy.deepcopy(network.state_dict()))
        best = replace(best, curve=curve)
        checkpoint.write(network, optimiser, epoch, best)
        if progress:
            progress(epoch, schedule.epochs)
    network.load_state_dict(best.weights)
    network.eval()
    return best


def _train_epoch(
    network: nn.Module, optimiser: torch.optim.Optimizer, songs: Songs, schedule: Schedule, number: tuple[int, int]
) -> float:
    """Go once through the songs and return the mean loss; `number` is (seed, epoch)."""
    rng = np.random.default_rng([number[0], 0, number[1]])
    device = next(network.parameters()).device
    cuts = songs.draw(rng, schedule.per_song)
    n_steps = math.ceil(len(cuts) / schedule.batch_size)
    network.train()
    total = 0.0
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):  # dropout draws from the global generator
        torch.manual_seed(int(rng.integers(2**62)))
        for step, batch in enumerate(songs.batches(cuts, schedule.batch_size)):
            for group in optimiser.param_groups:
                group["lr"] = schedule.rate((number[1] - 1 + step / n_steps) / schedule.epochs)
            loss = snippet_loss(network, batch, schedule)
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"The loss is {loss.item()} in epoch {number[1]}; check the songs, or train another seed."
                )
            optimiser.zero_grad()
            loss.backward()
            for part in network.values() if isinstance(network, OneVsAll) else (network,):
                nn.utils.clip_grad_norm_(part.parameters(), schedule.steepest)
            optimiser.step()
            total += loss.item() / n_steps
    return total


def snippet_loss(network: Any, batch: Batch, schedule: Schedule) -> Float[Tensor, ""]:
    """Return the weighted sum of the losses of the heads that the network has."""
    device = next(network.parameters()).device
    sources = batch.sources.to(device)
    mix = sources.sum(dim=1)
    heard = network.with_heads(batch.features.to(device))
    loss = mask_loss(heard.masks, sources, mix) + schedule.distortion * distortion(heard.masks, sources, mix)
    if heard.embedding is not None:
        loudest = sources[:, :, :-1, ::EVERY].abs().argmax(dim=1)
        counted = counted_bins(mix[:, :-1].abs())[..., ::EVERY]
        loss = loss + schedule.clustering * clustering_loss(heard.embedding, loudest, counted)
    if heard.rolls is not None and batch.held is not None:
        loss = loss + schedule.transcription * roll_loss(heard.rolls, batch.held.to(device))
    return loss


@torch.no_grad()
def held_out_loss(network: nn.Module, songs: Songs, cuts: Sequence[Cut], schedule: Schedule) -> float:
    """Return the mean loss of the masks alone: the other heads are there to help them."""
    network.eval()
    device = next(network.parameters()).device
    losses = []
    for batch in songs.batches(cuts, schedule.batch_size):
        sources, masks = batch.sources.to(device), network(batch.features.to(device))
        mix = sources.sum(dim=1)
        loss = mask_loss(masks, sources, mix) + schedule.distortion * distortion(masks, sources, mix)
        losses.append(float(loss) * len(sources))
    return sum(losses) / len(cuts)
