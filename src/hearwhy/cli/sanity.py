"""The command that examines a model and a method together."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from hearwhy.cli.long import Interrupted
from hearwhy.cli.models import found_model
from hearwhy.cli.options import AsJson, Background, Device, Fill, Model, Prompts, Quiet, Seed
from hearwhy.progress import progress, say

if TYPE_CHECKING:
    from hearwhy.sanity import Sanity


def sanity(
    data: Annotated[Path, typer.Argument(help="A folder of recordings in any layout, or one sound file.")],
    model: Model,
    method: Annotated[
        str, typer.Option("--method", help="NAME or NAME(option=value); see `hearwhy list methods`.")
    ] = "kernel_shap",
    components: Annotated[
        str | None,
        typer.Option("--components", help="See `hearwhy list components`; sources:stems are those that the data set knows."),
    ] = None,
    target: Annotated[str, typer.Option("--target", help="See `hearwhy list targets`; one.")] = "top",
    fill: Fill = None,
    second_fill: Annotated[
        str, typer.Option("--second-fill", help="What else might stand there; other: noise, of vectors conditional.")
    ] = "other",
    background: Background = None,
    scale: Annotated[str | None, typer.Option("--scale", help="log_odds, probability or logit.")] = None,
    split: Annotated[str | None, typer.Option("--split", help="Only this part of the data set: train, test, a fold.")] = None,
    stems: Annotated[str | None, typer.Option("--stems", help="Mix only these, separated by commas: piano,drums,bass.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="Recordings, spread evenly over the data set.")] = 5,
    n_networks: Annotated[int, typer.Option("--n-networks", help="Untrained networks; fewer where the model is slow.")] = 20,
    n_seeds: Annotated[int, typer.Option("--n-seeds", help="Seeds of a method that draws at random.")] = 10,
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="Train it twice, on true and on shuffled labels: see `hearwhy list recipes`.")
    ] = None,
    train_data: Annotated[Path | None, typer.Option("--train-data", help="What the recipe learns from.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Of the recipe; as it has it.")] = None,
    prompts: Prompts = [],  # noqa: B006
    seed: Seed = 0,
    device: Device = "cpu",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for a page and the numbers; goes on where it stopped.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Examine a model and a method together: do explanations depend on what was learnt, and do they stand?"""
    from hearwhy.classifiers import classifier
    from hearwhy.datasets import read
    from hearwhy.sanity import Question, Taking

    training = _recipe(recipe, train_data, epochs)
    taking = Taking(components, target, fill, second_fill)
    question = Question(
        method, taking, cast(Any, scale), n_recordings=limit, n_networks=n_networks, n_seeds=n_seeds, recipe=training,
        seed=seed, device=device,
    )  # fmt: skip
    dataset = read(data, split=split, stems=[name.strip() for name in stems.split(",")] if stems else None)
    named = classifier(found_model(model, prompts=prompts, background=background, quiet=quiet or as_json))
    found = _examine(named, dataset, question, out, called=model, quiet=quiet or as_json)
    if as_json:
        print(json.dumps(found.as_json(), allow_nan=False))
        return
    print(found.describe())
    if out is not None:
        say(f"Open {out / 'index.html'}", quiet=quiet)


def _recipe(name: str | None, data: Path | None, epochs: int | None) -> Any:
    from hearwhy.sanity import Recipe

    if (name is None) != (data is None):
        raise ValueError("--recipe and --train-data go together: the one says how to train, the other on what; give both.")
    if name is None or data is None:
        return None
    return Recipe(name, data, {} if epochs is None else {"epochs": epochs})


def _examine(model: Any, dataset: Any, question: Any, out: Path | None, *, called: str, quiet: bool) -> Sanity:
    """Examine, and with `out` write the page and the numbers whole; what is done meanwhile lies beside it."""
    from hearwhy.sanity import sanity as examine
    from hearwhy.staging import check_folder, partial_folder

    memory = None if out is None else partial_folder(out, "sanity")
    if out is not None:
        check_folder(out)  # before the work, not after it
    try:
        with progress("Explaining", quiet=quiet) as told:
            found = examine(model, dataset, question, memory=memory, progress=told)
        found = replace(found, about={**found.about, "model": called})
        if out is not None:
            _write(found, out)
    except KeyboardInterrupt:
        if memory is None or not any(memory.rglob("*.npz")):
            raise
        raise Interrupted("interrupted; what was explained is kept, and the same command goes on from there.") from None
    if memory is not None:
        shutil.rmtree(memory, ignore_errors=True)
    return found


def _write(found: Sanity, out: Path) -> None:
    from hearwhy.report.sanity import report_sanity
    from hearwhy.staging import Staging

    with Staging(out) as stage:
        report_sanity(found, stage.path / "index.html")
        text = json.dumps(found.as_json(), indent=1, allow_nan=False, ensure_ascii=False)
        (stage.path / "sanity.json").write_text(text + "\n", encoding="utf-8")
