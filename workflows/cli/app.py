"""The command line's root: what `castmine` alone says, and the groups that hold more than one command."""

from importlib.metadata import version
from typing import Annotated

import typer

from workflows.cli.options import MORE, flag
from workflows.console import out

app = typer.Typer(
    name="castmine",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 all done · 1 some movies failed · 2 wrong usage, or nothing could be done · "
    "130 stopped by Ctrl-C, or a question answered with no.",
)
import_app = typer.Typer(no_args_is_help=True, help="Bring in tracks and features that were made elsewhere.")
labels_app = typer.Typer(no_args_is_help=True, help="Say who is who, to score a clustering.")
app.add_typer(import_app, name="import", rich_help_panel=MORE)
app.add_typer(labels_app, name="labels", rich_help_panel=MORE)


@app.callback(invoke_without_command=True)
def castmine(
    shown_version: Annotated[bool, flag("--version", "Print the version and stop.")] = False,
) -> None:
    """Find who is who in a film library.

    Decode movies, detect and track every face, learn from what the tracks themselves tell (one track: one person; seen
    together: different people), and group the tracks of each movie into a cast. No human label is needed.

    [b]Begin with[/b]   castmine demo

    [b]Then[/b]   castmine harvest clip.mp4 -d clips && castmine cluster -d clips && castmine report -d clips -o sheets
    """
    if shown_version:
        out.print(f"castmine {version('castmine')}")
        raise typer.Exit
