"""Networks: copies of a model that forgot what it learnt, whole or layer by layer; the model itself is never touched."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hearwhy.classifiers.callable import classifier_module, name_of
from hearwhy.types import Classifier

MAX_LAYERS = 6  # steps of a cascade; more layers are taken several at a time
NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm)

Ask = Callable[[Classifier], object]
"""Asks a model about the recordings, so that its normalisations see what it will be given."""


@dataclass(frozen=True)
class Layers:
    """The modules of a model that hold weights, from its output to its input, one or several a step.

    Parameters
    ----------
    steps
        Names of the modules that each step of a cascade draws anew besides those of the steps before.
    laws
        How many of them know how to begin anew (``reset_parameters``), and how many have their weights shuffled.
    """

    steps: tuple[tuple[str, ...], ...]
    laws: tuple[int, int]

    def until(self, step: int) -> tuple[str, ...]:
        """Return the names of the first steps' modules."""
        return tuple(name for names in self.steps[:step] for name in names)


def layers(classifier: Classifier, ask: Ask) -> Layers:
    """Return the layers of a model in the order in which they answer, the last first.

    The order is that of the calls while `ask` asks the model; modules that are not seen (weights that are used directly)
    stand where they are registered. A normalisation goes with the layer before it.

    Raises
    ------
    ValueError
        The model is no torch module, or has no weights: it cannot be drawn anew.
    """
    module = classifier_module(classifier)
    if module is None:
        raise ValueError(f"hearwhy sees no torch module in {name_of(classifier)}, so its weights cannot be drawn anew")
    held = {name: part for name, part in module.named_modules() if _learnt(part, module)}
    if not held:
        raise ValueError(f"{name_of(classifier)} holds no weights that could be drawn anew")
    order = _order(held, lambda: ask(classifier))
    groups: list[list[str]] = []
    for name in order:
        if groups and isinstance(held[name], NORMS):
            groups[-1].append(name)
        else:
            groups.append([name])
    resetting = sum(callable(getattr(part, "reset_parameters", None)) for part in held.values())
    return Layers(_steps(groups[::-1]), (resetting, len(held) - resetting))


def randomised(classifier: Classifier, names: Sequence[str], ask: Ask, *, seed: int, number: int) -> Classifier:
    """Return a copy of the model whose modules of these names are as before training; the rest is as it was.

    A module begins anew by its own ``reset_parameters``; where it has none, or where that leaves a weight as it is, the
    weight's own values are shuffled. Statistics of batch normalisations that were drawn anew are estimated on what `ask`
    asks about. Weights that alone are frozen beside others that learn (a front end in the network) stay. The draw depends on
    (seed, number, place of the module) alone, so that the steps of a cascade share their draws.

    Raises
    ------
    ValueError
        The model cannot be copied.
    """
    try:
        twin = copy.deepcopy(classifier)
    except Exception as error:  # every kind of model has its own way of not being copied
        raise ValueError(f"{name_of(classifier)} cannot be copied ({type(error).__name__})") from error
    module = classifier_module(twin)
    assert module is not None
    parts = dict(module.named_modules())
    for place, name in enumerate(parts):
        if name in names:
            _begin_anew(parts[name], _seed(seed, number, place), _frozen_apart(module))
    normal = [parts[name] for name in names if isinstance(parts[name], _BatchNorm)]
    _estimate(normal, lambda: ask(twin))
    return twin


def _learnt(part: nn.Module, module: nn.Module) -> bool:
    apart = _frozen_apart(module)
    return any(weight.requires_grad or not apart for weight in part.parameters(recurse=False))


def _frozen_apart(module: nn.Module) -> bool:
    """Whether some weights learn and others do not: then those that do not are no part of what was learnt."""
    return len({weight.requires_grad for weight in module.parameters()}) > 1


def _order(held: dict[str, nn.Module], ask: Callable[[], object]) -> list[str]:
    """Names in the order of their first call; those never called keep their neighbours before them."""
    seen: list[str] = []
    handles = [
        part.register_forward_pre_hook(lambda *_, n=name: None if n in seen else seen.append(n))
        for name, part in held.items()
        if not isinstance(part, torch.jit.ScriptModule)
    ]
    try:
        ask()
    finally:
        for handle in handles:
            handle.remove()
    order = list(seen)
    names = list(held)
    for i, name in enumerate(names):
        if name not in seen:
            order.insert(order.index(names[i - 1]) + 1 if i else 0, name)
    return order


def _steps(groups: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """At most `MAX_LAYERS` steps, the one at the output alone where there are more layers."""
    n = min(MAX_LAYERS, len(groups))
    edges = [round(i * len(groups) / n) for i in range(n + 1)]
    if len(groups) > n:
        edges[1] = 1
    return tuple(tuple(name for group in groups[a:b] for name in group) for a, b in pairwise(edges))


def _seed(*numbers: int) -> int:
    return int(np.random.default_rng(numbers).integers(2**62))


@torch.no_grad()
def _begin_anew(part: nn.Module, seed: int, apart: bool) -> None:
    own = [weight for weight in part.parameters(recurse=False) if weight.requires_grad or not apart]
    before = [weight.detach().clone() for weight in own]
    devices = [weight.device for weight in own[:1] if weight.device.type == "cuda"]
    reset = getattr(part, "reset_parameters", None)
    with torch.random.fork_rng(devices=devices):  # modules draw from the global generator, which is the user's
        torch.manual_seed(seed)
        if callable(reset):
            reset()
        for weight, old in zip(own, before, strict=True):
            if torch.equal(weight, old):
                weight.copy_(_shuffled(old))


def _shuffled(weight: Tensor) -> Tensor:
    return weight.flatten()[torch.randperm(weight.numel()).to(weight.device)].reshape(weight.shape)


def _estimate(normal: Sequence[nn.Module], ask: Callable[[], object]) -> None:
    """Set the running statistics to those of what is asked about: the plain mean over batches."""
    momenta = [part.momentum for part in normal]
    for part in normal:
        part.momentum = None  # type: ignore[assignment]
        part.train()
    if normal:
        ask()
    for part, momentum in zip(normal, momenta, strict=True):
        part.momentum = momentum
        part.eval()
