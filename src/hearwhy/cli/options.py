"""What several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Audio = Annotated[Path, typer.Argument(help="A WAV, FLAC, OGG or MP3 file.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write to.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no closing words.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn at random.")]
Device = Annotated[str, typer.Option("--device", help="Where the model runs: cpu, cuda, mps.")]
Model = Annotated[str, typer.Option("--model", help="What to explain; see `hearwhy list models`.")]
Prompts = Annotated[
    list[str], typer.Option("--prompts", help="What a model of sound and text shall tell apart; give it once for each.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
