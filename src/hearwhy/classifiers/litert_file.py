"""LiteRT files: a TensorFlow Lite model (.tflite) as a classifier, asked through Google's interpreter on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hearwhy.classifiers.batches import BatchSizes, in_batches
from hearwhy.classifiers.description import Description, check_file, describe, described, file_fingerprint
from hearwhy.classifiers.extras import need
from hearwhy.classifiers.sizes import Size, check_given, check_sizes, which_answer
from hearwhy.types import Classifier

IDENTIFIER = b"TFL3"  # bytes 4 to 7 of every such file
QUANTISED = (np.int8, np.uint8, np.int16)


def load(argument: str) -> Classifier:
    """Return the classifier in a .tflite file, described by the TOML beside it.

    It answers as many windows at a time as the file has, mostly one: more at a time is no faster and takes more memory
    (BirdNET, 29 windows at once: 27.5 instead of 28.2 ms a window, 850 instead of 190 MB). It has no slope.

    Parameters
    ----------
    argument
        Path of the file.

    Returns
    -------
    Classifier
        Its answers are the model's own, on as many threads as torch uses. Quantised models are given and give real
        numbers: see `LiteRTNetwork`.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no .tflite file or damaged, needs operations that are not in LiteRT, takes several inputs, or its
        description is missing or does not fit.
    ImportError
        ai-edge-litert is not installed.
    """
    path = check_file(argument, "litert")
    with path.open("rb") as file:
        if file.read(8)[4:] != IDENTIFIER:
            raise ValueError(f"{path} is not a LiteRT file (.tflite); convert the model to one, or give another file.")
    return open_file(path, describe(path), name=f"litert:{path.name}")


def open_file(path: Path, told: Description, *, name: str) -> Classifier:
    """Return the classifier in a .tflite file with its description; errors are those of `load`."""
    network = LiteRTNetwork(path, told)
    check_sizes(path, told, network.takes, network.answers)
    return described(network, told, name=name, fingerprint=file_fingerprint(path, told=told))


class LiteRTNetwork:
    """A LiteRT interpreter of one input as a function of float32 tensors, asked in batches of the size that its file has.

    Quantised numbers q of a file stand for ``scale * (q - zero)``. What it is given is divided by the scale, rounded to
    the nearest (halves to even) and held at the ends of the type's range, as the format has it: sound beyond what the
    quantised input can say is clipped. Its answers are turned back into real numbers.

    Parameters
    ----------
    path
        A .tflite file.
    told
        Its description: which axis is the batch, and which of several answers is meant.

    Raises
    ------
    ValueError
        The interpreter cannot take it, it has several inputs, several answers of which none is named, or other numbers
        than float32 and quantised ones; or, when called, what it is given has not the shape that the file takes.
    """

    def __init__(self, path: Path, told: Description) -> None:
        self.name = path.name
        self._interpreter, self._input, self._output = _ends(path, told)
        self._axis, self._answer_axis = told.layout.split().index("batch"), told.output.split().index("batch")
        self._shape = tuple(int(size) for size in self._input["shape"])
        self._lock = Lock()  # an interpreter answers one at a time

    @property
    def takes(self) -> tuple[Size, ...]:
        """Length of every axis of what it takes; None: any."""
        return _sizes(self._input)

    @property
    def answers(self) -> tuple[Size, ...]:
        """Length of every axis of its answers; None: any."""
        return _sizes(self._output)

    def __call__(self, given: Tensor) -> Tensor:
        """Return the answers to any number of sounds, laid out as the file takes them and answers."""
        size = self.takes[self._axis] or 1
        answers: Tensor = in_batches(self._run, given, BatchSizes(size, size), axis=self._axis)
        return answers.movedim(0, self._answer_axis)

    def _run(self, batch: Tensor) -> Tensor:
        """Return the answers to one batch of the size that the file has, its axis first."""
        check_given(batch.shape, self.takes, self.name)
        given = _quantised(batch.detach().cpu().numpy(), self._input)
        with self._lock:
            if given.shape != self._shape:  # a length that the file leaves open
                self._interpreter.resize_tensor_input(self._input["index"], given.shape, strict=True)
                self._interpreter.allocate_tensors()
                self._shape = given.shape
            self._interpreter.set_tensor(self._input["index"], given)
            self._interpreter.invoke()
            answers = self._interpreter.get_tensor(self._output["index"])
        return torch.from_numpy(_real(answers, self._output)).movedim(self._answer_axis, 0)


def _ends(path: Path, told: Description) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return an interpreter that is ready, its one input and the output that is meant."""
    library = need("ai_edge_litert.interpreter", extra="litert", what="litert:FILE")
    try:
        interpreter = library.Interpreter(model_path=str(path), num_threads=torch.get_num_threads())
    except (ValueError, RuntimeError) as error:
        raise _refusal(path, error) from error
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1:
        names = ", ".join(str(one["name"]) for one in inputs)
        raise ValueError(f"{path} has {len(inputs)} inputs ({names}); hearwhy gives one. Convert the model with one.")
    given, answer = inputs[0], outputs[which_answer(path, told, [str(one["name"]) for one in outputs])]
    for end, what in ((given, "takes"), (answer, "answers")):
        _check_numbers(end, what, path)
    try:
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise _refusal(path, error) from error
    return interpreter, given, answer


def _refusal(path: Path, error: Exception) -> ValueError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ValueError(
        f"LiteRT cannot take {path} ({reason}). Is the file whole? Operations outside LiteRT (custom, or TensorFlow's own, "
        "Flex) are not here: convert the model again with built-in operations only."
    )


def _check_numbers(end: Mapping[str, Any], what: str, path: Path) -> None:
    kind, scales = end["dtype"], end["quantization_parameters"]["scales"]
    if kind is np.float32 or (kind in QUANTISED and len(scales) == 1):
        return
    how = f" quantised with {len(scales)} scales" if kind in QUANTISED else ""
    raise ValueError(
        f"{path} {what} {np.dtype(kind).name} numbers{how}; hearwhy takes float32, or int8, uint8 and int16 with one scale. "
        "Convert the model with float32 inputs and outputs."
    )


def _sizes(detail: Mapping[str, Any]) -> tuple[Size, ...]:
    signature = detail["shape_signature"]
    known = signature if len(signature) == len(detail["shape"]) else detail["shape"]
    return tuple(None if size < 0 else int(size) for size in known)


def _quantised(real: NDArray[Any], detail: Mapping[str, Any]) -> NDArray[Any]:
    kind = detail["dtype"]
    if kind is np.float32:
        return real
    scale, zero = _scale(detail)
    ends = np.iinfo(kind)
    return np.clip(np.rint(real / scale) + zero, ends.min, ends.max).astype(kind)


def _real(answers: NDArray[Any], detail: Mapping[str, Any]) -> NDArray[np.float32]:
    if detail["dtype"] is np.float32:
        return answers
    scale, zero = _scale(detail)
    return (scale * (answers.astype(np.float32) - zero)).astype(np.float32)


def _scale(detail: Mapping[str, Any]) -> tuple[np.float32, int]:
    parameters = detail["quantization_parameters"]
    return np.float32(parameters["scales"][0]), int(parameters["zero_points"][0])
