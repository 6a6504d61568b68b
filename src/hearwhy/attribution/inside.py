"""Inside: what a method that looks into a network is given, and small pieces that such methods share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

MAX_ITEMS = 16  # spectrograms a batch of forward and backward passes: what a network of Cnn14's size needs 1.6 GB for


@dataclass(frozen=True, eq=False)
class Network:
    """A network behind its front end, and the scores that are explained.

    Parameters
    ----------
    scores
        Features (batch, freq, frame) to scores (batch, target); a module that holds the network, so that captum finds its
        layers.
    module
        The network itself: its layers can be hooked.
    floor
        Features of silence, (freq, frame): what "nothing" is.
    background
        Features of other recordings, (row, freq, frame): what "something else" is; the floor alone where none are given.
    n_targets
        How many scores there are.
    """

    scores: nn.Module
    module: nn.Module
    floor: Float[Tensor, "freq frame"]
    background: Float[Tensor, "row freq frame"]
    n_targets: int


class Scores(nn.Module):
    """A network and a function of its answers as one module.

    Parameters
    ----------
    module
        The network; held so that its layers are found.
    answers
        Features (batch, freq, frame) to the model's own numbers (batch, label).
    score
        Those to scores (batch, target).
    """

    def __init__(self, module: nn.Module, *, answers: Callable[[Tensor], Tensor], score: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.module, self._answers, self._score = module, answers, score

    def forward(self, features: Float[Tensor, "batch freq frame"]) -> Float[Tensor, "batch target"]:
        """Return the scores."""
        return self._score(self._answers(features))


def slopes(network: Network, features: Float[Tensor, "batch freq frame"]) -> Float[Tensor, "target batch freq frame"]:
    """Return the gradient of every score in every feature."""
    features = features.detach().requires_grad_(True)
    scores = network.scores(features)
    found = [torch.autograd.grad(scores[:, t].sum(), features, retain_graph=True)[0] for t in range(network.n_targets)]
    return torch.stack(found).detach()


def mean_slope(network: Network, points: Iterator[Tensor]) -> Float[Tensor, "target freq frame"]:
    """Return the mean gradient over batches of points, summed in double precision."""
    total, n = torch.zeros((), dtype=torch.float64), 0
    for batch in points:
        total = total + slopes(network, batch).to(torch.float64).sum(dim=1)
        n += len(batch)
    return (total / n).to(torch.float32)


@contextmanager
def caught(module: nn.Module, hook: Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]) -> Iterator[None]:
    """Call `hook` with what passes through a module, and take it off again whatever happens."""
    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
