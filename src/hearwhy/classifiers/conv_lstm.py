"""The MFCC tutorial's Conv2D-LSTM, as ``hearwhy train conv-lstm`` made it of some sounds."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors import SafetensorError, safe_open

from hearwhy.classifiers.cnn14 import about_file
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.components.background import Background
from hearwhy.front_ends import Mfcc
from hearwhy.networks.conv_lstm import ConvLstm

FRONT_END = Mfcc(sample_rate=22_050, n_mfcc=40, preemphasis=0.97, length=44)
"""The tutorial's: librosa's defaults, 40 coefficients, the first 44 frames (1.02 s) or as many zeros as are missing."""
NOTE = "it hears the first 44 frames (1.02 s) of what it is given, and nothing of the rest"


def load(argument: str) -> SpectrogramClassifier:
    """Return the classifier in a weights file that ``hearwhy train conv-lstm`` wrote, on the CPU and in eval mode.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        No file is named, or it does not hold such weights.
    """
    how = "hearwhy train conv-lstm DATA --out FILE.safetensors"
    if not argument:
        raise ValueError(f"Say which weights, as in conv-lstm:FILE.safetensors; make them with: {how}")
    path = Path(argument)
    if not path.is_file():
        raise FileNotFoundError(f"There are no weights {path}; make them with: {how}")
    try:
        about = about_file(path)
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # it is no mapping
        network = ConvLstm(len(about["labels"]))
        network.load_state_dict({key: tensor for key, tensor in tensors.items() if not key.startswith("background.")})
    except (SafetensorError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} does not hold a conv-lstm ({reason}); train one with: {how}") from error
    network.eval().requires_grad_(False)
    digest = hashlib.sha256(path.read_bytes() + repr(FRONT_END).encode()).hexdigest()[:16]
    return SpectrogramClassifier(
        FRONT_END,
        network,
        tuple(about["labels"]),
        layout="batch freq frame",
        fingerprint=digest,
        name=f"conv-lstm {path.stem}",
        notes=(NOTE,),
        background=Background.from_tensors(tensors, source=str(about["background"])),
    )
