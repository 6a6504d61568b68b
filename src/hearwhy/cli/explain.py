"""The commands that explain a recording: yours, or the one that is shipped."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hearwhy.cli.long import write_timeline
from hearwhy.cli.models import found_model
from hearwhy.cli.options import AsJson, Audio, Background, Cache, Device, Fill, Model, Out, Precision, Prompts, Quiet, Seed
from hearwhy.progress import progress, say

if TYPE_CHECKING:
    from hearwhy.result import Attribution
    from hearwhy.timeline import Timeline
    from hearwhy.types import Recording

MAX_WHOLE_BYTES = 2**28  # of a recording that is taken apart as one: 8 parts of it are 2 GiB


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


def explain(
    audio: Audio,
    model: Model,
    target: Annotated[list[str], typer.Option("--target", help="See `hearwhy list targets`; may be given again.")] = ["top"],  # noqa: B006
    components: Annotated[
        str | None, typer.Option("--components", help="See `hearwhy list components`; segments:8, or what the method needs.")
    ] = None,
    add: Annotated[
        list[str], typer.Option("--add", help="What if it were there? NAME=FILE[@GAINdB][,loop]; may be given again.")
    ] = [],  # noqa: B006
    method: Annotated[
        str | None,
        typer.Option(
            "--method", help="NAME or NAME(option=value); see `hearwhy list methods`. kernel_shap, or owen for A / PART:B."
        ),
    ] = None,
    fill: Fill = None,
    second_fill: Annotated[
        str, typer.Option("--second-fill", help="Ask again under this fill; other: noise, of vectors conditional; none.")
    ] = "other",
    background: Background = None,
    scale: Annotated[str | None, typer.Option("--scale", help="log_odds, probability or logit.")] = None,
    n_samples: Annotated[
        str | None,
        typer.Option("--n-samples", help="Masks that a sampling method asks about; auto: as many as --tolerance takes."),
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option("--tolerance", help="Ask until the error is under this share of the range of values: 0.01.")
    ] = None,
    time_budget: Annotated[
        float | None, typer.Option("--time-budget", help="Ask no longer than so many seconds; the checks come on top.")
    ] = None,
    interactions: Annotated[
        int | None, typer.Option("--interactions", help="Masks for what every two do together; to 8 components it is known.")
    ] = None,
    mask: Annotated[str | None, typer.Option("--mask", help="Of a spectrogram's map; see `hearwhy list masks`.")] = None,
    prompts: Prompts = [],  # noqa: B006
    start: Annotated[float, typer.Option("--start", help="Explain from this second on.")] = 0.0,
    duration: Annotated[float | None, typer.Option("--duration", help="Explain so many seconds.")] = None,
    window: Annotated[
        float | None, typer.Option("--window", help="Seconds at a time, where the model takes any length.")
    ] = None,
    overlap: Annotated[float, typer.Option("--overlap", help="Share of a window that the next one hears again.")] = 0.0,
    per_window: Annotated[bool, typer.Option("--per-window", help="A timeline: one explanation for each window.")] = False,
    windows: Annotated[
        str, typer.Option("--windows", help="With --per-window: how many, the most probable first, or all.")
    ] = "60",
    seed: Seed = 0,
    device: Device = "cpu",
    out: Out = Path("hearwhy-out"),
    cache: Cache = None,
    precision: Precision = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Explain a model's decision on a recording: a page, a plot, sounds and numbers."""
    from hearwhy import classifier
    from hearwhy import explain as explain_recording
    from hearwhy.answers import answers_in
    from hearwhy.classifiers.running import running
    from hearwhy.components.recipe import OTHER
    from hearwhy.explain import default_method
    from hearwhy.staging import check_folder

    check_folder(out)  # before the work, not after it
    for option, value in (("n_samples", n_samples), ("tolerance", tolerance)):
        if value is not None:
            method = _with_option(method or default_method(components), option, value)
    named = found_model(model, prompts=prompts, background=background, quiet=quiet or as_json)
    if precision:
        named = running(classifier(named), precision=precision, device=device)
    answers = answers_in(cache)
    second = OTHER if second_fill == fill else second_fill
    options: dict[str, Any] = {
        "components": components, "target": target, "method": method, "fill": fill, "scale": scale, "seed": seed,
        "second_fill": None if second == "none" else second, "device": device, "window_s": window, "overlap": overlap,
        "mask": mask, "add": _donors(add), "interactions": interactions,
        "time_budget_s": time_budget,
    }  # fmt: skip
    with progress("Asking the model", quiet=quiet or as_json) as told:
        ask: Callable[..., Any] = partial(explain_recording, named, progress=told, cache=answers, **options)
        if per_window:
            whom = {"model": model, "prompts": prompts, "background": background, "precision": precision,
                    "fingerprint": getattr(named, "fingerprint", None)}  # fmt: skip
            how = {"start": start, "duration": duration, **whom, **options}
            found: Attribution | Timeline = write_timeline(ask, audio, out, n_windows=_n_windows(windows), how=how)
        else:
            attribution: Attribution = ask(_whole(audio, start, duration))
            _write(attribution, out)
            found = attribution
    _tell(found, out, as_json=as_json, quiet=quiet)
    if answers is not None:
        say(str(answers), quiet=quiet or as_json)


