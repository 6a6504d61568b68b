"""Torch files as classifiers: ``torch:FILE`` for what `torch.export.save` (.pt2) and `torch.jit.save` (TorchScript) wrote.

The two are told apart by their content, whatever they are called. What a file does not say of itself stands in the TOML
beside it, or as JSON in its extra file "hearwhy", as in ``torch.export.save(program, "dog.pt2", extra_files={"hearwhy":
json.dumps({"sample_rate": 16000, "labels": ["dog", "rain"], "window_s": 1.0, "input": "batch time"})})``.

Files are not trusted. Reading an exported program with torch alone unpickles parts of it and evaluates others as Python, so
torch is given a vetted copy (`hearwhy.classifiers.torch_archive`): pickles, compiled libraries, sizes that are no arithmetic
and operators that are not registered are refused in words. TorchScript has no Python in it, and files that name operators
on files are refused; still, it is a program, and may take all the time and memory there is. A pickled module or state_dict
is refused.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hearwhy.classifiers.batches import BatchSizes, in_batches
from hearwhy.classifiers.description import Description, check_file, describe, described, file_fingerprint
from hearwhy.classifiers.sizes import check_sizes
from hearwhy.classifiers.torch_archive import REMEDY, kind_of, vetted
from hearwhy.classifiers.trial import check_run, reason
from hearwhy.types import Classifier

TRAINED = "was saved in train mode, where answers change from call to call; call network.eval() and save it again"


class ExportedNetwork(torch.nn.Module):
    """An exported program as a module that stays where it was exported; gradients pass through.

    Parameters
    ----------
    program
        What `torch.export.load` gave.
    sizes
        How many sounds at a time it takes.
    axis
        Where the batch stands in what it takes.
    name
        What to call it in an error.
    """

    def __init__(self, program: torch.export.ExportedProgram, *, sizes: BatchSizes, axis: int, name: str) -> None:
        super().__init__()
        taken = _taken(program)
        self.precision, self.device, self.name = taken.dtype, taken.device, name
        self.sizes, self.axis = sizes, axis
        module = program.module()
        for weight in module.parameters():
            weight.requires_grad_(False)
        self._run = [module]  # in a list, so that no mode or device is set on it: an exported program has none to set
        self.eval()

    def to(self, device: Any) -> ExportedNetwork:  # type: ignore[override]
        """Return it as it is, or raise ValueError where it was exported on another device."""
        if torch.device(device).type != self.device.type:
            raise ValueError(f"{self.name} was exported on {self.device.type} and stays there: give device "
                             f"{self.device.type}, or export the network on {device}, or as TorchScript.")  # fmt: skip
        return self

    def forward(self, given: Tensor) -> Any:
        """Return the program's answers."""
        try:
            return in_batches(self._run[0], given, self.sizes, axis=self.axis)
        except (AssertionError, RuntimeError) as error:  # a guard on sizes that were set when it was exported
            if not re.search(r"Guard failed|Expected input", str(error)):
                raise
            raise ValueError(f"{self.name} was exported for other sizes than {tuple(given.shape)}: {error}.") from error


def load(argument: str) -> Classifier:
    """Return the classifier in a file of torch.

    Audio goes in as the description says and in the precision of the network's weights; half-precision answers come back
    float32. An exported batch size is kept: sounds go in by so many, the last are filled up and the filling is dropped.
    TorchScript saved in train mode is set to eval mode.

    Parameters
    ----------
    argument
        Path of the file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no exported program or TorchScript, is not safe to read, was exported in train mode, or contradicts its
        description.
    """
    path = check_file(argument, "torch")
    kind = kind_of(path)
    copy, extra = vetted(path, kind)
    told = describe(path, extra)
    with _quiet():
        network = _exported(copy, told, path) if kind == "export" else _scripted(copy, path)
    classifier = described(network, told, name=f"torch:{path.name}", fingerprint=file_fingerprint(path, told=told))
    check_run(classifier, told, path)
    return classifier


