"""The commands about whole datasets: ask every model about every recording, and make tables of the answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from hearwhy.cli.long import Interrupted
from hearwhy.cli.options import Device, Quiet, Seed
from hearwhy.progress import progress, say

if TYPE_CHECKING:
    from hearwhy.evaluate import Summary

SHOWN = 5  # problems that are named


def evaluate(
    data: Annotated[Path, typer.Argument(help="A folder in ESC-50's layout: meta/esc50.csv and audio/.")],
    model: Annotated[
        list[str], typer.Option("--model", help="What to explain; give it again for each. See `hearwhy list models`.")
    ],
    out: Annotated[Path, typer.Option("--out", help="File of results (SQLite); goes on where it stopped, or adds to it.")],
    methods: Annotated[
        str, typer.Option("--methods", help='Separated by commas: "lime(n_samples=1000),grad_cam".')
    ] = "lime,grad_cam",
    masks: Annotated[str, typer.Option("--masks", help="all, or names separated by commas; see `hearwhy list masks`.")] = "all",
    conditions: Annotated[str, typer.Option("--conditions", help="clean, and noises: clean,white=FILE@3.52dB.")] = "clean",
    protocol: Annotated[str, typer.Option("--protocol", help="corrected, or paper: as published.")] = "corrected",
    controls: Annotated[
        str, typer.Option("--controls", help="Of equal area beside each mask: random,energy, one of them, or none.")
    ] = "random,energy",
    heard: Annotated[bool, typer.Option("--heard", help="Ask about the sound of each mask as well.")] = False,
    components: Annotated[
        str, typer.Option("--components", help="What methods that only ask switch off.")
    ] = "cells:quickshift",
    fold: Annotated[list[int], typer.Option("--fold", help="Only this fold; may be given again.")] = [],  # noqa: B006
    limit: Annotated[int | None, typer.Option("--limit", help="Only so many clips, the first.")] = None,
    per_class: Annotated[int | None, typer.Option("--per-class", help="Only so many clips of each class in each fold.")] = None,
    background: Annotated[
        int, typer.Option("--background", help="Training clips of each class that deep_shap compares with.")
    ] = 2,
    engine: Annotated[str, typer.Option("--engine", help="local, or ray: on several processes or machines.")] = "local",
    workers: Annotated[int, typer.Option("--workers", help="Processes of the Ray engine.")] = 1,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Spectrograms a forward pass.")] = 16,
    seed: Seed = 0,
    device: Device = "cpu",
    quiet: Quiet = False,
) -> None:
    """Evaluate methods and masks over a dataset: maps and the models' answers, kept in one file that can be added to."""
    from hearwhy.evaluate import Clips, Engine, Question
    from hearwhy.evaluate import evaluate as evaluate_all

    beside = () if controls.strip() == "none" else tuple(name.strip() for name in controls.split(","))
    question = Question(
        methods, masks, conditions, cast(Any, protocol), seed=seed, heard=heard, controls=beside, background=background,
        components=components,
    )  # fmt: skip
    clips, how = Clips(tuple(fold), limit, per_class), Engine(cast(Any, engine), workers, device, batch_size)
    at = [0, 0]

    def told(done: int, expected: int) -> None:
        at[:] = done, expected
        show(done, expected)

    try:
        with progress("Evaluating", quiet=quiet) as show:
            summary = evaluate_all(data, model, out, question=question, clips=clips, engine=how, progress=told)
    except KeyboardInterrupt:
        stand = f"{at[0]} of {at[1]} units lie in {out}" if at[1] else f"nothing is lost of {out}"
        raise Interrupted(f"interrupted; {stand}, and the same command goes on from there.") from None
    _tell(summary, out, quiet=quiet)


def _tell(summary: Summary, out: Path, *, quiet: bool) -> None:
    for warning in summary.warnings:
        say(f"hearwhy: {warning}")
    for name, condition, method, problem in summary.problems[:SHOWN]:
        say(f"hearwhy: {name} ({', '.join(filter(None, (condition, method)))}): {problem}")
    if summary.problems:
        more = f", {len(summary.problems) - SHOWN} more are not shown" if len(summary.problems) > SHOWN else ""
        say(f"hearwhy: {len(summary.problems)} problem(s){more}; the same command tries them again.")
    before = f", {summary.n_before} of them from before" if summary.n_before else ""
    say(f"{summary.n_units} units{before} in {out}; see them with: hearwhy table {out}", quiet=quiet)


def table(
    results: Annotated[Path, typer.Argument(help="A file that `hearwhy evaluate` wrote.")],
    format_: Annotated[str, typer.Option("--format", help="md, csv, latex or parquet.")] = "md",
    metrics: Annotated[
        str | None, typer.Option("--metrics", help="Separated by commas; the paper's seven. See `hearwhy list metrics`.")
    ] = None,
    validation: Annotated[int | None, typer.Option("--validation", help="Fold on which masks are chosen.")] = None,
    test: Annotated[int | None, typer.Option("--test", help="Fold that is reported.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write to; standard output.")] = None,
    seed: Seed = 0,
) -> None:
    """Make tables of an evaluation: means, differences against controls, the best masks, accuracies."""
    from hearwhy.evaluate.formats import FORMATS, write_parquet
    from hearwhy.evaluate.tables import notes, tables
    from hearwhy.metrics import SEVEN

    if format_ not in FORMATS:
        raise ValueError(f"There is no format {format_!r}; give one of {', '.join(FORMATS)}.")
    text = FORMATS[format_]
    if text is None and out is None:
        raise ValueError(f"{format_} is written to a file; give --out FILE.")
    names = SEVEN if metrics is None else tuple(name.strip() for name in metrics.split(","))
    rows = tables(results, metrics=names, validation=validation, test=test, seed=seed)
    for note in notes(results):
        say(f"hearwhy: {note}")
    if text is None:
        assert out is not None
        write_parquet(rows, out)
    elif out is None:
        sys.stdout.write(text(rows))
    else:
        out.write_text(text(rows), encoding="utf-8")
