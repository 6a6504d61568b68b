"""Long work on the command line: a timeline that is written window by window and goes on where it stopped."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hearwhy.timeline import Timeline


class Interrupted(Exception):
    """An interrupt that left something to go on from; its text says so. Not a KeyboardInterrupt: typer would swallow it."""


def write_timeline(
    ask: Callable[..., Timeline], audio: Path, out: Path, *, n_windows: int | None, how: Mapping[str, Any]
) -> Timeline:
    """Explain a sound file window by window and write the folder of results; return the timeline that lies there.

    Finished windows lie in a hidden folder beside `out` until all are there: after an interrupt or a failure the same
    command goes on from them. `how` is everything that the windows depend on besides the sound.
    """
    from hearwhy.staging import partial_folder
    from hearwhy.timeline import Timeline
    from hearwhy.windowed import PerWindow

    source = _part(audio, how["start"], how["duration"])
    finished = partial_folder(out, f"{_digest(audio)} {sorted(how.items())} {n_windows}")
    try:
        found = ask(source, per_window=PerWindow(n_windows, finished))
        _publish(found, finished, out)
    except KeyboardInterrupt:
        done = len(list(finished.glob("window-*")))
        if not done:
            shutil.rmtree(finished, ignore_errors=True)
            raise
        raise Interrupted(f"interrupted; {done} windows are done, and the same command goes on from there.") from None
    except BaseException:
        if finished.is_dir() and not any(finished.glob("window-*")):
            shutil.rmtree(finished)
        raise
    return Timeline.load(out)


def _part(audio: Path, start: float, duration: float | None) -> Any:
    """The file itself, to be read window by window, or the part of it that was asked for."""
    from hearwhy.audio import load

    return audio if start == 0 and duration is None else load(audio, start_s=start, duration_s=duration)


def _digest(path: Path) -> str:
    if not path.is_file():
        return str(path)  # who reads it says what is wrong with it
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _publish(found: Timeline, finished: Path, out: Path) -> None:
    """Move the windows into the folder of results, with the timeline and its page."""
    from hearwhy.report import report_timeline
    from hearwhy.staging import Staging
    from hearwhy.timeline import FILE, NUMBERS

    with Staging(out) as stage:
        found.save(finished)
        report_timeline(found, stage.path / "index.html")
        for name in (FILE, NUMBERS, *(found.folder_name(i) for i in found.numbers)):
            (finished / name).replace(stage.path / name)
    shutil.rmtree(finished)  # what a killed run left half-written lies there too
