"""Classifiers: adapters that turn models people have into the `Classifier` protocol, and the names they go by.

A new kind of model is a file here with a function ``load(argument, **options) -> Classifier`` and a line in `LOADERS` and in
`MODELS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from hearwhy.types import Classifier

__all__ = ["LOADERS", "MODELS", "classifier"]


def classifier(model: str | Callable[..., Any], *, prompts: Sequence[str] = ()) -> Classifier:
    """Return a classifier by name, or made of any callable.

    Parameters
    ----------
    model
        One of the names that ``hearwhy list models`` shows, ``"py:module:attribute"``, or a callable that maps a
        (batch, channel, time) tensor to (batch, label) and carries ``sample_rate`` and ``labels``.
    prompts
        What a model of sound and text (``clap:``) shall tell apart, in words.

    Raises
    ------
    ValueError
        The name is unknown, the callable or the file does not say what is needed, or prompts are given to a model that
        takes none.
    FileNotFoundError
        The model must be fetched first, or there is no such file.
    ImportError
        The library that reads such a model is not installed.
    """
    if not isinstance(model, str):
        from hearwhy.classifiers.callable import checked, from_callable

        return checked(model) if isinstance(model, Classifier) else from_callable(model)
    name, _, argument = model.partition(":")
    if name not in LOADERS:
        raise ValueError(f"There is no model {model!r}; give one of {', '.join(MODELS)}.")
    if prompts and name not in PROMPTED:
        raise ValueError(f"{model} has its own labels and takes no prompts; leave --prompts out.")
    load = importlib.import_module(f"hearwhy.classifiers.{LOADERS[name]}").load
    return load(argument, prompts=tuple(prompts)) if name in PROMPTED else load(argument)


LOADERS = {
    "band": "band",
    "esc10-small": "esc10_small",
    "musicnn": "musicnn",
    "birdnet": "birdnet",
    "hf": "hugging_face",
    "clap": "clap",
    "torch": "torch_file",
    "onnx": "onnx_file",
    "keras": "keras_file",
    "litert": "litert_file",
    "cnn14": "cnn14",
    "cnn10": "cnn14",
    "cnn6": "cnn14",
    "esc-small": "cnn14",
    "conv-lstm": "conv_lstm",
    "py": "callable",
}
"""The module of this folder that loads each kind; nothing is imported before it is asked for."""
PROMPTED = ("clap",)
MODELS = {
    "band": "guitar or piano? A small CNN that was made to listen to the drums",
    "band:bass": "the same network, made to listen to the bass",
    "band:independent": "the same network, trained without a confounder",
    "esc10-small": "which of ESC-10's ten sounds? A small CNN on a mel spectrogram in decibels",
    "esc10-small:stft": "the same on an STFT in decibels",
    "musicnn[:MTT_musicnn|MSD_musicnn|MTT_vgg|MSD_vgg]": "music taggers of 50 tags; `hearwhy fetch musicnn` first",
    "birdnet": "6522 species by their voices; `hearwhy fetch birdnet` first",
    "hf:ID_OR_DIR": "Hugging Face audio classification: AST, wav2vec2, HuBERT, WavLM, Whisper",
    "clap:ID_OR_DIR": "CLAP, a model of sound and text: --prompts says in words what to tell apart",
    "torch:FILE": "a torch.export (.pt2) or TorchScript (.pt) file",
    "onnx:FILE": "an ONNX file",
    "keras:FILE": "a Keras 3 file (.keras)",
    "litert:FILE": "a LiteRT file (.tflite)",
    "cnn14:FILE, cnn10:FILE, cnn6:FILE, esc-small:FILE": "a network that `hearwhy train` made",
    "conv-lstm:FILE": "the MFCC tutorial's Conv2D-LSTM, as `hearwhy train conv-lstm` makes it",
    "py:module:attribute": "any Python callable (batch, channel, time) -> (batch, label)",
}
