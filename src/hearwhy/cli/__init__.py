"""The command line: one command a job; every message it prints is one that a user can act on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hearwhy import __version__
from hearwhy.progress import progress, say

if TYPE_CHECKING:
    from hearwhy.result import Attribution, Timeline

app = typer.Typer(
    name="hearwhy", help="Hear why your audio classifier decided what it decided.", no_args_is_help=True, add_completion=False,
    rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}, pretty_exceptions_enable=False,
)  # fmt: skip
INTERRUPTED = 130
WrongUsage: type[Any] = typer.BadParameter.__mro__[1]  # click's UsageError, wherever typer keeps its click
data_app = typer.Typer(help="Make a data set.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")

Out = Annotated[Path, typer.Option("--out", help="Folder to write to.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no closing words.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn at random.")]
Device = Annotated[str, typer.Option("--device", help="Where the model runs: cpu, cuda, mps.")]


@app.callback(invoke_without_command=True)
def _hearwhy(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(f"hearwhy {__version__}")
        raise typer.Exit


@app.command()
def demo(out: Out = Path("hearwhy-demo"), seed: Seed = 0, quiet: Quiet = False) -> None:
    """Explain a shipped song to you: three models, one of which hears the drums where the piano plays."""
    from hearwhy.demo import attributions

    with progress("Asking three models", quiet=quiet) as told:
        found = attributions(seed=seed, progress=told)
    from hearwhy.report import report
    from hearwhy.report.summary import summarise
    from hearwhy.staging import Staging

    with Staging(out) as stage:
        for attribution in found:
            attribution.save(stage.path / str(attribution.settings["model"]).replace(":", "-"))
        report(found, stage.path / "index.html")
    for attribution in found:
        say(f"{attribution.settings['model']:<17} {summarise(attribution)['verdict']}", quiet=quiet)
    say(f"\nOpen {out / 'index.html'} and hear for yourself.", quiet=quiet)


@app.command()
def explain(
    audio: Annotated[Path, typer.Argument(help="A WAV, FLAC, OGG or MP3 file.")],
    model: Annotated[str, typer.Option("--model", help="What to explain; see `hearwhy list models`.")],
    target: Annotated[list[str], typer.Option("--target", help="A label, 'A - B', top, or all; may be given again.")] = ["top"],  # noqa: B006
    components: Annotated[str, typer.Option("--components", help="See `hearwhy list components`.")] = "segments:8",
    method: Annotated[
        str, typer.Option("--method", help="NAME or NAME(option=value); see `hearwhy list methods`.")
    ] = "kernel_shap",
    fill: Annotated[
        str, typer.Option("--fill", help="What stands where something was removed: silence, noise, or a path.")
    ] = "silence",
    second_fill: Annotated[str, typer.Option("--second-fill", help="Ask again under this fill; none: do not.")] = "noise",
    scale: Annotated[str | None, typer.Option("--scale", help="log_odds, probability or logit.")] = None,
    n_samples: Annotated[int | None, typer.Option("--n-samples", help="Masks that a sampling method asks about.")] = None,
    start: Annotated[float, typer.Option("--start", help="Explain from this second on.")] = 0.0,
    duration: Annotated[float | None, typer.Option("--duration", help="Explain so many seconds.")] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    per_window: Annotated[bool, typer.Option("--per-window", help="One explanation for each window of the model.")] = False,
    out: Out = Path("hearwhy-out"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    quiet: Quiet = False,
) -> None:
    """Explain a model's decision on a recording: a page, a plot, sounds and numbers."""
    from hearwhy import explain as explain_recording
    from hearwhy import load
    from hearwhy.staging import check_folder

    check_folder(out)  # before the work, not after it
    if n_samples is not None:
        method = _with_option(method, "n_samples", n_samples)
    recording = load(audio, start_s=start, duration_s=duration)
    other = "silence" if second_fill == fill else second_fill
    options = {"fill": fill, "second_fill": None if other in ("none", fill) else other, "scale": scale}
    wanted = target[0] if len(target) == 1 else target
    ask: Callable[..., Attribution | Timeline] = explain_recording
    with progress("Asking the model", quiet=quiet or as_json) as told:
        found = ask(
            model, recording, components=components, target=wanted, method=method, seed=seed, device=device,
            per_window=per_window, progress=told, **options,
        )  # fmt: skip
    _write(found, out)
    _tell(found, out, as_json=as_json, quiet=quiet)


def _with_option(method: str, key: str, value: object) -> str:
    name, bracket, rest = method.partition("(")
    if key in rest:
        raise ValueError(f"{key} is given twice, as --{key.replace('_', '-')} {value} and in {method}; leave one of them out.")
    return f"{name}({key}={value}{', ' + rest if bracket else ')'}"


