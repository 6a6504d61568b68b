"""Fitting a network to spectrograms: epochs that depend on (seed, epoch) alone, the best one kept, resumable after any."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

Progress = Callable[[int, int], None]
"""Told (epochs done, epochs in all) after each epoch."""
Augment = Callable[[Tensor, Tensor, np.random.Generator], tuple[Tensor, Tensor]]
"""Clips of a batch and their labels as shares to other clips and shares."""
_WARM = 0.1  # of all steps: the learning rate rises before it falls


@dataclass(frozen=True)
class Protocol:
    """How a network is fitted.

    Parameters
    ----------
    epochs, batch_size
        How often every clip is seen, and how many at a time.
    learning_rate
        Of AdamW (Adam where `weight_decay` is 0); with `falling` it rises for a tenth of all steps, then falls to 0 as a half
        cosine.
    augmentation
        What is done to the clips of every batch.
    l2
        Times the squares of the weights that the network calls its `penalised`, added to the loss.
    best_by
        The best epoch is the one with the most clips right (of those the lowest loss), or with the lowest loss.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    augmentation: Augment
    weight_decay: float = 0.0
    falling: bool = False
    l2: float = 0.0
    best_by: Literal["accuracy", "loss"] = "accuracy"

    def rate(self, step: int, n_steps: int) -> float:
        """Return the learning rate of a step, from 0 on."""
        if not self.falling:
            return self.learning_rate
        warm = max(1, round(_WARM * n_steps))
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, n_steps - warm)))


@dataclass(frozen=True, eq=False)
class Examples:
    """Spectrograms with the number of the label of each, and how many labels there are."""

    features: Float[Tensor, "clip freq frame"]
    labels: Int[Tensor, " clip"]
    n_labels: int

    @property
    def shares(self) -> Float[Tensor, "clip label"]:
        """The labels as shares: 1 for what a clip is, 0 for the rest."""
        return nn.functional.one_hot(self.labels, self.n_labels).float()


@dataclass(frozen=True, eq=False)
class Best:
    """The best epoch so far: its number, its accuracy and loss on the clips held out, and a copy of its weights.

    `curve` holds for every epoch so far the mean loss in training, and accuracy and loss on the clips held out.
    """

    epoch: int
    accuracy: float
    loss: float
    weights: dict[str, Tensor]
    curve: tuple[tuple[float, float, float], ...] = ()

    def beaten_by(self, accuracy: float, loss: float, *, by: Literal["accuracy", "loss"] = "accuracy") -> bool:
        """Whether more clips are right, or as many with a lower loss; by "loss", whether that is lower."""
        return loss < self.loss if by == "loss" else (accuracy, -loss) > (self.accuracy, -self.loss)


