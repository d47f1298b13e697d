"""`castmine failures`: what could not be done, where, how often, and the command that tries it again."""

from collections import Counter
from dataclasses import dataclass
from shlex import quote
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from harvest.dataset.read import Dataset
from harvest.dataset.records import FailureRecord
from workflows.console import out
from workflows.journal.records import latest_journal

SHOWN = 50
"""Movies in the table; of more, the first ones."""


@dataclass(frozen=True)
class Failures:
    """What stands as failed in a dataset."""

    found: list[FailureRecord]
    retry: dict[str, tuple[str, ...]]
    """The commands that try again, by kind of work: clusterings of several names or settings have one each."""

    def counts(self) -> list[tuple[str, str, int]]:
        """(kind of work, error, movies), the most frequent first."""
        counted = Counter((failure.kind, failure.error) for failure in self.found)
        return [(kind, error, number) for (kind, error), number in counted.most_common()]


def read_failures(root: str) -> Failures:
    """Of every kind of work. Raises DatasetError where there is no dataset."""
    dataset = Dataset.open(root)
    found, journal = dataset.failures(), latest_journal(dataset.store)
    retry: dict[str, tuple[str, ...]] = {}
    for kind in sorted({failure.kind for failure in found}):
        movies: dict[str, list[str]] = {}
        for failure in found:
            if failure.kind == kind:
                movies.setdefault(failure.retry or f"castmine {kind} --dataset {quote(root)}", []).append(
                    failure.movie_id
                )
        retry[kind] = tuple(f"{command} --movies {quote(','.join(names))}" for command, names in movies.items())
        if kind == "harvest":
            known = (
                journal.retry if journal and journal.retry else "castmine harvest CORPUS --dataset DIR --retry-failed"
            )
            retry[kind] = (known.replace("--dataset DIR", f"--dataset {quote(root)}"),)
    return Failures(found, retry)


def failures_json(failures: Failures) -> dict[str, Any]:
    return {
        "failures": [
            failure.model_dump(exclude={"tried_with", "schema_version"}) | {"kind": failure.kind}
            for failure in failures.found
        ],
        "counts": [{"kind": kind, "error": error, "movies": number} for kind, error, number in failures.counts()],
        "retry": failures.retry,
    }


def print_failures(failures: Failures) -> None:
    """A row per failure, how often each kind was met, and how to try again."""
    if not failures.found:
        out.print("no failure stands")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("movie", "where", "tries", "when", "what"):
        table.add_column(name, justify="right" if name == "tries" else "left", no_wrap=name == "when")
    for failure in failures.found[:SHOWN]:
        when = failure.at[:16].replace("T", " ")
        table.add_row(Text(failure.movie_id), Text(failure.where), str(failure.attempts), when, Text(failure.message))
    out.print(table)
    if len(failures.found) > SHOWN:
        out.print(f'… and {len(failures.found) - SHOWN} more: castmine sql "select * from failures"', markup=False)
    for kind, error, number in failures.counts():
        out.print(f"{number} × {error} ({kind})", markup=False)
    for kind, commands in failures.retry.items():
        for command in commands:
            out.print(f"try again ({kind}): {command}", markup=False, soft_wrap=True)
