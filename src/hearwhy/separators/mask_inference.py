"""Mask inference: trained networks say how much of every bin of a spectrogram is each source's (OVA and Cerberus).

``hearwhy train ova DATA --out FILE.safetensors`` and ``hearwhy train cerberus`` make the weights files; a file says of itself
what it needs to be heard with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hearwhy import audio as sound
from hearwhy.classifiers.cnn14 import about_file
from hearwhy.networks.mask_blstm import MaskBlstm
from hearwhy.networks.mask_heads import OneVsAll
from hearwhy.networks.mask_unet import MaskUNet
from hearwhy.types import Recording

NETWORKS = {"unet": MaskUNet, "blstm": MaskBlstm}
RECIPES = ("ova", "cerberus")
EMBEDDING = {"unet": 12, "blstm": 20}
"""Dimensions of Cerberus's deep-clustering head."""
PIECE = 1024  # frames that are worked on at a time, beside their context: 33 s at a hop of 512
CONTRAST = 30.0  # of the logarithm: a bin at the mean level becomes log(31), one 30 dB below it log(2)


def ova(recording: Recording, file: str | Path) -> dict[str, Tensor]:
    """Return the sources that one-vs-all networks hear, a network of its own for each source; errors as `load`."""
    return load(file, "ova")(recording)


def cerberus(recording: Recording, file: str | Path) -> dict[str, Tensor]:
    """Return the sources that Cerberus hears, one network for the masks of all; errors as `load`."""
    return load(file, "cerberus")(recording)


@dataclass(frozen=True)
class Design:
    """What a separation network is, as its weights file says.

    Parameters
    ----------
    recipe
        "ova" (a network for each source) or "cerberus" (one for all, with two more heads).
    network
        "unet" or "blstm".
    sources
        What is told apart, in the order of the masks.
    transcribes
        Whether Cerberus has its transcription head.
    sizes
        Arguments of the network beside these: ``channels``, or ``units`` and ``layers``.
    sample_rate, n_fft, hop_length
        Of the sound and the spectrogram that it hears, in Hz and samples.
    """

    recipe: str
    network: str
    sources: tuple[str, ...]
    transcribes: bool
    sizes: Mapping[str, Any]
    sample_rate: int = 16_000
    n_fft: int = 1024
    hop_length: int = 512

    def build(self) -> nn.Module:
        """Return the network with fresh weights, drawn from torch's global generator."""
        kind: Any = NETWORKS[self.network]
        n_freq = self.n_fft // 2 + 1
        if self.recipe == "ova":
            return OneVsAll({source: kind(1, n_freq, **self.sizes) for source in self.sources})
        heads = {"embedding": EMBEDDING[self.network], "transcribes": self.transcribes}
        network: nn.Module = kind(len(self.sources), n_freq, **self.sizes, **heads)
        return network


@dataclass(frozen=True, eq=False)
class Separation:
    """A trained network and what it is; called with a recording it returns name to waveform, (channel, time).

    The recording is resampled to the network's rate, each source is its spectrogram times the source's mask, with the phase
    of the mix, and is resampled back: what lies above half the network's rate is in no source, and so in the residual. All
    channels share one mask, found in their mean magnitude. The network hears magnitudes relative to the RMS of the whole
    recording, so a softer copy has softer sources, and nothing else changes. A U-Net hears a long recording in pieces:
    beside its spectrogram, the masks and the sources themselves, memory does not grow with it.
    """

    design: Design
    network: nn.Module

    def __call__(self, recording: Recording) -> dict[str, Tensor]:
        """Return the sources of a recording, in its own rate, channels and length; they need not sum to it."""
        design = self.design
        heard = sound.resample(recording.audio, recording.sample_rate, design.sample_rate)
        spectrum = sound.stft(heard, design.n_fft, design.hop_length)
        masks = self.masks(spectrum.abs().mean(dim=0) / scale(heard.square().mean().sqrt(), design.n_fft))
        waves = (sound.istft(spectrum * mask, heard.shape[1], design.n_fft, design.hop_length) for mask in masks)
        return {name: _back(wave, design.sample_rate, recording) for name, wave in zip(design.sources, waves, strict=True)}

    @torch.no_grad()
    def masks(self, magnitude: Float[Tensor, "freq frame"], *, piece: int = PIECE) -> Float[Tensor, "source freq frame"]:
        """Return every source's mask of magnitudes that were divided by their `scale`.

        Parameters
        ----------
        magnitude
            Of the spectrogram.
        piece
            How many frames a U-Net works on at a time, a multiple of 32, beside all others that their masks depend on: the
            masks are those of the whole. A BLSTM hears everything at once.
        """
        network: Any = next(iter(self.network.values())) if isinstance(self.network, OneVsAll) else self.network
        heard, context = features(magnitude)[None], network.CONTEXT
        if context is None:
            return self.network(heard)[0]
        found = []
        for start in range(0, magnitude.shape[1], piece):
            first = max(0, start - context)
            masks = self.network(heard[..., first : start + piece + context])[0]
            found.append(masks[..., start - first : start - first + piece])
        return torch.cat(found, dim=-1)


def scale(level: Float[Tensor, " *batch"], n_fft: int) -> Float[Tensor, " *batch"]:
    """Return the RMS magnitude in a spectrogram of white noise with an RMS of `level`."""
    return level.clamp_min(1e-8) * math.sqrt(0.375 * n_fft)  # 0.375: the mean square of a Hann window


def features(magnitude: Float[Tensor, "*batch freq frame"]) -> Float[Tensor, "*batch freq frame"]:
    """Return what a network is given of magnitudes that were divided by their `scale`: their logarithm, 0 for silence."""
    return torch.log1p(CONTRAST * magnitude)


def load(file: str | Path, recipe: str) -> Separation:
    """Return the network in a weights file that ``hearwhy train`` wrote by a recipe, on the CPU and in eval mode.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no weights file of this recipe, or is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path, how = Path(file), f"hearwhy train {recipe} DATA --out FILE.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"There are no weights {path}; make them with: {how}")
    try:
        design = _design(about_file(path))
        with torch.device("meta"):  # no memory and no random numbers before the file has shown that it fits
            network = design.build()
        network.load_state_dict(load_file(path), assign=True)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".:")
        raise ValueError(f"{path} does not hold a separation network ({reason}); make one with: {how}") from error
    if design.recipe != recipe:
        raise ValueError(f"{path} holds a network of the recipe {design.recipe}; write {design.recipe}={path}, or make one of "
                         f"{recipe} with: {how}")  # fmt: skip
    return Separation(design, network.eval().requires_grad_(False))


def _design(about: Mapping[str, Any]) -> Design:
    said = {field.name: about[field.name] for field in fields(Design)}
    design = Design(**said | {"sources": tuple(said["sources"])})
    if design.recipe not in RECIPES or design.network not in NETWORKS:
        raise ValueError(f"it is of recipe {design.recipe!r} and network {design.network!r}")
    if design.n_fft % 64 or not 0 < design.hop_length <= design.n_fft // 2 or design.sample_rate <= 0:
        raise ValueError(f"n_fft {design.n_fft}, hop {design.hop_length} and rate {design.sample_rate} Hz fit no network")
    return design


def _back(wave: Tensor, sample_rate: int, recording: Recording) -> Tensor:
    """The source as the recording is stored; resampling there and back may end a sample early or late."""
    time = recording.audio.shape[1]
    wave = sound.resample(wave, sample_rate, recording.sample_rate)[..., :time]
    return nn.functional.pad(wave, (0, time - wave.shape[-1]))