@dataclass(frozen=True)
class Checkpoint:
    """The file that a training is written to after every epoch, so that it can go on.

    Parameters
    ----------
    path
        Where it lies.
    identity
        What the training is of; a file that was written under another identity is refused.
    """

    path: Path
    identity: str

    def write(self, network: nn.Module, optimiser: torch.optim.Optimizer, epoch: int, best: Best) -> None:
        """Write everything that the next epoch depends on, whole or not at all."""
        held = {"identity": self.identity, "epoch": epoch, "best": vars(best)}
        temporary = self.path.with_name(f".{self.path.name}.unfinished")
        torch.save({**held, "network": network.state_dict(), "optimiser": optimiser.state_dict()}, temporary)
        temporary.replace(self.path)

    def read(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[int, Best]:
        """Put the network and the optimiser where they were, and return the last epoch and the best one; (0, none) at first.

        Raises
        ------
        ValueError
            The file is damaged, or of a training of something else.
        """
        if not self.path.exists():
            return 0, Best(0, -1.0, math.inf, {})
        try:
            held = torch.load(self.path, map_location="cpu", weights_only=True)
            identity = held["identity"]
        except Exception as error:  # a damaged file raises what it likes
            raise ValueError(f"{self.path} is damaged ({type(error).__name__}); delete it to begin anew.") from error
        if identity != self.identity:
            raise ValueError(
                f"{self.path} is an unfinished training with other settings or other clips; give those, or delete it to "
                "begin anew."
            )
        network.load_state_dict(held["network"])
        optimiser.load_state_dict(held["optimiser"])
        return held["epoch"], Best(**held["best"])


def fit(
    network: nn.Module,
    sets: tuple[Examples, Examples],
    protocol: Protocol,
    *,
    seed: int = 0,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> Best:
    """Fit the network, leave in it the weights of the best epoch on the clips held out, and return that epoch.

    Parameters
    ----------
    network
        Spectrograms to logits, on the device where it shall be fitted; it is changed.
    sets
        What it learns from, and the clips held out, on which the best epoch is chosen.
    protocol
        How it is fitted.
    seed
        Of the order of the clips, the augmentation and the dropout: epoch k depends on (seed, k) and the weights alone.
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
    optimiser = torch.optim.AdamW(network.parameters(), lr=protocol.learning_rate, weight_decay=protocol.weight_decay)
    done, best = (0, Best(0, -1.0, math.inf, {})) if checkpoint is None else checkpoint.read(network, optimiser)
    for epoch in range(done + 1, protocol.epochs + 1):
        learned = _train_epoch(network, optimiser, train, protocol, (seed, epoch))
        accuracy, loss = grade(network, held_out)
        curve = (*best.curve, (learned, accuracy, loss))
        if best.beaten_by(accuracy, loss, by=protocol.best_by):  # a copy: the weights go on changing with the next step
            best = Best(epoch, accuracy, loss, copy.deepcopy(network.state_dict()))
        best = replace(best, curve=curve)
        if checkpoint is not None:
            checkpoint.write(network, optimiser, epoch, best)
        if progress:
            progress(epoch, protocol.epochs)
    network.load_state_dict(best.weights)
    network.eval()
    return best


def _train_epoch(
    network: nn.Module, optimiser: torch.optim.Optimizer, train: Examples, protocol: Protocol, number: tuple[int, int]
) -> float:
    """Go once through the clips and return the mean loss; `number` is (seed, epoch)."""
    rng = np.random.default_rng(number)
    device = next(network.parameters()).device
    batches = torch.from_numpy(rng.permutation(len(train.labels))).split(protocol.batch_size)
    n_before = (number[1] - 1) * len(batches)
    network.train()
    losses = []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):  # dropout draws from the global generator
        torch.manual_seed(int(rng.integers(2**62)))
        for step, batch in enumerate(batches, start=n_before):
            for group in optimiser.param_groups:
                group["lr"] = protocol.rate(step, protocol.epochs * len(batches))
            features, shares = protocol.augmentation(train.features[batch], train.shares[batch], rng)
            loss = nn.functional.cross_entropy(network(features.to(device)), shares.to(device))
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"The loss is {loss.item()} in epoch {number[1]}; check the clips, or train another seed."
                )
            losses.append(loss.item() * len(batch))
            if protocol.l2:
                penalised: Any = network.penalised
                loss = loss + protocol.l2 * sum(weight.square().sum() for weight in penalised)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return sum(losses) / len(train.labels)


@torch.no_grad()
def logits_of(network: nn.Module, examples: Examples, *, batch_size: int = 32) -> Float[Tensor, "clip label"]:
    """Return the network's logits for all clips, in eval mode."""
    network.eval()
    device = next(network.parameters()).device
    return torch.cat([network(batch.to(device)).float().cpu() for batch in examples.features.split(batch_size)])


def grade(network: nn.Module, examples: Examples) -> tuple[float, float]:
    """Return the share of clips that the network is right about, and its mean cross-entropy in nats."""
    logits = logits_of(network, examples)
    loss = nn.functional.cross_entropy(logits, examples.labels)
    return float((logits.argmax(dim=1) == examples.labels).float().mean()), float(loss)
