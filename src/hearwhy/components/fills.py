"""Fills: what stands where something was removed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import overload

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.components.cells import Cells, padded
from hearwhy.components.parts import Parts
from hearwhy.components.vectors import VECTOR_FILLS, shifted, with_background
from hearwhy.types import Recording

FILLS = {
    "silence": "digital silence (the default)",
    "noise": "steady noise with the spectrum of the recording's quietest tenth of frames",
    "FILE or FOLDER": "a background recording, or each recording of a folder (several fills are averaged)",
}
QUIET_QUANTILE = 0.1
FLOOR_DB = -80.0  # relative to the recording: where it has digital silence, the noise is still there


CELL_FILLS = {
    "mean": "each cell's own mean (lime's way with images)",
    "min": "the spectrogram's least value",
    "max": "the spectrogram's greatest value",
    "zero": "0",
    "uniform": "values drawn between the spectrogram's least and greatest",
    "shuffle": "the spectrogram's own values in random order",
}
"""Fills of cells besides those of every recording; all but the first are SLIME's."""


@overload
def with_fill(parts: Parts, fill: str) -> Parts: ...
@overload
def with_fill(parts: Cells, fill: str) -> Cells: ...
def with_fill(parts: Parts | Cells, fill: str) -> Parts | Cells:
    """Return the parts with another fill: ``"silence"``, ``"noise"``, or the path of a background file or folder.

    Cells of a spectrogram are filled with the spectrogram of the same, or by one of `CELL_FILLS`; the values of vectors with
    those of the same, or by one of `VECTOR_FILLS`.

    Raises
    ------
    ValueError, FileNotFoundError
        There is no such fill, or a background cannot be read.
    """
    if isinstance(parts, Cells):
        return _cells_with_fill(parts, fill)
    if fill == "silence":
        return replace(parts, fills=(None,), fill_names=("silence",))
    if fill == "noise":
        return replace(parts, fills=(parts.spread(noise_floor(parts.recording)),), fill_names=("noise",))
    files = _background_files(fill)
    shares = tuple(parts.spread(_background(parts.recording, sound.load(path))) for path in files)
    return replace(parts, fills=shares, fill_names=tuple(_told(parts.recording, path) for path in files))


def _cells_with_fill(cells: Cells, fill: str) -> Cells:
    if cells.domain == "vector" and fill in VECTOR_FILLS:
        return with_background(cells, fill)
    cells = replace(cells, fill_weights=None, conditional=None)
    if cells.domain == "features" and fill in CELL_FILLS:
        return replace(cells, fills=(_bins(cells, fill),), fill_names=(fill,))
    recording = cells.recording
    if fill in ("silence", "noise"):
        named = {fill: torch.zeros_like(recording.audio) if fill == "silence" else noise_floor(recording)}
    else:
        named = {_told(recording, path): _background(recording, sound.load(path)) for path in _background_files(fill)}
    fills = tuple(_spectrogram_of(cells, audio) for audio in named.values())
    if cells.domain == "vector":
        fills = tuple(shifted(cells.features, fill.mean(dim=1)) for fill in fills)
    return replace(cells, fills=fills, fill_names=tuple(named))


def _spectrogram_of(cells: Cells, audio: Tensor) -> Tensor:
    classifier = cells.classifier
    converted = sound.resample(sound.remix(audio, 1), cells.recording.sample_rate, classifier.sample_rate)
    with torch.no_grad():
        return classifier.features(padded(converted, cells.window)[None])[0]


def _bins(cells: Cells, fill: str) -> Tensor:
    features, generator = cells.features, torch.Generator().manual_seed(0)
    low, high = features.min(), features.max()
    if fill == "mean":
        n = torch.bincount(cells.cell.flatten())
        return (torch.bincount(cells.cell.flatten(), features.flatten().double()) / n).to(features)[cells.cell]
    if fill == "uniform":
        return low + (high - low) * torch.rand(features.shape, generator=generator)
    if fill == "shuffle":
        return features.flatten()[torch.randperm(features.numel(), generator=generator)].reshape(features.shape)
    return torch.full_like(features, {"min": float(low), "max": float(high), "zero": 0.0}[fill])


def noise_floor(recording: Recording, *, seed: int = 0) -> Float[Tensor, "channel time"]:
    """Return steady noise as quiet as the recording's quietest tenth of frames, bin by bin.

    Never under -80 dB relative to the recording, so that it is noise also where the recording is digitally silent.
    """
    time = recording.audio.shape[1]
    spectrum = sound.stft(recording.audio)
    floor = torch.quantile(spectrum.abs(), QUIET_QUANTILE, dim=-1)[..., None]
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn(recording.audio.shape, generator=generator)
    noise = sound.stft(white)
    level = recording.audio.square().mean().sqrt() * 10 ** (FLOOR_DB / 20)
    # White noise of unit power has an expected magnitude per bin; dividing by it gives each bin the floor's level.
    shaped = noise / noise.abs().mean() * torch.maximum(floor, level * noise.abs().mean())
    return sound.istft(shaped, time)


def _background_files(fill: str) -> list[Path]:
    path = Path(fill)
    if not fill or not path.exists():
        more = f"for cells of a spectrogram also {', '.join(CELL_FILLS)}, for vectors {', '.join(VECTOR_FILLS)}"
        raise ValueError(f"There is no fill {fill!r}; give silence, noise, or the path of a background file or folder; {more}.")
    if path.is_file():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in sound.READABLE)
    if not files:
        raise ValueError(f"{path} holds no sound file to fill with ({', '.join(sound.READABLE)}).")
    return files


def _told(recording: Recording, path: Path) -> str:
    """The name of a background with what is done to it."""
    background = sound.load(path)
    channels, repeats = len(recording.audio), recording.duration_s / background.duration_s
    steps = [
        (len(background.audio) not in (1, channels), "averaged to mono"),
        (background.sample_rate != recording.sample_rate, f"resampled to {recording.sample_rate} Hz"),
        (repeats > 1, f"repeated to {recording.duration_s:.2f} s"),
        (repeats < 1, f"its first {recording.duration_s:.2f} s"),
    ]
    done = ", ".join(step for needed, step in steps if needed)
    return f"{path.name} ({done})" if done else path.name


def _background(recording: Recording, background: Recording) -> Tensor:
    """Bring a background to the recording's rate, channels and length (repeated from its beginning where it is shorter)."""
    channels, time = recording.audio.shape
    audio = background.audio if background.audio.shape[0] in (1, channels) else background.audio.mean(dim=0, keepdim=True)
    audio = sound.resample(audio, background.sample_rate, recording.sample_rate)
    repeats = -(-time // audio.shape[1])
    return audio.repeat(1, repeats)[:, :time].expand(channels, time)
