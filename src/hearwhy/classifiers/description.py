"""Descriptions: what a model file does not say of itself, in a small TOML beside it or as JSON inside it.

``model.onnx`` is described by ``model.toml``::

    sample_rate = 16000
    labels = ["dog", "rain"]        # or the name of a text file with a label a line
    activation = "softmax"          # or "sigmoid", "probability"
    window_s = 1.0                  # leave it out where any length is taken
    input = "batch time"            # the axes of what the model takes, 1 for an axis of length one
    output = "batch label"          # or with a frame, for models that answer frame by frame
    answer = "logits"               # only where the model gives several things: which of them

    [front_end]                     # only where the model takes spectrograms
    kind = "log_mel"
    n_fft = 512
    hop_length = 256
    n_mels = 64
    norm = "none"                   # LogMel's None; f_max is left out for it
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from hearwhy.classifiers.callable import ACTIVATIONS, CallableClassifier, checked
from hearwhy.classifiers.layout import ANSWERS, AUDIO, FEATURES, FRAME_ANSWERS, check_layout
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.front_ends import FrontEnd, front_end
from hearwhy.types import Activation, Classifier

KEY = "hearwhy"
"""Under this name a model file's own metadata hold the description as JSON."""
KEYS = {
    "sample_rate": "samples a second that the model takes, in Hz",
    "labels": "what it tells apart: a list, or the name of a text file with a label a line",
    "activation": "softmax (the default), sigmoid, or probability where it gives those itself",
    "channels": "1 (the default) or 2",
    "window_s": "seconds that it takes at a time; left out: any length",
    "input": 'the axes that it takes, as in "batch time", "batch 1 freq frame"; 1 is an axis of length one',
    "output": 'the axes of its answers: "batch label" (the default), or as in "batch frame label"',
    "frame_s": "seconds from one frame of the answers to the next; left out: evenly over the window",
    "answer": "which of several answers is meant, where the model gives more than one: its name, or a position such as 0",
    "front_end": 'a table, for models on spectrograms: kind = "log_mel" or "log_stft", n_fft, hop_length and other settings',
}


@dataclass(frozen=True)
class Description:
    """What hearwhy must know of a model file; the keys of the TOML, `input` being ``layout`` elsewhere.

    Parameters
    ----------
    sample_rate, labels, activation, channels, window_s
        As in every classifier.
    input
        The axes of what the model takes: batch, channel (may be left out: mono) and time; behind a front end batch,
        freq and frame.
    output
        The axes of its answers: batch and label, and frame where it answers frame by frame.
    frame_s
        Seconds from one frame of the answers to the next; None: they lie evenly over the window.
    answer
        Which of several answers is meant: its name or its position; empty where there is one.
    front_end
        Audio to features; None: the model takes audio.
    """

    sample_rate: int
    labels: tuple[str, ...]
    activation: Activation = "softmax"
    channels: Literal[1, 2] = 1
    window_s: float | None = None
    input: str = ""
    output: str = "batch label"
    frame_s: float | None = None
    answer: str = ""
    front_end: FrontEnd | None = None

    @property
    def layout(self) -> str:
        """The axes of what the model takes."""
        return self.input or ("batch channel time" if self.front_end is None else "batch 1 freq frame")

    @property
    def input_size(self) -> tuple[int, ...] | None:
        """Shape of what the model takes for one window, the batch left out; None where any length is taken.

        Adapters compare it with the fixed sizes of their file, so that a wrong rate or window is an error at once.
        """
        if self.window_s is None:
            return None
        n_samples = round(self.window_s * self.sample_rate)
        sizes = {"channel": self.channels, "time": n_samples, "1": 1}
        if self.front_end is not None:
            sizes |= {"freq": self.front_end.n_features, "frame": self.front_end.n_frames(n_samples)}
        return tuple(sizes[axis] for axis in self.layout.split() if axis != "batch")


def describe(path: Path, embedded: Mapping[str, str] | None = None) -> Description:
    """Return the description of a model file: of the TOML beside it, else of the JSON under "hearwhy" in its own metadata.

    Raises
    ------
    ValueError
        There is neither, a key is unknown, missing or senseless, or the file of labels is missing.
    """
    toml = path.with_suffix(".toml")
    if toml.is_file():
        try:
            return description(tomllib.loads(toml.read_text(encoding="utf-8-sig")), where=str(toml), folder=toml.parent)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{toml} is not TOML ({error}); mend it.") from error
    if embedded and KEY in embedded:
        where = f"the metadata of {path}"
        try:
            return description(json.loads(embedded[KEY]), where=where, folder=path.parent)
        except json.JSONDecodeError as error:
            raise ValueError(f"{where} hold no JSON under {KEY!r} ({error}); write {toml} instead.") from error
    raise ValueError(
        f"{path} does not say what it takes. Describe it in {toml}, as in: sample_rate = 16000, labels = ['dog', 'rain'], "
        "activation = 'softmax', window_s = 1.0, a line each; see `hearwhy list descriptions` for every key."
    )


