"""The culprit: which module's backward pass is wrong, where the gradient of a whole network is."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from hearwhy.check.differences import central, disagreement

STEP = 1e-6  # of the input's norm, in double precision: far below where kinks are, far above rounding
# Where inputs tie (silence), these have no one slope, and none of theirs is wrong.
TIES = (nn.ReLU, nn.LeakyReLU, nn.MaxPool1d, nn.MaxPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d)
GUILTY = 0.05  # modules that are right agree to 1e-4 here, those that are wrong miss everything


@dataclass(eq=False)
class _Seen:
    """What one module was given, and the slope that came back to what it answered."""

    name: str
    module: nn.Module
    given: Tensor
    slope: list[Tensor] = field(default_factory=list)


def culprit(network: nn.Module, slope: Callable[[], object]) -> str | None:
    """Return which module's backward pass disagrees with finite differences, and what to do; None where none is found.

    Every module without modules inside is run again on what it was given, with the very slope (its memory layout
    included) that reached it, and its part of the backward pass compared with central differences in double precision.

    Parameters
    ----------
    network
        What is watched.
    slope
        Runs the network forward and backward once.
    """
    with _watched(network) as seen:
        slope()
    wrong = [(error, one) for one in seen if one.slope and (error := _error(one)) is not None and error > GUILTY]
    if not wrong:
        return None
    error, worst = max(wrong, key=lambda pair: pair[0])
    return f"layer {worst.name} ({type(worst.module).__name__}): {_remedy(worst, error)}"


@contextmanager
def _watched(network: nn.Module) -> Iterator[list[_Seen]]:
    seen: list[_Seen] = []
    names: set[str] = set()

    def before(name: str, module: nn.Module, given: tuple[object, ...]) -> None:
        if name not in names and len(given) == 1 and isinstance(given[0], Tensor) and given[0].is_floating_point():
            names.add(name)
            seen.append(_Seen(name, module, given[0].detach().clone()))  # a copy: ReLU may work in place

    def after(name: str, answer: object) -> None:
        mine = next((one for one in reversed(seen) if one.name == name), None)
        if mine is not None and not mine.slope and isinstance(answer, Tensor) and answer.requires_grad:
            answer.register_hook(mine.slope.append)

    handles = []
    for name, module in network.named_modules():
        if not any(True for _ in module.children()) and not isinstance(module, (torch.jit.ScriptModule, *TIES)):
            handles.append(module.register_forward_pre_hook(lambda m, given, n=name: before(n, m, given)))
            handles.append(module.register_forward_hook(lambda m, given, answer, n=name: after(n, answer)))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _error(one: _Seen) -> float | None:
    """Disagreement of one module's backward pass; None where it cannot be run by itself."""
    given = one.given.requires_grad_(True)
    try:
        (found,) = torch.autograd.grad(one.module(given), given, one.slope[0])
        twin, weights = copy.deepcopy(one.module).double(), one.slope[0].double()
        at = given.detach().double()
        noise = torch.randn(at.shape, generator=torch.Generator().manual_seed(0)).to(at)
        ways = torch.stack([way / way.norm().clamp(min=1e-300) for way in (found.double(), noise)])
        with torch.no_grad():
            step = STEP * float(at.norm().clamp(min=1e-12))
            differences = central(lambda points: _each(twin, points, weights), at, ways, step)
    except Exception:  # a module that needs more than its input
        return None
    slopes = (ways * found.double()).flatten(1).sum(dim=1, keepdim=True).cpu()
    return float(disagreement(slopes, differences))


def _each(module: nn.Module, points: Tensor, weights: Tensor) -> Tensor:
    return torch.stack([(module(point.clone()) * weights).sum().reshape(1) for point in points])


def _remedy(one: _Seen, error: float) -> str:
    if isinstance(one.module, nn.BatchNorm2d) and 1 in one.given.shape[2:]:
        # Such an input counts as contiguous whatever its strides, so that .contiguous() leaves it as it is.
        return ("torch's backward is wrong on this device for a transposed input with an axis of length one. Normalise "
                "over (batch, feature, frame) with BatchNorm1d, give it x.contiguous(memory_format=torch.channels_last) "
                "(a plain .contiguous() changes nothing), or try another torch version")  # fmt: skip
    return f"its backward pass misses finite differences by {100 * error:.0f} %; replace it, or try another torch version"
