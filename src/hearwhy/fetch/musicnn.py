"""musicnn's taggers: from TensorFlow checkpoints in its authors' wheel to safetensors in the cache."""

from __future__ import annotations

import ast
import json
import tempfile
import zipfile
from collections.abc import Callable
from email.parser import HeaderParser
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from hearwhy.classifiers.musicnn import VARIANTS, weights_folder
from hearwhy.classifiers.tf_checkpoint import read_checkpoint
from hearwhy.fetch.wheels import check_sha256, download, silent, write
from hearwhy.networks.musicnn import N_TAGS, Musicnn, MusicnnVGG

MUSICNN_VERSION = "0.1.0"
MUSICNN_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
LICENCE = "ISC; Copyright (c) Music Technology Group, Universitat Pompeu Fabra 2019 (Jordi Pons)"

_LAYOUT = "1"  # of the files written here; another number fetches anew


def fetch_musicnn(
    cache: Path | None = None,
    *,
    wheel: Path | None = None,
    force: bool = False,
    say: Callable[[str], None] = silent,
) -> list[Path]:
    """Bring musicnn's four taggers into the cache and return their files.

    PyPI's wheel of musicnn 0.1.0 is downloaded with pip, 29 MB, without its dependencies, and nothing in it is run: its
    TensorFlow checkpoints are read, turned into torch's layout and written as safetensors, 11 MB, beside the licence.

    Parameters
    ----------
    cache
        Folder of fetched models; None is the user's cache, or ``$HEARWHY_CACHE``.
    wheel
        The wheel, where it is already at hand; None downloads it.
    force
        Fetch again what is there.
    say
        Told each step, in one line.

    Raises
    ------
    ConnectionError
        pip could not bring the wheel.
    RuntimeError
        This Python has no pip.
    FileNotFoundError
        There is no file `wheel`.
    ValueError
        The wheel is not the one whose hash is known.

    Examples
    --------
    >>> fetch_musicnn(wheel=Path("no.whl"), force=True)
    Traceback (most recent call last):
        ...
    FileNotFoundError: there is no wheel at no.whl. Give a file, or leave it out to download it.
    """
    target = weights_folder(cache)
    paths = {variant: target / f"{variant}.safetensors" for variant in VARIANTS}
    if not force and all(_is_there(path) for path in paths.values()):
        say(f"musicnn is already in {target}")
        return list(paths.values())
    with tempfile.TemporaryDirectory() as folder:
        if wheel is None:
            say(f"downloading musicnn {MUSICNN_VERSION} from PyPI (29 MB)")
            wheel = download(f"musicnn=={MUSICNN_VERSION}", Path(folder))
        check_sha256(wheel, MUSICNN_SHA256)
        say("reading the checkpoints")
        with zipfile.ZipFile(wheel) as archive:
            licence, terms = _licence(archive)
            say(f"licence of musicnn: {licence}; {LICENCE.split('; ')[1]}")
            files = {path: _convert(archive, variant, licence) for variant, path in paths.items()}
    files[target / "LICENSE.md"] = terms
    for path, content in files.items():
        write(path, content)
    say(f"wrote {', '.join(paths)} to {target}")
    return list(paths.values())


def _is_there(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError):
        return False
    return metadata.get("layout") == _LAYOUT and metadata.get("sha256") == MUSICNN_SHA256


def _licence(archive: zipfile.ZipFile) -> tuple[str, bytes]:
    """Return the licence's name, from the wheel's metadata, and its text."""
    folder = f"musicnn-{MUSICNN_VERSION}.dist-info"
    metadata = HeaderParser().parsestr(archive.read(f"{folder}/METADATA").decode())
    return metadata.get("License", "not stated"), archive.read(f"{folder}/LICENSE.md")


