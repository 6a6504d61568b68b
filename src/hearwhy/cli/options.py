"""What several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Audio = Annotated[Path, typer.Argument(help="A WAV, FLAC, OGG or MP3 file.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write to.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no closing words.")]
Cache = Annotated[
    Path | None,
    typer.Option("--cache", help="Folder of answers that the model gave: what was asked before is not asked again."),
]
Precision = Annotated[
    str | None,
    typer.Option("--precision", help="Run a torch model in bfloat16, or on a GPU in half; what that changes is measured."),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn at random.")]
Device = Annotated[str, typer.Option("--device", help="Where the model runs: cpu, cuda, mps.")]
Model = Annotated[str, typer.Option("--model", help="What to explain; see `hearwhy list models`.")]
Prompts = Annotated[
    list[str], typer.Option("--prompts", help="What a model of sound and text shall tell apart; give it once for each.")
]
Fill = Annotated[
    str | None,
    typer.Option(
        "--fill",
        help="What stands where something was removed: silence, noise, or a path; of vectors also mean, rows or conditional. "
        "Silence, of vectors the mean.",
    ),
]
Background = Annotated[
    Path | None,
    typer.Option("--background", help="Of vectors: a dataset whose recordings say what values usually are."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
