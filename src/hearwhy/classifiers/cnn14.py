"""Networks of PANNs' kind that ``hearwhy train`` made of a dataset in ESC-50's layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.front_ends import MEL_DB, STFT_DB, FrontEnd, PeakNormalised
from hearwhy.networks.cnn14 import Cnn6, Cnn10, Cnn14, SpectrogramCnn
from hearwhy.networks.esc_small import EscSmall

NETWORKS: dict[str, type[Cnn14 | Cnn10 | Cnn6 | EscSmall]] = {
    "cnn14": Cnn14,
    "cnn10": Cnn10,
    "cnn6": Cnn6,
    "esc-small": EscSmall,
}
"""What ``hearwhy train`` calls each network."""
FRONT_ENDS: dict[str, FrontEnd] = {"mel": PeakNormalised(MEL_DB), "stft": PeakNormalised(STFT_DB)}
"""The front ends of the masked-spectrogram paper by name; both divide by the peak, so that no level is heard."""
WINDOW_S = 5.0


def fresh_network(kind: str, front_end: str, n_labels: int) -> SpectrogramCnn:
    """Return a network of a kind in `NETWORKS` for five seconds through one of `FRONT_ENDS`, with weights drawn anew."""
    front = FRONT_ENDS[front_end]
    return NETWORKS[kind](n_labels, front.n_features, front.n_frames(round(WINDOW_S * front.sample_rate)))


def load(argument: str) -> SpectrogramClassifier:
    """Return the classifier in a weights file that ``hearwhy train`` wrote; which network it is stands in the file.

    Raises
    ------
    FileNotFoundError, ValueError
        As `load_file`; or no file is named.
    """
    if not argument:
        raise ValueError(
            "Say which weights, as in cnn14:FILE.safetensors; make them with: hearwhy train cnn14 DATA --out FILE.safetensors"
        )
    return load_file(argument)


def load_file(path: str | Path, *, name: str | None = None) -> SpectrogramClassifier:
    """Return the classifier in a weights file that ``hearwhy train`` wrote, on the CPU and in eval mode.

    It takes five seconds of mono sound and divides it by its peak: it hears no levels.

    Parameters
    ----------
    path
        The ``.safetensors`` file.
    name
        What to call it in a report; None: its network and file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It does not hold the weights of one of these networks.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There are no weights {path}; make them with: hearwhy train cnn14 DATA --out {path}")
    if path.suffix != ".safetensors":
        raise ValueError(f"{path} is no .safetensors file. PANNs' own weights are for: hearwhy train cnn14 DATA --init {path}")
    try:
        about, state = _read(path)
        network = fresh_network(about["network"], about["front_end"], len(about["labels"]))
        network.load_state_dict(state)
    except (SafetensorError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{path} does not hold one of {', '.join(NETWORKS)} ({reason}); train one with: hearwhy train cnn14 DATA --out FILE"
        ) from error
    network.eval().requires_grad_(False)
    return SpectrogramClassifier(
        FRONT_ENDS[about["front_end"]],
        network,
        tuple(about["labels"]),
        layout="batch freq frame",
        window_s=WINDOW_S,
        fingerprint=_fingerprint(path, FRONT_ENDS[about["front_end"]]),
        name=name or f"{about['network']} {path.stem}",
    )


def about_file(path: str | Path) -> Mapping[str, Any]:
    """Return what a weights file says of itself: network, front end, settings, seed, best epoch, figures."""
    with safe_open(path, framework="pt") as file:
        return json.loads((file.metadata() or {}).get("hearwhy", "{}"))


def _read(path: Path) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
    about = about_file(path)
    with safe_open(path, framework="pt") as file:
        stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # it is no mapping
    halves = (torch.float16, torch.bfloat16)  # how it is stored; it computes in float32
    return about, {key: tensor.float() if tensor.dtype in halves else tensor for key, tensor in stored.items()}


def _fingerprint(path: Path, front_end: FrontEnd) -> str:
    digest = hashlib.sha256(path.read_bytes())
    digest.update(repr(front_end).encode())
    return digest.hexdigest()[:16]
