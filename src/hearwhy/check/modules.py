"""Modules: is every one used once, and no activation called as a function? Methods that hook modules need both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from hearwhy.check.findings import Finding
from hearwhy.check.subject import Subject
from hearwhy.classifiers.callable import classifier_module

HOOKING = ("deep_shap", "lrp", "guided_backprop")
"""Methods that change what modules do on the way back, and so must see each use of each by itself."""
HARMLESS = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Flatten, nn.Unflatten)  # nothing to hook in them
NON_LINEAR = frozenset({
    "relu", "relu_", "relu6", "leaky_relu", "elu", "gelu", "silu", "mish", "softplus", "hardtanh", "tanh", "sigmoid",
    "max_pool1d", "max_pool2d", "max_pool1d_with_indices", "max_pool2d_with_indices", "adaptive_max_pool1d",
    "adaptive_max_pool2d",
})  # fmt: skip


def module_uses(subject: Subject) -> Finding:
    """Return which modules are used more than once in a forward pass, and which activations are no modules."""
    network = classifier_module(subject.classifier)
    names = {} if network is None else _leaves(network)
    if not names:
        text = "What is inside the model cannot be seen, so methods that look inside cannot be used; kernel_shap can."
        return Finding("modules", "not possible", text, limits=("network", *HOOKING))
    uses, functions = _uses(subject, names)
    found = []
    if uses:
        name, n = uses.most_common(1)[0]
        others = f", and {len(uses) - 1} more modules are used more than once" if len(uses) > 1 else ""
        found.append(f"Module {name} is used {n} times{others}.")
    if functions:
        called = ", ".join(f"{name} ({n} times)" if n > 1 else name for name, n in functions.most_common(4))
        found.append(f"Called as a function, not as a module: {called}.")
    if not found:
        text = "Every module is used once and every activation is a module: methods that hook modules see all of them."
        return Finding("modules", "passed", text, 0)
    found.append(f"Methods that hook modules ({', '.join(HOOKING)}) would mix up or miss such uses: give each its own module.")
    return Finding("modules", "warning", " ".join(found), sum(uses.values()) + sum(functions.values()), HOOKING)


def _leaves(network: nn.Module) -> dict[str, nn.Module]:
    return {
        name or "the model": module
        for name, module in network.named_modules()
        if not any(True for _ in module.children()) and not isinstance(module, (torch.jit.ScriptModule, *HARMLESS))
    }


class _Calls(TorchFunctionMode):
    """Counts calls of non-linear functions while `inside()` is false."""

    def __init__(self, inside: Callable[[], bool]) -> None:
        super().__init__()
        self.inside, self.counts = inside, Counter[str]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in NON_LINEAR and not self.inside():
            self.counts[name.removesuffix("_")] += 1
        return func(*args, **(kwargs or {}))


def _uses(subject: Subject, names: dict[str, nn.Module]) -> tuple[Counter[str], Counter[str]]:
    """Uses of modules that are used more than once, and calls of non-linear functions outside of modules."""
    with _counted(names) as (uses, inside), _Calls(inside) as calls:
        subject.ask(subject.clip)
    return Counter({name: n for name, n in uses.items() if n > 1}), calls.counts


@contextmanager
def _counted(names: dict[str, nn.Module]) -> Iterator[tuple[Counter[str], Callable[[], bool]]]:
    uses, depth, handles = Counter[str](), [0], []

    def enter(name: str) -> None:
        uses[name] += 1
        depth[0] += 1

    def leave() -> None:
        depth[0] -= 1

    for name, module in names.items():
        handles.append(module.register_forward_pre_hook(lambda *_, n=name: enter(n)))
        handles.append(module.register_forward_hook(lambda *_: leave()))
    try:
        yield uses, lambda: depth[0] > 0
    finally:
        for handle in handles:
            handle.remove()
