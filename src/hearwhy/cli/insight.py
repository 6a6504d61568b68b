"""The command about a model as a whole: many explanations, one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from hearwhy.cli.long import Interrupted
from hearwhy.cli.models import found_model
from hearwhy.cli.options import Background, Device, Fill, Model, Out, Prompts, Quiet, Seed
from hearwhy.progress import progress, say

if TYPE_CHECKING:
    from hearwhy.insight import Insight, Study
    from hearwhy.report.insight_words import Findings

SHOWN = 5  # problems that are named


def insight(
    data: Annotated[
        Path, typer.Argument(help="A dataset: a folder of songs with stems, a folder for each class, or plain sound files.")
    ],
    model: Model,
    components: Annotated[
        str,
        typer.Option("--components", help="See `hearwhy list components`; sources:stems: the dataset's own true sources."),
    ],
    out: Out,
    method: Annotated[
        str, typer.Option("--method", help="NAME or NAME(option=value); see `hearwhy list methods`.")
    ] = "kernel_shap",
    target: Annotated[list[str], typer.Option("--target", help="See `hearwhy list targets`; may be given again.")] = ["top"],  # noqa: B006
    fill: Fill = None,
    background: Background = None,
    scale: Annotated[str | None, typer.Option("--scale", help="log_odds, probability or logit.")] = None,
    stems: Annotated[
        list[str], typer.Option("--stems", help="Mix only these, as in piano,drums,bass; again for each further condition.")
    ] = [],  # noqa: B006
    split: Annotated[str | None, typer.Option("--split", help="Only this part of the dataset: test, or a fold.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", help="Only so many recordings, spread evenly over the dataset.")
    ] = None,
    per_item: Annotated[
        int | None, typer.Option("--per-item", help="So many snippets of each recording, spread evenly; all.")
    ] = None,
    snippet: Annotated[float | None, typer.Option("--snippet", help="Seconds of a snippet; the model's window.")] = None,
    beside: Annotated[
        Path | None, typer.Option("--beside", help="Compare with what lies in this folder: the same asked in another way.")
    ] = None,
    prompts: Prompts = [],  # noqa: B006
    seed: Seed = 0,
    device: Device = "cpu",
    quiet: Quiet = False,
) -> None:
    """Explain many snippets of a dataset and draw one picture of the model: what it listens to, and how well that holds."""
    from hearwhy.insight import Question, Selection, Study, read_insight
    from hearwhy.report.insight_words import Findings
    from hearwhy.staging import check_folder

    check_folder(out)
    other = None if beside is None else read_insight(beside)
    question = Question(components, method, tuple(target), fill, cast(Any, scale), seed)
    conditions = tuple(tuple(name.strip() for name in line.split(",") if name.strip()) for line in stems)
    selection = Selection(conditions, split, limit, per_item, snippet)
    named = found_model(model, prompts=prompts, background=background, quiet=quiet)
    study = Study(data, named, question, selection, device=device)
    found = _ask(study, out, quiet=quiet)
    say(f"Drawing {len(found.snippets)} explanations", quiet=quiet)
    _write(Findings(found, other), study, out, quiet=quiet)


def _ask(study: Study, out: Path, *, quiet: bool) -> Insight:
    at = [0, len(study.units)]

    def told(done: int, expected: int) -> None:
        at[:] = done, expected
        show(done, expected)

    try:
        with progress("Explaining", quiet=quiet) as show:
            return study.run(out, told)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; {at[0]} of {at[1]} snippets lie in {out}, and the same command goes on from there."
        ) from None


def _write(found: Findings, study: Study, out: Path, *, quiet: bool) -> None:
    """Write the page, the tables and the figures beside what was found, all of them or none."""
    from hearwhy.insight.tables import write_tables
    from hearwhy.report.insight import report_insight
    from hearwhy.report.insight_figures import write_figures
    from hearwhy.report.insight_words import findings, plain, verdict
    from hearwhy.staging import Staging

    with Staging(out) as stage:
        report_insight(found, stage.path / "index.html", hear=study.hear)
        write_tables(found.insight, stage.path, found.clustering)
        write_figures(found, stage.path)
    say(plain(verdict(found)), quiet=quiet)
    for kind, severity, text in findings(found):
        if severity == "warning" or kind == "sampling":
            say(f"  - {''.join(text)}", quiet=quiet)
    problems = found.insight.problems
    for item, condition, problem in problems[:SHOWN]:
        say(f"hearwhy: {item}{f' ({condition})' if condition else ''}: {problem}")
    if len(problems) > SHOWN:
        say(f"hearwhy: {len(problems) - SHOWN} more problems stand on the page; the same command tries them again.")
    say(f"Open {out / 'index.html'}", quiet=quiet)
