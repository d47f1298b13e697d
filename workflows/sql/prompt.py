"""What `castmine sql` does with its arguments: answer one query, or hold a conversation on a terminal."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import duckdb
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harvest.dataset.read import lies_in_dataset
from harvest.dataset.snapshot import Snapshot
from harvest.dataset.views import schema_rows, view_docs
from harvest.errors import QueryError
from workflows.console import err
from workflows.sql.answers import Format, write_result
from workflows.sql.emptiness import why_empty
from workflows.sql.select import batches, named_queries, open_locked

_GREETING = (
    "A query ends with ; or an empty line. A shipped query is called by its name. "
    "[bold].queries[/] lists those, [bold].schema[/] the views, [bold].quit[/] ends."
)
Read = Callable[[str], str]


def answer(
    snapshot: Snapshot, query: str | None, format: Format = "table", out: Path | None = None, root: str = "DIR"
) -> None:
    """Answer `query` (SQL or a shipped query's name); without one, a prompt on a terminal, else standard input's text.

    `root`: the dataset, as commands name it that bring in what is missing.

    Raises:
        QueryError: as `run_query` and `write_result`; or `out` lies in the dataset.
    """
    if query is None and sys.stdin.isatty():
        signal.signal(signal.SIGINT, signal.default_int_handler)  # Ctrl-C stops a query, not the conversation
        prompt(snapshot, root=root)
        return
    if out is not None and _is_of_dataset(out, snapshot):
        raise QueryError(f"{out}: lies in the dataset, where no answer is ever written; name another --out FILE")
    with open_locked(snapshot) as connection:
        text = sys.stdin.read() if query is None else query
        result = batches(connection, text)
        try:
            if not write_result(result, format, out):
                _say_why_empty(connection, text, root)
        except BrokenPipeError:  # `| head` has seen enough; keep Python from flushing into the closed pipe at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_of_dataset(out: Path, snapshot: Snapshot) -> bool:
    """Whether it lies in the folder of one, or is one of its files, wherever links have put those."""
    return lies_in_dataset(out) or os.path.realpath(out) in {os.path.realpath(file) for file in snapshot.files()}


def prompt(snapshot: Snapshot, read: Read = input, root: str = "DIR") -> None:
    """Questions and answers until .quit or the end of input; an error is a line, not an end."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (gives `input` its history and arrow keys)
    console = Console()
    console.print(_GREETING)
    with open_locked(snapshot) as connection:
        while True:
            try:
                text = _entry(read)
                if text == ".quit":
                    return
                _reply(connection, console, text, root)
            except EOFError:
                return
            except KeyboardInterrupt:
                console.print("[dim]stopped[/]")
            except QueryError as error:
                console.print(Text(str(error), "red"))


def print_schema(console: Console) -> None:
    """Every view with its columns' types and meanings."""
    docs = view_docs()
    for view, columns in groupby(schema_rows(), key=lambda row: row.view):
        console.print(Text.assemble((view, "bold"), f": a row is {docs[view]}"))
        table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
        for row in columns:
            table.add_row(" ", Text(row.column, "cyan"), Text(row.type, "dim"), Text(row.meaning))
        console.print(table)


def print_queries(console: Console) -> None:
    """The shipped queries and what they show."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", style="cyan", no_wrap=True)
    table.add_column("shows")
    for query in named_queries().values():
        table.add_row(Text(query.name), Text(query.title))
    console.print(table)


def _reply(connection: duckdb.DuckDBPyConnection, console: Console, text: str, root: str) -> None:
    if text == ".schema":
        print_schema(console)
    elif text == ".queries":
        print_queries(console)
    elif text and not write_result(batches(connection, text), "table"):
        _say_why_empty(connection, text, root)


def _say_why_empty(connection: duckdb.DuckDBPyConnection, query: str, root: str) -> None:
    """On standard error: what was asked for is whole without it."""
    reason = why_empty(connection, query, root)
    if reason:
        err.print(reason, markup=False)


def _entry(read: Read) -> str:
    """A command, a shipped query's name, or lines up to `;` or an empty one."""
    text = read("castmine> ").strip()
    if text.startswith(".") or text in named_queries():
        return text
    while text and not text.endswith(";"):
        line = read("     ...> ").strip()
        if not line:
            break
        text += "\n" + line
    return text
