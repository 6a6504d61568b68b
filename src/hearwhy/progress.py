"""Progress on standard error: how far long work is and how long it still takes; silent where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that is told (done, expected) and draws a bar with the time that remains.

    Nothing is drawn with `quiet` or where standard error is no terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, expected: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def told(done: int, expected: int) -> None:
            bar.update(task, completed=done, total=expected)

        yield told


def say(text: str, *, quiet: bool = False) -> None:
    """Print one line on standard error, unless quiet."""
    if not quiet:
        sys.stderr.write(text + "\n")
