"""ONNX files as classifiers: ``onnx:FILE``, run by onnxruntime on the CPU.

What a file does not say of itself stands in the TOML beside it, or as JSON under "hearwhy" in its metadata, as in
``onnx.helper.set_model_props(model, {"hearwhy": json.dumps({"sample_rate": 16000, "labels": ["dog", "rain"]})})``. A file on
spectrograms names its front end there. It has no slope: gradient methods say so.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hearwhy.classifiers.batches import BatchSizes, in_batches
from hearwhy.classifiers.description import Description, check_file, describe, described, file_fingerprint
from hearwhy.classifiers.extras import need
from hearwhy.classifiers.sizes import Size, check_sizes
from hearwhy.classifiers.trial import check_run, reason
from hearwhy.types import Classifier

PRECISIONS = {"tensor(float)": torch.float32, "tensor(double)": torch.float64, "tensor(float16)": torch.float16}
REMEDIES = (
    (r"not a registered function/op|No Op registered|NOT_IMPLEMENTED",
     "it needs an operator that onnxruntime does not have: export it with standard operators, at an opset that "
     "onnxruntime knows"),
    (r"opset|IR version", "it was made for a newer ONNX: update onnxruntime, or export it with an older opset"),
    (r"External data path", "its weights lie in a file of their own, which must lie where it was exported to, beside it"),
    (r"(?i)protobuf|no graph", "is it an ONNX file, and whole?"),
)  # fmt: skip
"""What to do about what onnxruntime says."""
EXTERNAL = re.compile(rb"\x0a\x08location\x12(.)([^\x00]+)", re.DOTALL)
"""Where a file says that its weights lie elsewhere: the key, the length of the name, the name."""


class OnnxNetwork:
    """An ONNX file of one input as a function of tensors: on the CPU, on as many threads as torch has, without a slope.

    It is given what it takes in the file's own precision (float16, float32 or float64); half-precision answers come back
    float32. A fixed batch size is kept: sounds go in by so many, the last are filled up and the filling is dropped.

    Parameters
    ----------
    session
        What onnxruntime made of the file.
    path
        The file, to be named.
    told
        Its description: which axis is the batch, and which of several answers is meant.

    Raises
    ------
    ValueError
        It takes several things or no floats, or gives several things of which none is named.
    """

    def __init__(self, session: Any, path: Path, told: Description) -> None:
        self._session = session
        self._input = _only_input(session, path)
        self._output = _output(session, told.answer, path)
        self._axis = told.layout.split().index("batch")
        size = self.takes[self._axis] if len(self.takes) > self._axis else None
        self._sizes = BatchSizes(size, size) if size else BatchSizes()

    @property
    def takes(self) -> tuple[Size, ...]:
        """Length of every axis of what it takes; None: any. Empty where the file does not say."""
        return _sizes(self._input)

    @property
    def answers(self) -> tuple[Size, ...]:
        """Length of every axis of its answers; None: any. Empty where the file does not say."""
        return _sizes(self._output)

    def __call__(self, given: Tensor) -> Tensor:
        """Return the file's answers."""
        cast = given.detach().to("cpu", PRECISIONS[self._input.type])
        answers: Tensor = in_batches(self._run, cast, self._sizes, axis=self._axis)
        return answers.float() if answers.dtype == torch.float16 else answers

    def _run(self, batch: Tensor) -> Tensor:
        (answers,) = self._session.run([self._output.name], {self._input.name: batch.contiguous().numpy()})
        return torch.from_numpy(answers)


def load(argument: str) -> Classifier:
    """Return the classifier in an ONNX file.

    Parameters
    ----------
    argument
        Path of the file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no ONNX file that onnxruntime can run, takes several inputs, gives several answers of which the description
        names none, or contradicts its description.
    ImportError
        onnxruntime is not installed.
    """
    path = check_file(argument, "onnx")
    session = _session(path)
    told = describe(path, session.get_modelmeta().custom_metadata_map)
    network = OnnxNetwork(session, path, told)
    # a file need not say its sizes: then the trial finds out
    check_sizes(path, told, network.takes or _any(told.layout), network.answers or _any(told.output))
    fingerprint = file_fingerprint(path, *external_data(path), told=told)
    classifier = described(network, told, name=f"onnx:{path.name}", fingerprint=fingerprint)
    check_run(classifier, told, path)
    return classifier


def external_data(path: Path) -> list[Path]:
    """Return the files beside an ONNX file in which it keeps weights, in order of their names."""
    names = {name[: length[0]].decode("utf-8", "replace") for length, name in EXTERNAL.findall(path.read_bytes())}
    return [path.parent / name for name in sorted(names) if (path.parent / name).is_file()]


def _session(path: Path) -> Any:
    library = need("onnxruntime", extra="onnx", what="onnx:FILE")
    options = library.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it logs it raises too
    try:
        return library.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own, which share no base class
        said = str(error)
        remedy = next((words for pattern, words in REMEDIES if re.search(pattern, said)), "export it again")
        why = reason(error).partition("failed:")[2] or reason(error)
        raise ValueError(f"onnxruntime {library.__version__} cannot read {path}: {remedy} ({why}).") from error


def _only_input(session: Any, path: Path) -> Any:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
        raise ValueError(
            f"{path} takes {len(inputs)} things ({names}), and hearwhy has audio or its features to give, one tensor. Export "
            "the model with the others fixed inside."
        )
    if inputs[0].type not in PRECISIONS:
        raise ValueError(f"{path} takes {inputs[0].name} as {inputs[0].type}; export it to take float audio or features.")
    return inputs[0]


def _output(session: Any, answer: str, path: Path) -> Any:
    """Return the output that the description names, by name or position, or the only one."""
    outputs = session.get_outputs()
    named = {str(at): one for at, one in enumerate(outputs)} | {one.name: one for one in outputs}
    if answer in named:
        return named[answer]
    if len(outputs) == 1 and not answer:
        return outputs[0]
    names = ", ".join(f"{one.name} {one.shape}" for one in outputs)
    wrong = f"has no answer {answer!r}; it has" if answer else f"gives {len(outputs)} things,"
    raise ValueError(
        f'{path} {wrong} {names}. Name the one that is meant in its description, as in answer = "{outputs[0].name}".'
    )


def _sizes(value: Any) -> tuple[Size, ...]:
    return tuple(size if isinstance(size, int) else None for size in value.shape)


def _any(layout: str) -> tuple[Size, ...]:
    return (None,) * len(layout.split())