def description(table: Mapping[str, Any], *, where: str = "the description", folder: Path | None = None) -> Description:
    """Return the description in a table of keys, as TOML or JSON holds them; errors are those of `describe`.

    Examples
    --------
    >>> description({"sample_rate": 16000, "labels": ["dog", "rain"], "window_s": 1.0, "input": "batch time"}).input_size
    (16000,)
    """
    if not isinstance(table, Mapping):
        raise ValueError(f'{where} must be a table of keys, as in {{"sample_rate": 16000}}; got {table!r}.')
    unknown = sorted(set(table) - set(KEYS))
    if unknown:
        raise ValueError(f"{where}: there is no key {unknown[0]!r}; the keys are {', '.join(sorted(KEYS))}.")
    missing = [key for key in ("sample_rate", "labels") if key not in table]
    if missing:
        raise ValueError(f"{where} does not say {' and '.join(missing)}; add {'it' if len(missing) == 1 else 'them'}.")
    _check_values(table, where)
    values = dict(table) | {"labels": _labels(table["labels"], where, folder)}
    if "answer" in values:
        values["answer"] = str(values["answer"])
    if "front_end" in values:
        try:
            values["front_end"] = front_end({"sample_rate": values["sample_rate"]} | _settings(values["front_end"]))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}, front_end: {error}") from error
    return _laid_out(Description(**values), where)


def _settings(table: Mapping[str, Any]) -> dict[str, Any]:
    """A front end's settings; TOML has no null, so None is written "none" where a setting takes it."""
    return {key: None if key in ("norm", "pad") and value == "none" else value for key, value in table.items()}


def _check_values(table: Mapping[str, Any], where: str) -> None:
    """Each value by itself: a wrong one is named with its key, before anything is made of it."""
    seconds = "a number of seconds, more than 0"
    wanted: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "sample_rate": ("a whole number of Hz, more than 0", lambda given: type(given) is int and given > 0),
        "activation": (f"one of {', '.join(ACTIVATIONS)}", lambda given: given in ACTIVATIONS),
        "channels": ("1 or 2", lambda given: type(given) is int and given in (1, 2)),
        "window_s": (seconds, _is_seconds),
        "frame_s": (seconds, _is_seconds),
        "input": ('the axes in a string, as in "batch time"', lambda given: isinstance(given, str)),
        "output": ('the axes in a string, as in "batch label"', lambda given: isinstance(given, str)),
        "answer": ("a name or a position", lambda given: type(given) in (str, int)),
        "front_end": ('a table, as in [front_end] and kind = "log_mel"', lambda given: isinstance(given, Mapping)),
    }
    for key, given in table.items():
        if key in wanted and not wanted[key][1](given):
            raise ValueError(f"{where}: {key} is {wanted[key][0]}; got {given!r}.")


def _is_seconds(given: Any) -> bool:
    return type(given) in (int, float) and 0 < given < float("inf")


def _laid_out(told: Description, where: str) -> Description:
    if told.front_end is not None and told.channels != 1:
        raise ValueError(f"{where}: spectrograms are made of mono sound; got channels = {told.channels}, leave it out.")
    axes, optional = (AUDIO, "channel" if told.channels == 1 else None) if told.front_end is None else (FEATURES, None)
    for key, layout, named, may in (
        ("input", told.layout, axes, optional),
        ("output", told.output, FRAME_ANSWERS if "frame" in told.output.split() else ANSWERS, None),
    ):
        try:
            check_layout(layout, named, optional=may)
        except ValueError as error:
            raise ValueError(f"{where}, {key}: {error}") from error
    return told


def _labels(given: Any, where: str, folder: Path | None) -> tuple[str, ...]:
    if isinstance(given, str):
        path = (folder or Path()) / given
        if not path.is_file():
            raise ValueError(f"{where}: there is no file of labels {path}; give its name from there, or a list of labels.")
        return tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    if not isinstance(given, list | tuple):
        raise ValueError(f"{where}: labels is a list, or the name of a text file with a label a line; got {given!r}.")
    return tuple(given)


def described(run: Callable[[Tensor], Any], told: Description, *, name: str, fingerprint: str | None) -> Classifier:
    """Return a classifier of what runs a model and a description of it.

    Parameters
    ----------
    run
        What the model takes, laid out as the description says, to its answers; a tensor, or what numpy makes an array of;
        or several of them in a dict or tuple, of which the description names one. A torch module can be moved and is asked
        in its own precision.
    told
        The description.
    name, fingerprint
        As in every classifier.
    """
    keys = ("labels", "layout", "output", "activation", "window_s", "frame_s", "answer")
    same: dict[str, Any] = {key: getattr(told, key) for key in keys} | {"name": name, "fingerprint": fingerprint}
    if told.front_end is not None:
        return checked(SpectrogramClassifier(told.front_end, run, **same))
    return checked(CallableClassifier(run, sample_rate=told.sample_rate, channels=told.channels, **same))


def file_fingerprint(*paths: Path, told: Description | None = None) -> str:
    """Return a hash of files and of the description: equal models answer alike."""
    digest = hashlib.sha256(repr(told).encode())
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def check_file(path: str | Path, prefix: str) -> Path:
    """Return the path of a model file, or raise FileNotFoundError where there is none."""
    path = Path(path)
    if not str(path) or not path.is_file():
        raise FileNotFoundError(f"There is no file {path} for {prefix}:FILE; give the path of a model file.")
    return path
