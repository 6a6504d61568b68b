"""The command line: one command a job; every message it prints is one that a user can act on."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from hearwhy import __version__
from hearwhy.cli.check import check
from hearwhy.cli.components import write_components
from hearwhy.cli.evaluate import evaluate, table
from hearwhy.cli.explain import demo, explain
from hearwhy.cli.insight import insight
from hearwhy.cli.long import Interrupted
from hearwhy.cli.models import data_band, fetch, list_names, train
from hearwhy.cli.sanity import sanity
from hearwhy.progress import say

app = typer.Typer(
    name="hearwhy", help="Hear why your audio classifier decided what it decided.", no_args_is_help=True, add_completion=False,
    rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}, pretty_exceptions_enable=False,
)  # fmt: skip
INTERRUPTED = 130
WrongUsage: type[Any] = typer.BadParameter.__mro__[1]  # click's UsageError, wherever typer keeps its click
data_app = typer.Typer(help="Make a data set.", no_args_is_help=True, rich_markup_mode=None)
app.command()(demo)
app.command()(explain)
app.command("components")(write_components)
app.command()(check)
app.command()(evaluate)
app.command()(table)
app.command()(insight)
app.command()(sanity)
app.command()(fetch)
app.command()(train)
app.add_typer(data_app, name="data")
data_app.command("band")(data_band)
app.command("list")(list_names)


@app.callback(invoke_without_command=True)
def _hearwhy(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(f"hearwhy {__version__}")
        raise typer.Exit


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
    except (Interrupted, KeyboardInterrupt, typer.Abort) as stop:
        say(f"hearwhy: {stop}" if isinstance(stop, Interrupted) else "hearwhy: interrupted; nothing half-written is left.")
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
