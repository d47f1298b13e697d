"""The command line: parse, call, print. Everything it does can be imported from the modules it calls."""

import inspect
import sys
from collections.abc import Callable
from typing import Any

import typer

from harvest.errors import CastmineError, TooLittleDataError
from workflows.cli import clustering, harvesting, keeping, learning, scale, tables
from workflows.cli.app import app, import_app, labels_app
from workflows.cli.interruption import InterruptedRunError, interruption, listen
from workflows.cli.options import INTERRUPTED, USAGE
from workflows.cli.usage import wrong_usage
from workflows.console import err

__all__ = ["app", "main"]

COMMANDS = (harvesting, learning, clustering, scale, keeping, tables)
"""Modules that add their commands to `app` when they are imported."""

ORDER = (
    *("demo", "harvest", "train", "verify", "cluster", "compare", "report", "sql"),
    *("corpus", "status", "failures", "doctor", "card", "vacuum", "forget", "config"),
)
"""Of the commands in `castmine --help`: the way a user meets them."""

app.registered_commands.sort(key=lambda command: ORDER.index(str(command.name or command.callback.__name__)))  # type: ignore[union-attr]


def _help(told: Callable[..., Any] | None) -> str:
    """The docstring's paragraphs, a line each: typer would keep their lines, on a terminal of any width."""
    paragraphs = (inspect.getdoc(told) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


for command in (*app.registered_commands, *import_app.registered_commands, *labels_app.registered_commands):
    command.help = _help(command.callback)
if app.registered_callback:
    app.registered_callback.help = _help(app.registered_callback.callback)


def main() -> None:
    """Run the command line; an error is one line, never a traceback, and wrong usage is an error like any other."""
    listen()
    try:
        sys.exit(app(prog_name="castmine", standalone_mode=False))  # or typer prints errors of its own, in a box
    except (InterruptedRunError, SystemError) as error:
        interrupted = interruption(error)
        if not interrupted:
            raise
        err.print(str(interrupted))
        sys.exit(INTERRUPTED)
    except typer.TyperException as error:
        if said := wrong_usage(error):
            err.print(f"error: {said}", markup=False)
        sys.exit(USAGE)
    except typer.Abort:
        sys.exit(INTERRUPTED)
    except CastmineError as error:
        err.print(f"[bold]{'refused' if isinstance(error, TooLittleDataError) else 'error'}[/bold]: ", end="")
        err.print(str(error), markup=False)
        sys.exit(USAGE)
    except OSError as error:  # a file that a command was told to read or write; a dataset has errors of its own
        err.print(f"error: {error.filename or 'a file'}: {error.strerror or error}", markup=False)
        sys.exit(USAGE)
