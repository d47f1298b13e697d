"""What a person sees while castmine works: results on stdout, progress with an ETA on stderr."""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from harvest.whole_files import replacing

FILE_WIDTH = 160
"""Columns of what is printed into a file or a pipe."""

out = Console(highlight=False, width=None if sys.stdout.isatty() else FILE_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)

HEARTBEAT_S = 60.0

SHOWN_MOVIES = 30
"""Movies, or remarks on them, printed one below the other; of more, the first ones."""
NAMED_MOVIES = 20
"""Movies named in one line; of more, the first ones."""


class Meter:
    """Progress of one command: a bar with an ETA on a terminal, else a JSON line a minute."""

    def __init__(self, label: str, unit: str) -> None:
        self.label, self.unit = label, unit
        self.total, self.done, self.note = 0.0, 0.0, ""
        self._started = time.monotonic()
        self._bar: Progress | None = None
        if err.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn(f"{unit} · {{task.fields[note]}} ·"),
                TimeElapsedColumn(),
                TextColumn("ETA"),
                TimeRemainingColumn(),
                console=err,
                transient=True,
            )
            self._task = self._bar.add_task(label, total=None, note="starting")

    def update(self, done: float, total: float, note: str) -> None:
        """Say how far the work is: done of total units, and what is going on."""
        self.done, self.total, self.note = done, total, note
        if self._bar:
            self._bar.update(self._task, completed=int(done), total=int(total) or None, note=note)

    def beat(self, ended: threading.Event) -> None:
        """Print a line a minute until `ended`, also while one long piece of work says nothing."""
        while not ended.wait(HEARTBEAT_S):
            print(json.dumps(self._heartbeat()), file=sys.stderr, flush=True)

    def _heartbeat(self) -> dict[str, Any]:
        elapsed = time.monotonic() - self._started
        # less than one is a sign of life (`HarvestWorker.progress`), from which no rate follows
        left = elapsed * (self.total - self.done) / self.done if self.done >= 1 else None
        return {
            "heartbeat": self.label,
            "done": round(self.done),
            "total": round(self.total),
            "unit": self.unit,
            "elapsed_s": round(elapsed, 1),
            "eta_s": None if left is None else round(left, 1),
            "note": self.note,
        }


@contextmanager
def meter(label: str, unit: str) -> Iterator[Meter]:
    """A `Meter` on the screen for as long as the block runs."""
    shown = Meter(label, unit)
    if shown._bar is not None:
        with shown._bar:
            yield shown
        return
    ended = threading.Event()
    threading.Thread(target=shown.beat, args=(ended,), daemon=True).start()
    try:
        yield shown
    finally:
        ended.set()


def table_of(*columns: str, left: int = 1) -> Table:
    """An empty table, its first `left` columns for words and the others for numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < left else "right", overflow="fold")  # never cut short
    return table


def print_table(table: Table) -> None:
    """Print a table without the last columns that the terminal has no room for, which are named: an id or a number
    that is broken over lines cannot be read."""
    unbounded, missing = out.options.update(max_width=10 * FILE_WIDTH), list[str]()
    while len(table.columns) > 1 and Measurement.get(out, unbounded, table).maximum > out.width:
        missing.insert(0, str(table.columns.pop().header))
    out.print(table)
    if missing:
        out.print(f"no room for {', '.join(filter(None, missing))}: a wider terminal, or --json FILE, has all columns")


def duration(seconds: float) -> str:
    """12 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def counted(number: int, thing: str) -> str:
    """1 movie, 2 movies, 1,000 movies."""
    return f"{number:,} {thing}{'s' * (number != 1)}"


def first_names(names: Sequence[str]) -> str:
    """Movies named in one line, with … for those that are left out."""
    return ", ".join(names[:NAMED_MOVIES]) + (", …" if len(names) > NAMED_MOVIES else "")


def write_json(path: Path | None, result: dict[str, Any]) -> None:
    """What `--json FILE` asks for: what the command printed, for scripts, which never read half of it."""
    if path is None:
        return
    text = json.dumps(result, indent=2, ensure_ascii=False, default=str) + "\n"
    if str(path).startswith(("/dev/", "/proc/")) or (path.exists() and not path.is_file()):
        path.write_text(text, encoding="utf-8")  # a pipe or a device, and standard output also where it is a file
        return
    try:
        with replacing(os.path.realpath(path)) as temporary:
            Path(temporary).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