def _whole(path: Path, start: float, duration: float | None) -> Recording:
    """Read what is explained as one, unless taking it apart would need more memory than there may be."""
    from hearwhy.audio import Stream, load

    with Stream(path) as file:
        seconds = min(duration or math.inf, file.duration_s - start)
        size = seconds * file.sample_rate * file.n_channels * 4
    if size > MAX_WHOLE_BYTES:
        raise ValueError(
            f"{path} is {seconds / 60:.0f} minutes long, too long to be taken apart as one. Explain it window by window with "
            "--per-window (memory does not grow with it), or a part of it with --start and --duration."
        )
    return load(path, start_s=start, duration_s=duration)


def _donors(add: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in add]
    for (name, equals, file), text in zip(pairs, add, strict=True):
        if not name or not equals or not file:
            raise ValueError(f"--add takes a name and a file, as in drums=drums.flac@-6dB; got {text!r}.")
    named = {name.strip(): file.strip() for name, _, file in pairs}
    if len(named) < len(pairs):
        raise ValueError(f"Each sound that is added has a name of its own; got {', '.join(name for name, _, _ in pairs)}.")
    return named


def _n_windows(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdigit() or int(text) < 1:
        raise ValueError(f"--windows takes a whole number from 1 on, or all; got {text!r}.")
    return int(text)


def _with_option(method: str, key: str, value: object) -> str:
    name, bracket, rest = method.partition("(")
    if key in rest:
        raise ValueError(f"{key} is given twice, as --{key.replace('_', '-')} {value} and in {method}; leave one of them out.")
    return f"{name}({key}={value}{', ' + rest if bracket else ')'}"


def _write(found: Attribution, out: Path) -> None:
    """Everything of the contract: page, plot, json, npz and audio, or nothing."""
    from hearwhy.plots import write_figures
    from hearwhy.report import report
    from hearwhy.staging import Staging

    with Staging(out) as stage:
        found.save(stage.path)
        write_figures(found, stage.path)
        report([found], stage.path / "index.html")


def _tell(found: Attribution | Timeline, out: Path, *, as_json: bool, quiet: bool) -> None:
    from hearwhy.report import summarise, summarise_timeline
    from hearwhy.timeline import Timeline

    if isinstance(found, Timeline):
        summary = summarise_timeline(found)
        lines = [f"{row['start_s']:6.1f}-{row['stop_s']:.1f} s  {row['verdict']}" for row in summary["windows"]]
    else:
        summary = summarise(found)
        lines = [summary["verdict"], *(f"  - {caveat['text']}" for caveat in summary["caveats"])]
    if as_json:
        print(json.dumps(summary, allow_nan=False))
        return
    for line in (*lines, f"Open {out / 'index.html'}"):
        say(line, quiet=quiet)