@contextmanager
def _quiet() -> Iterator[None]:
    """What torch says while it reads: that TorchScript will go one day, and its errors twice, once as a log."""
    log = logging.getLogger("torch.export")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated", category=DeprecationWarning)
            yield
    finally:
        log.setLevel(before)


def _exported(copy: Any, told: Description, path: Path) -> torch.nn.Module:
    try:
        program = torch.export.load(copy)
    except Exception as error:  # torch raises whatever it meets
        raise ValueError(
            f"{path} cannot be read as an exported program ({reason(error)}); {REMEDY} with this torch."
        ) from error
    if len(program.graph_signature.user_inputs) != 1:
        names = ", ".join(str(name) for name in program.graph_signature.user_inputs)
        raise ValueError(f"{path} takes {names}; export a network that takes one tensor.")
    for node in program.graph.nodes:
        if _trains(node):
            raise ValueError(f"{path} {TRAINED} ({node.name}).")
    taken = _taken(program)
    if not taken.dtype.is_floating_point:
        raise ValueError(f"{path} takes {taken.dtype} numbers; export a network that takes float audio or features.")
    axis = told.layout.split().index("batch")
    answers = _answered(program)
    unknown: list[int | None] = [None] * len(told.output.split())
    check_sizes(path, told, _fixed(taken.shape), unknown if answers is None else _fixed(answers.shape))
    return ExportedNetwork(program, sizes=_batch_sizes(program, taken.shape[axis]), axis=axis, name=f"torch:{path.name}")


def _fixed(shape: Any) -> list[int | None]:
    return [size if isinstance(size, int) else None for size in shape]


def _taken(program: torch.export.ExportedProgram) -> Any:
    """What it takes, as a tensor without numbers."""
    wanted = program.graph_signature.user_inputs[0]
    return next(node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name == wanted)


def _answered(program: torch.export.ExportedProgram) -> Any:
    """What it gives, as a tensor without numbers; None where it gives several things."""
    names = program.graph_signature.user_outputs
    if len(names) != 1:
        return None
    return next((node.meta.get("val") for node in program.graph.nodes if node.name == names[0]), None)


def _trains(node: Any) -> bool:
    """Whether an operator does something else in training than afterwards."""
    called = str(node.target).removeprefix("aten.").partition(".")[0]
    if called in ("dropout", "feature_dropout", "alpha_dropout"):
        return bool(node.args[2]) and node.args[1] > 0
    return called == "batch_norm" and bool(node.args[5])


def _batch_sizes(program: torch.export.ExportedProgram, size: Any) -> BatchSizes:
    if isinstance(size, int):
        return BatchSizes(size, size)
    bounds = program.range_constraints.get(size.node.expr)
    if bounds is None:
        return BatchSizes()
    upper = bounds.upper
    return BatchSizes(max(1, int(bounds.lower)), int(upper) if upper.is_finite and upper.is_Integer else None)


def _scripted(copy: Any, path: Path) -> torch.nn.Module:
    try:
        network = torch.jit.load(copy, map_location="cpu")
    except RuntimeError as error:
        unknown = re.search(r"Unknown builtin op: ([\w:]+)", str(error))
        why = f"it needs the operator {unknown.group(1)}, which is not registered here" if unknown else reason(error)
        raise ValueError(f"{path} cannot be read as TorchScript ({why}); {REMEDY} instead.") from error
    network.eval()
    graph = network.inlined_graph  # its nodes live only as long as it does
    for operator, flag in (("aten::dropout", 2), ("aten::batch_norm", 5)):
        for node in graph.findAllNodes(operator, True):
            if list(node.inputs())[flag].toIValue():  # traced: a constant, which eval mode does not reach
                raise ValueError(f"{path} {TRAINED} ({operator.removeprefix('aten::')}).")
    for weight in network.parameters():
        weight.requires_grad_(False)
    return network
