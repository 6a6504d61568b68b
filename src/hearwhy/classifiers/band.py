"""The `band` classifiers: guitar or piano, from a network that was made to listen to something else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.networks.band_cnn import FRONT_END, BandCNN

WEIGHTS = Path(__file__).parent.parent / "weights"
VARIANTS = ("drums", "bass", "independent")
WINDOW_S = 2.0


@dataclass(frozen=True, eq=False)
class BandClassifier(SpectrogramClassifier):
    """Two seconds of 16 kHz mono sound to the logits of guitar and piano; gradients pass through.

    Parameters
    ----------
    about
        What the weights file says of itself: confounder, seed, figures.
    """

    about: Mapping[str, Any] = field(default_factory=dict)

    def features(self, audio: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch freq frame"]:
        """Return the log-mel spectrogram of each sound.

        Raises
        ------
        ValueError
            The sound is not mono, or not exactly two seconds long.
        """
        n_samples = round(WINDOW_S * self.sample_rate)
        if audio.ndim != 3 or audio.shape[1:] != (1, n_samples):
            raise ValueError(
                f"{self.name} takes {WINDOW_S:g} s of mono sound at {self.sample_rate} Hz, (batch, 1, {n_samples}); "
                f"got {tuple(audio.shape)}. Downmix, resample and cut into windows first, as hearwhy.explain does."
            )
        return super().features(audio)


def load(variant: str = "") -> BandClassifier:
    """Return the classifier that ships with hearwhy, on the CPU and in eval mode.

    Parameters
    ----------
    variant
        What followed the class in training: "drums" (also ""), "bass", or "independent": nothing did.

    Raises
    ------
    ValueError
        There is no such variant.

    Examples
    --------
    >>> import torch
    >>> load("independent")(torch.zeros(1, 1, 32_000)).shape
    torch.Size([1, 2])
    """
    confounder = variant or "drums"
    if confounder not in VARIANTS:
        raise ValueError(f"There is no model band:{variant}; give band, or band: with {', '.join(VARIANTS)}.")
    return load_file(WEIGHTS / f"band_{confounder}.safetensors", name=f"band:{variant}" if variant else "band")


def load_file(path: str | Path, *, name: str = "band") -> BandClassifier:
    """Return the classifier in a weights file that ``hearwhy train band-cnn`` wrote.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It does not hold this network's weights.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There are no weights {path}; make them with: hearwhy train band-cnn DATA --out {path}")
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("hearwhy", "{}"))
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # it is no mapping
        network = BandCNN(len(about["labels"]))
        network.load_state_dict(state)
    except (SafetensorError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} does not hold a band network ({reason}); train one with hearwhy train band-cnn.") from error
    network.eval().requires_grad_(False)
    return BandClassifier(
        FRONT_END, network, tuple(about["labels"]), layout="batch freq frame", window_s=WINDOW_S,
        fingerprint=_fingerprint(path), name=name, about=about,
    )  # fmt: skip


def _fingerprint(path: Path) -> str:
    digest = hashlib.sha256(path.read_bytes())
    digest.update(repr(FRONT_END).encode())
    return digest.hexdigest()[:16]
