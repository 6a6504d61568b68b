"""Stems: the sources as files that somebody rendered, recorded or separated before."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from hearwhy import audio as sound
from hearwhy.types import Recording


def stems(recording: Recording, folder: str | Path) -> dict[str, Tensor]:
    """Return every sound file of a folder as a source named after the file.

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    ValueError
        It holds no sound file, or one has another sample rate than the recording.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}. Give the folder that holds one sound file for each stem.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in sound.READABLE)
    if not files:
        raise ValueError(f"{folder} holds no sound file ({', '.join(sound.READABLE)}); put one for each stem into it.")
    if len({path.stem for path in files}) < len(files):
        raise ValueError(f"{folder} holds two sound files of one name; each stem needs its own name.")
    return {path.stem: _stem(recording, path) for path in files}


def _stem(recording: Recording, path: Path) -> Tensor:
    stem = sound.load(path)
    if stem.sample_rate != recording.sample_rate:
        raise ValueError(
            f"stem {path.name} has {stem.sample_rate} Hz and {recording.name} has {recording.sample_rate} Hz; "
            "resample one of them first."
        )
    return stem.audio
