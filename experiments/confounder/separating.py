"""The separations: true stems, and what trained networks make of a mix; how good they are."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.components.sources import sources
from hearwhy.datasets.band.presets import STEMS
from hearwhy.datasets.band.snippets import Snippet
from hearwhy.datasets.band.songs import Stems
from hearwhy.metrics.separation import si_sdr
from hearwhy.types import Recording

Waves = Mapping[str, Tensor]
RECIPES = ("ova", "cerberus")


def take_apart(song: Stems, snippet: Snippet, length: int) -> tuple[Recording, Waves]:
    """Return the sound of a snippet and its true stems, silent where they do not play."""
    audio = song.audio[:, snippet.start : snippet.start + length] * torch.tensor(snippet.gains)[:, None]
    return Recording(audio.sum(dim=0)[None], song.sample_rate, name=song.name), dict(zip(STEMS, audio[:, None], strict=True))


def separated(recording: Recording, how: str, file: Path) -> Waves:
    """Return the sources that a trained network finds in a recording."""
    from hearwhy.separators import mask_inference

    return {"ova": mask_inference.ova, "cerberus": mask_inference.cerberus}[how](recording, str(file))


def trained_file(how: str, given: Path | None, data: Path, out: Path, options: Mapping[str, Any]) -> Path:
    """Return the weights of a separator, trained first with the options, which is said, where none are given or there."""
    if given is not None:
        if not given.is_file():
            raise SystemExit(f"There are no weights {given}; leave --{how} out to have them trained.")
        return given
    file = out / f"{how}.safetensors"
    if not file.exists():
        from hearwhy.training import train

        sys.stderr.write(f"No --{how} FILE is given: training one as hearwhy train {how} does, into {file}.\n")
        train(how, data, file, options={**options, "resume": file.with_suffix(".state").exists()}, progress=_tell(how))
    return file


def _tell(how: str) -> Callable[[int, int], None]:
    started = time.perf_counter()

    def tell(done: int, expected: int) -> None:
        left = (time.perf_counter() - started) / max(done, 1) * (expected - done)
        sys.stderr.write(f"  {how}: {done} of {expected}, about {left / 60:.1f} minutes left\n")

    return tell


def quality(recording: Recording, true: Waves, found: Waves) -> list[dict[str, Any]]:
    """Return for every source that plays how close its estimate is, the mix itself being taken for it as the comparison.

    With the level of what all estimates together miss, relative to the mix.
    """
    rest_db = sources(recording, found, residual="drop").gap_db
    rows = []
    for source in found:
        if source in true and sound.level_db(true[source]) > sound.SILENCE_DB:
            before = si_sdr(recording.audio, true[source])
            after = si_sdr(found[source], true[source])
            rows.append({"source": source, "si_sdr": after, "improvement": after - before, "residual_db": rest_db})
    return rows
