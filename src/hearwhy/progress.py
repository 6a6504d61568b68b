"""Progress on standard error: how far long work is and how long it still takes; silent where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Told:
    """What is told (done, expected), and with `note` in words what goes on; silent by itself."""

    def __call__(self, done: int, expected: int) -> None:
        """Tell how much is done of how much."""

    def note(self, text: str) -> None:
        """Tell what goes on, until told otherwise."""


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Told]:
    """Yield what is told (done, expected) and draws a bar with the time that remains, and what goes on in words.

    Nothing is drawn with `quiet` or where standard error is no terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield Told()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, note="")

        class Drawn(Told):
            def __call__(self, done: int, expected: int) -> None:
                bar.update(task, completed=done, total=expected)

            def note(self, text: str) -> None:
                bar.update(task, note=text)

        yield Drawn()


def say(text: str, *, quiet: bool = False) -> None:
    """Print one line on standard error, unless quiet."""
    if not quiet:
        sys.stderr.write(text + "\n")
