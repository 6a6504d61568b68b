"""The `esc10-small` classifiers: which of ESC-10's ten sounds? Two small networks that ship with hearwhy."""

from __future__ import annotations

from pathlib import Path

from hearwhy.classifiers.cnn14 import load_file
from hearwhy.classifiers.spectrogram import SpectrogramClassifier

WEIGHTS = Path(__file__).parent.parent / "weights"
VARIANTS = ("mel", "stft")


def load(variant: str = "") -> SpectrogramClassifier:
    """Return the classifier that ships with hearwhy, on the CPU and in eval mode.

    Five seconds of mono sound, divided by its peak, to the logits of ten classes; gradients pass through.

    Parameters
    ----------
    variant
        What it sees: "mel" (also ""; 64 mel bands, 32 kHz) or "stft" (257 bins, 16 kHz), both in dB.

    Raises
    ------
    ValueError
        There is no such variant.

    Examples
    --------
    >>> import torch
    >>> load("stft")(torch.zeros(1, 1, 80_000)).shape
    torch.Size([1, 10])
    """
    seen = variant or "mel"
    if seen not in VARIANTS:
        raise ValueError(
            f"There is no model esc10-small:{variant}; give esc10-small, or esc10-small: with {', '.join(VARIANTS)}."
        )
    return load_file(WEIGHTS / f"esc10_small_{seen}.safetensors", name=f"esc10-small:{variant}" if variant else "esc10-small")
