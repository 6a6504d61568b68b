"""Descriptions: what a model file does not say of itself, in a small TOML beside it or as JSON inside it.

``model.onnx`` is described by ``model.toml``::

    sample_rate = 16000
    labels = ["dog", "rain"]        # or the name of a text file with a label a line
    activation = "softmax"          # or "sigmoid", "probability"
    window_s = 1.0                  # leave it out where any length is taken
    input = "batch time"            # the axes of what the model takes, 1 for an axis of length one
    output = "batch label"          # or with a frame, for models that answer frame by frame

    [front_end]                     # only where the model takes spectrograms
    kind = "log_mel"
    n_fft = 512
    hop_length = 256
    n_mels = 64
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from hearwhy.classifiers.callable import CallableClassifier, checked
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
    "front_end": 'a table, for models on spectrograms: kind = "log_mel", n_fft, hop_length, n_mels and the rest of LogMel',
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
            return description(tomllib.loads(toml.read_text(encoding="utf-8")), where=str(toml), folder=toml.parent)
        except tomllib.TOMLDecodeError as error:
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
    """Return the description in a table of keys, as TOML or JSON holds them; errors are those of `describe`."""
    known = {field.name for field in fields(Description)}
    unknown = sorted(set(table) - known)
    if unknown:
        raise ValueError(f"{where}: there is no key {unknown[0]!r}; the keys are {', '.join(sorted(known))}.")
    missing = [key for key in ("sample_rate", "labels") if key not in table]
    if missing:
        raise ValueError(f"{where} does not say {' and '.join(missing)}; add {'it' if len(missing) == 1 else 'them'}.")
    values = dict(table) | {"labels": _labels(table["labels"], where, folder)}
    if "front_end" in values:
        try:
            values["front_end"] = front_end({"sample_rate": values["sample_rate"], **values["front_end"]})
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}, front_end: {error}") from error
    return Description(**values)


def _labels(given: Any, where: str, folder: Path | None) -> tuple[str, ...]:
    if isinstance(given, str):
        path = (folder or Path()) / given
        if not path.is_file():
            raise ValueError(f"{where}: there is no file of labels {path}; give its name from there, or a list of labels.")
        return tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    if not isinstance(given, list | tuple):
        raise ValueError(f"{where}: labels is a list, or the name of a text file with a label a line; got {given!r}.")
    return tuple(given)


def described(run: Callable[[Tensor], Any], told: Description, *, name: str, fingerprint: str | None) -> Classifier:
    """Return a classifier of what runs a model and a description of it.

    Parameters
    ----------
    run
        What the model takes, laid out as the description says, to its answers; a tensor, or what numpy makes an array of.
    told
        The description.
    name, fingerprint
        As in every classifier.
    """
    keys = ("labels", "layout", "output", "activation", "window_s", "frame_s")
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
