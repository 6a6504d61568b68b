"""The command that examines a model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hearwhy.cli.options import AsJson, Device, Prompts, Quiet, Seed
from hearwhy.progress import say

if TYPE_CHECKING:
    from hearwhy.types import Recording


def check(
    model: Annotated[str, typer.Argument(help="What to examine; see `hearwhy list models`.")],
    audio: Annotated[Path | None, typer.Argument(help="A recording to ask it about; left out: the song of the demo.")] = None,
    prompts: Prompts = [],  # noqa: B006
    device: Device = "cpu",
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Examine a model: what it takes and says, how fast it is, and which methods may be trusted on it."""
    from hearwhy.check import check as examine
    from hearwhy.classifiers import classifier

    say(f"Examining {model} ...", quiet=quiet or as_json)
    found = examine(classifier(model, prompts=prompts), _recording(audio), device=device, seed=seed)
    found = replace(found, about=found.about | {"name": model})
    print(json.dumps(found.as_json(), allow_nan=False) if as_json else found.describe())


def _recording(audio: Path | None) -> Recording:
    from hearwhy import load
    from hearwhy.datasets import demo_song

    if audio is not None:
        return load(audio)
    return replace(load(demo_song() / "mix.flac"), name="the demo song (no recording was given)")
