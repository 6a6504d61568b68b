"""Keras files: a Keras 3 model (.keras) on the torch backend, as a classifier that gradients pass through."""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hearwhy.classifiers.description import Description, check_file, describe, described, file_fingerprint
from hearwhy.classifiers.extras import need
from hearwhy.classifiers.sizes import check_given, check_sizes, which_answer
from hearwhy.types import Classifier

UNSAFE = {
    "__lambda__": "a Lambda layer",
    "TorchModuleWrapper": "a wrapped torch module",
    "TFSMLayer": "a TensorFlow SavedModel",
}
"""What a file can only hold as code, by the class it is stored as."""
IN_PYTHON = "or build the model in Python and give it as py:module:attribute"


def load(argument: str) -> Classifier:
    """Return the classifier in a .keras file, described by the TOML beside it.

    Keras runs on its torch backend, so that gradients reach the audio, and without training: dropout is off and the
    weights are frozen. Layers of lower precision (``mixed_float16``) compute as they were saved, and their answers come
    back as float32. Keras must be on the torch backend in the whole process: where it was not imported before, it is now,
    whatever ``KERAS_BACKEND`` says.

    Parameters
    ----------
    argument
        Path of the file.

    Returns
    -------
    Classifier
        Its answers are the model's own; a model that ends in a softmax or a sigmoid gives probabilities, and its
        description must say so.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is not a .keras file, holds code or a class that is not known here, takes several inputs, or its
        description is missing or does not fit.
    RuntimeError
        Keras was imported before on another backend.
    ImportError
        Keras is not installed.
    """
    path = check_file(argument, "keras")
    _check_safe(_config(path), path)
    told = describe(path)
    keras = _keras()
    model = _model(keras, path)
    answer = which_answer(path, told, _check_ends(model, path))
    check_sizes(path, told, tuple(model.inputs[0].shape), tuple(model.outputs[answer].shape))
    _check_activation(model.outputs[answer], told, path)
    network = KerasNetwork(keras, model, path.name, answer).requires_grad_(False).eval()
    return described(network, told, name=f"keras:{path.name}", fingerprint=file_fingerprint(path, told=told))


class KerasNetwork(nn.Module):
    """A Keras model as a torch module: it moves between devices like one, and answers in float32.

    Parameters
    ----------
    keras
        The library, on its torch backend.
    model
        A Keras model of one input.
    name
        What to call it in an error.
    answer
        Which of its outputs is meant.

    Raises
    ------
    ValueError
        When called: a batch has not the shape that the model was built for. Keras itself would often answer all the same.
    """

    precision = torch.float32
    """What it is given, whatever its weights are: Keras casts by itself."""

    def __init__(self, keras: Any, model: Any, name: str, answer: int = 0) -> None:
        super().__init__()
        self.model, self.name, self.answer = model, name, answer
        self._keras = keras
        self._input = getattr(model, "input", model.inputs[0])  # in a dict, where that is how it is given

    def forward(self, batch: Tensor) -> Tensor:
        """Return the model's answers to a batch, on the batch's device."""
        check_given(batch.shape, (None, *self.model.inputs[0].shape[1:]), self.name)
        tree = self._keras.tree
        named = tree.map_structure(lambda _: batch, self._input)
        with self._keras.device(str(batch.device)):  # Keras would bring everything to a device of its own choice
            answers = self.model(named, training=False)
        return tree.flatten(answers)[self.answer].to(torch.float32)


def _config(path: Path) -> Any:
    """Return what a .keras file says of its layers, without making any."""
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is not a Keras 3 file (.keras). A legacy one (.h5, SavedModel) becomes one in Keras: "
            "keras.saving.load_model(FILE).save('model.keras')."
        ) from error


def _check_safe(config: Any, path: Path) -> None:
    for name in _class_names(config):
        if name in UNSAFE:
            raise ValueError(
                f"{path} holds {UNSAFE[name]}: code that loading it would run, so it is not loaded. Save the model with "
                f"layers of Keras in its place (Rescaling, Normalization, keras.ops), {IN_PYTHON}."
            )


def _class_names(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config["class_name"]
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from _class_names(part)


def _keras() -> Any:
    """Return Keras on its torch backend; the environment stays as it was."""
    before = os.environ.get("KERAS_BACKEND")
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "torch"
    try:
        keras = need("keras", extra="keras", what="keras:FILE")
    finally:
        if before is None:
            os.environ.pop("KERAS_BACKEND", None)
        else:
            os.environ["KERAS_BACKEND"] = before
    backend = keras.config.backend()
    if backend != "torch":
        raise RuntimeError(
            f"Keras is already imported, on its {backend} backend, and keras:FILE needs torch. Start anew with "
            "KERAS_BACKEND=torch in the environment, or load the model before Keras is imported."
        )
    return keras


def _model(keras: Any, path: Path) -> Any:
    try:
        with keras.device("cpu"):
            # safe_mode: nothing in the file is run; compile: what it was trained with does not matter
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its layers raise
        unknown = re.search(r"Could not locate (?:class|function) '([^']+)'", str(error))
        if unknown:
            raise ValueError(
                f"{path} holds {unknown[1]}, which is no part of Keras. Save the model with layers of Keras in its place, "
                f"import what registers {unknown[1]} before the model is loaded, {IN_PYTHON}."
            ) from error
        raise ValueError(
            f"Keras {keras.__version__} cannot load {path} ({type(error).__name__}: {str(error).strip()[:300]}). "
            "Save it again with this version of Keras."
        ) from error
    if not isinstance(model, keras.Model):
        raise ValueError(f"{path} holds a {type(model).__name__}, not a model; save a keras.Model or keras.Sequential.")
    return model


def _check_ends(model: Any, path: Path) -> list[str]:
    """Return what its outputs are called, or raise ValueError where it takes more than one input of floats, or remembers."""
    inputs, outputs = (_names(getattr(model, what, None)) for what in ("inputs", "outputs"))
    if len(inputs) != 1 or not outputs:
        raise ValueError(
            f"{path} has {len(inputs)} inputs ({', '.join(inputs) or 'it does not say of what shape'}); hearwhy gives one. "
            f"Save keras.Model(inputs=..., outputs=...) with one, {IN_PYTHON}."
        )
    kind = model.inputs[0].dtype
    if not kind.startswith(("float", "bfloat")):
        raise ValueError(f"{path} takes {kind} numbers, and sound here is float32 from -1 to 1; save it with a float input.")
    remembers = [layer.name for layer in model._flatten_layers() if getattr(layer, "stateful", False)]
    if remembers:
        raise ValueError(f"{path}: {remembers[0]} is stateful, so that answers change from call to call; make it stateless.")
    return outputs


def _names(ends: Any) -> list[str]:
    return [end._keras_history.operation.name for end in ends or ()]


def _check_activation(output: Any, told: Description, path: Path) -> None:
    last = _last_activation(output)
    if last in ("softmax", "sigmoid") and told.activation != "probability":
        raise ValueError(
            f"{path} ends in a {last} and so gives probabilities, but its description says activation = "
            f"{told.activation!r}, which would be a second one. Say activation = 'probability'; or save the model without "
            "its last activation, to have it explained in log-odds."
        )


def _last_activation(output: Any) -> str | None:
    """Return what an output comes from, "softmax" or "sigmoid" among others; None where its layer does not say."""
    made = output._keras_history
    while getattr(made.operation, "outputs", None):  # a model within a model
        made = made.operation.outputs[made.tensor_index]._keras_history
    last = made.operation
    activation = getattr(last, "activation", None)
    return type(last).__name__.lower() if activation is None else getattr(activation, "__name__", None)