def _convert(archive: zipfile.ZipFile, variant: str, licence: str) -> bytes:
    """Return the safetensors file of one tagger."""
    with torch.device("meta"):  # shapes only, no first weights
        network = VARIANTS[variant]()
    layers = _MUSICNN_LAYERS if isinstance(network, Musicnn) else _VGG_LAYERS
    names = {ours: _variable_names(network.get_submodule(ours), theirs) for theirs, ours in layers.items()}
    variables = read_checkpoint(
        archive.read(f"musicnn/{variant}/.index"),
        archive.read(f"musicnn/{variant}/.data-00000-of-00001"),
        names=[name for of_layer in names.values() for name in of_layer],
    )
    for ours, of_layer in names.items():
        _fill(network.get_submodule(ours), [torch.tensor(variables[name]) for name in of_layer])
    if isinstance(network, MusicnnVGG):
        network.output.weight = nn.Parameter(_channels_first(network.output.weight))
    labels = read_labels(archive.read("musicnn/configuration.py").decode(), f"{variant[:3]}_LABELS")
    metadata = {
        "source": "https://pypi.org/project/musicnn/",
        "version": MUSICNN_VERSION,
        "sha256": MUSICNN_SHA256,
        "licence": licence,
        "labels": json.dumps(labels),
        "layout": _LAYOUT,
    }
    return save({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, metadata)


def _numbered(name: str, n: int) -> str:
    return f"{name}_{n}" if n else name  # TensorFlow leaves the first of a name without its number


_MUSICNN_LAYERS = {
    "batch_normalization": "input_norm",
    **{_numbered("conv2d", i): f"timbre.{i}.0" for i in range(2)},
    **{_numbered("batch_normalization", 1 + i): f"timbre.{i}.2" for i in range(2)},
    **{_numbered("conv2d", 2 + i): f"tempo.{i}.1" for i in range(3)},
    **{_numbered("batch_normalization", 3 + i): f"tempo.{i}.3" for i in range(3)},
    **{_numbered("conv2d", 5 + i): f"{name}.0" for i, name in enumerate(("first", "second", "third"))},
    **{_numbered("batch_normalization", 6 + i): f"{name}.2" for i, name in enumerate(("first", "second", "third"))},
    "batch_normalization_9": "pooled_norm",
    "dense": "hidden.0",
    "batch_normalization_10": "hidden.2",
    "dense_1": "output",
}
_VGG_LAYERS = {
    "batch_normalization": "input_norm",
    **{f"{1 + i}CNN": f"blocks.{i}.0" for i in range(5)},
    **{_numbered("batch_normalization", 1 + i): f"blocks.{i}.2" for i in range(5)},
    "dense": "output",
}
"""The layers' names in the checkpoint, in the order they were made, and here."""


def _variable_names(layer: nn.Module, name: str) -> list[str]:
    normalises = isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
    variables = ("gamma", "beta", "moving_mean", "moving_variance") if normalises else ("kernel", "bias")
    return [f"{name}/{variable}" for variable in variables]


def _fill(layer: nn.Module, variables: list[Tensor]) -> None:
    """Put a TensorFlow layer's variables, in the order of `_variable_names`, into its counterpart."""
    weight, bias, *moments = variables
    if isinstance(layer, nn.Conv2d):
        weight = weight.permute(3, 2, 0, 1)  # (frame, mel, input, filter)
    elif isinstance(layer, nn.Conv1d):
        weight = weight.permute(3, 1, 0, 2).squeeze(3)  # (frame, feature, 1, filter): features are a height there
    elif isinstance(layer, nn.Linear):
        weight = weight.T
    state = {"weight": weight, "bias": bias}
    if moments:
        state |= {"running_mean": moments[0], "running_var": moments[1], "num_batches_tracked": torch.tensor(0)}
    layer.load_state_dict(state, assign=True)


def _channels_first(weight: Tensor) -> Tensor:
    """Reorder a linear layer's inputs from (frame, filter) to (filter, frame), torch's order after a convolution."""
    return weight.detach().reshape(-1, 2, 128).transpose(1, 2).flatten(1)


def read_labels(source: str, name: str) -> list[str]:
    """Return the list of tags that Python `source` assigns to `name`, without running it.

    Raises
    ------
    ValueError
        No list of 50 different strings is assigned to it.
    """
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in statement.targets):
            labels = ast.literal_eval(statement.value)
            if isinstance(labels, list) and len(set(labels)) == N_TAGS and all(isinstance(x, str) for x in labels):
                return labels
    raise ValueError(f"the wheel's configuration has no list of {N_TAGS} tags called {name}. It is not musicnn 0.1.0.")