def _write(found: Attribution | Timeline, out: Path) -> None:
    """Everything of the contract: page, plot, json, npz and audio, or nothing."""
    from hearwhy.report import report
    from hearwhy.result import Timeline
    from hearwhy.staging import Staging

    with Staging(out) as stage:
        if isinstance(found, Timeline):
            found.save(stage.path)
            report(list(found.explained), stage.path / "index.html")
            return
        found.save(stage.path)
        found.plot(path=stage.path / "plot.png")
        report([found], stage.path / "index.html")


def _tell(found: Attribution | Timeline, out: Path, *, as_json: bool, quiet: bool) -> None:
    from hearwhy.report.summary import summarise
    from hearwhy.result import Timeline

    if isinstance(found, Timeline):
        rows = [
            {"start_s": start, "stop_s": stop, **(summarise(a) if a is not None else {"verdict": "silent"})}
            for a, (start, stop) in zip(found.attributions, found.spans_s, strict=True)
        ]
        summary: dict[str, Any] = {"windows": rows}
        lines = [f"{row['start_s']:6.1f}-{row['stop_s']:.1f} s  {row['verdict']}" for row in rows]
    else:
        summary = summarise(found)
        lines = [summary["verdict"], *(f"  - {caveat['text']}" for caveat in summary["caveats"])]
    if as_json:
        print(json.dumps(summary, allow_nan=False))
        return
    for line in (*lines, f"Open {out / 'index.html'}"):
        say(line, quiet=quiet)


@app.command("components")
def write_components(
    audio: Annotated[Path, typer.Argument(help="A WAV, FLAC, OGG or MP3 file.")],
    components: Annotated[str, typer.Option("--components", help="See `hearwhy list components`.")],
    out: Out,
    quiet: Quiet = False,
) -> None:
    """Take a recording apart and write each component as a sound, to hear them before anything is explained."""
    from hearwhy import components as make_components
    from hearwhy import load
    from hearwhy.asking import check_recording
    from hearwhy.storage import save_components

    recording = load(audio)
    check_recording(recording)
    parts = make_components(components, recording)
    files = save_components(parts, out)
    for name, level, absent, file in zip(parts.names, parts.levels_db, parts.absent, files, strict=True):
        say(f"{level:7.1f} dB  {name}{'  (absent)' if absent else ''}  {out / file}", quiet=quiet)
    if parts.gap_db > -100:
        say(f"What the parts miss of the recording: {parts.gap_db:.1f} dB", quiet=quiet)


@app.command()
def fetch(
    model: Annotated[str, typer.Argument(help="musicnn")],
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


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="band-cnn")],
    data: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    out: Annotated[Path, typer.Option("--out", help="File for the weights (.safetensors).")],
    confounder: Annotated[str, typer.Option("--confounder", help="drums, bass or independent.")] = "drums",
    seed: Seed = 0,
    device: Device = "cpu",
    quiet: Quiet = False,
) -> None:
    """Train a model by a recipe, and print its figures."""
    from hearwhy.training import RECIPES

    if recipe not in RECIPES:
        raise ValueError(f"There is no recipe {recipe!r}; give one of {', '.join(RECIPES)}.")
    with progress(f"Training {recipe}", quiet=quiet) as told:
        figures = RECIPES[recipe](data, out, confounder=confounder, seed=seed, device=device, progress=told)
    print(json.dumps(figures, indent=1))


@data_app.command("band")
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


@app.command("list")
def list_names(
    what: Annotated[str, typer.Argument(help="methods, components, fills, models, descriptions, separators or recipes")],
) -> None:
    """List what there is to choose from."""
    from hearwhy.listing import LISTS

    if what not in LISTS:
        raise ValueError(f"There is no list of {what!r}; give one of {', '.join(LISTS)}.")
    rows = LISTS[what]()
    width = max(len(name) for name in rows)
    for name, text in rows.items():
        print(f"{name:<{width}}  {text}")


def main() -> None:
    """Run the command line: exit code 0 done, 1 failed with one message, 2 wrong usage."""
    sys.path.insert(0, "")  # `py:` models lie in the working folder, which the installed command does not look into
    try:
        code = app(standalone_mode=False) or 0
        if code == INTERRUPTED:  # typer turns Ctrl-C into this code, older ones into Abort
            say("hearwhy: interrupted; nothing half-written is left.")
        raise SystemExit(code)
    except WrongUsage as error:
        error.show()
        raise SystemExit(2) from None
    except (KeyboardInterrupt, typer.Abort):
        say("hearwhy: interrupted; nothing half-written is left.")
        raise SystemExit(INTERRUPTED) from None
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if os.environ.get("HEARWHY_DEBUG") == "1":
            raise
        say(f"hearwhy: {_message(error)}")
        raise SystemExit(1) from None


def _message(error: BaseException) -> str:
    text = error.strerror or str(error) if isinstance(error, OSError) and error.filename else str(error)
    where = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
    return f"{text}{where}" or type(error).__name__
