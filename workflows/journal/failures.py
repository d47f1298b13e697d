"""`castmine failures`: what could not be done, where, how often, and the command that tries it again."""

import os
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from shlex import quote
from typing import Any

from rich.text import Text

from harvest.corpus import list_corpus
from harvest.dataset.read import Dataset
from harvest.dataset.records import FailureRecord, MovieRecord
from harvest.errors import CorpusError
from harvest.identity import source_exists
from harvest.storage import is_remote
from workflows.console import out
from workflows.journal.records import Journal, journals_naming
from workflows.journal.retry import for_movies

SHOWN_FAILURES = 50
"""Failures that are printed; of more, the first ones."""


@dataclass(frozen=True)
class Failures:
    """What stands as failed in a dataset."""

    root: str
    """The dataset."""
    found: list[FailureRecord]
    retry: dict[str, tuple[str, ...]]
    """The commands that try again, by kind of work: clusterings of several names or settings have one each."""
    gone: dict[str, str]
    """By movie_id, the commands that clear failures of movies of which there is nothing left to try again: empty where
    an earlier harvest of it stands, which the command would remove too …"""
    stands: dict[str, str]
    """… and by the same movie_id, what is said of that harvest, and what clears the failure."""

    def counts(self) -> list[tuple[str, str, int]]:
        """(kind of work, error, movies), the most frequent first."""
        counted = Counter((failure.kind, failure.error) for failure in self.found)
        return [(kind, error, number) for (kind, error), number in counted.most_common()]


def read_failures(root: str) -> Failures:
    """Of every kind of work. Raises DatasetError where there is no dataset."""
    dataset = Dataset.open(root)
    found = dataset.failures()
    harvests = [failure for failure in found if failure.kind == "harvest"]
    journals = journals_naming(dataset.store, {failure.movie_id for failure in harvests})
    records = dataset.records() if journals else []
    listed = {corpus: _listed(corpus, records) for corpus in {journal.corpus for journal in journals.values()}}
    there = {name: listed[journal.corpus] for name, journal in journals.items()}
    left = [failure for failure in harvests if _is_there(failure, there.get(failure.movie_id))]
    retry: dict[str, tuple[str, ...]] = {}
    for kind in sorted({failure.kind for failure in found} - {"harvest"}):
        movies: dict[str, list[str]] = {}
        for failure in found:
            if failure.kind == kind:
                movies.setdefault(failure.retry or f"castmine {kind} --dataset {quote(root)}", []).append(
                    failure.movie_id
                )
        retry[kind] = tuple(for_movies(command, names) for command, names in movies.items())
    if left:
        commands = [_harvest_again(journals.get(failure.movie_id)) for failure in left]
        retry["harvest"] = tuple(
            command.replace("--dataset DIR", f"--dataset {quote(root)}") for command in dict.fromkeys(commands)
        )
    gone = {failure.movie_id for failure in harvests} - {failure.movie_id for failure in left}
    earlier = {name: dataset.record(name) for name in sorted(gone)}
    forget = {name: f"castmine forget {quote(name)} --dataset {quote(root)}" for name in earlier}
    uris = {failure.movie_id: failure.uri for failure in harvests}
    stands = {name: _stands(of, uris[name], root, forget[name]) for name, of in earlier.items() if of}
    return Failures(root, found, retry, forget | dict.fromkeys(stands, ""), stands)


def _stands(record: MovieRecord, failed: str, root: str, forget: str) -> str:
    """Of a failure with an earlier harvest: of that of another file a harvest clears it, else only the end of both."""
    if record.facts.uri != failed and record.facts.corpus:
        again = f"castmine harvest {quote(record.facts.corpus)} --dataset {quote(root)}"
        return f"the harvest of this id is of {record.facts.uri}; what clears it: {again}"
    return f"its earlier harvest stands; what removes both: {forget}"


def _harvest_again(journal: Journal | None) -> str:
    return journal.retry if journal and journal.retry else "castmine harvest CORPUS --dataset DIR --retry-failed"


def _is_there(failure: FailureRecord, listed: Collection[str] | None) -> bool:
    """Whether there is still a movie to try again, as far as can be seen from here; `listed`: ids of its corpus."""
    if listed is not None:
        return failure.movie_id in listed
    with suppress(CorpusError):
        return source_exists(failure.uri)
    return True


def _listed(corpus: str, records: list[MovieRecord]) -> frozenset[str] | None:
    """Ids of a corpus; None where it cannot be listed from here, or holds no movie any more."""
    with suppress(CorpusError):
        if is_remote(corpus) or os.path.isabs(corpus):
            return frozenset(movie.movie_id for movie in list_corpus(corpus, records))
    return None


def failures_json(failures: Failures) -> dict[str, Any]:
    return {
        "failures": [
            failure.model_dump(exclude={"tried_with", "schema_version"}) | {"kind": failure.kind}
            for failure in failures.found
        ],
        "counts": [{"kind": kind, "error": error, "movies": number} for kind, error, number in failures.counts()],
        "retry": failures.retry,
        "gone": failures.gone,
    }


def print_failures(failures: Failures) -> None:
    """Each failure, how often each kind was met, how to try again; paths and commands in one piece, to be copied."""
    if not failures.found:
        out.print("no failure stands")
        return
    for failure in failures.found[:SHOWN_FAILURES]:
        tried = "once" if failure.attempts == 1 else f"{failure.attempts} times"
        when = f"{failure.where}, tried {tried}, last {failure.at[:16].replace('T', ' ')} UTC"
        out.print(Text(failure.movie_id, "bold").append(f" · {when}", "not bold"), soft_wrap=True)
        out.print(Text(f"  {failure.message}"), soft_wrap=True)
    if len(failures.found) > SHOWN_FAILURES:
        every = f'castmine sql "select * from failures" --dataset {quote(failures.root)} --format csv'
        out.print(f"… and {len(failures.found) - SHOWN_FAILURES} more: {every}", markup=False, soft_wrap=True)
    out.print()
    for kind, error, number in failures.counts():
        out.print(f"{number} × {error} ({kind})", markup=False)
    for movie_id, command in failures.gone.items():
        clears = f"what clears it: {command}" if command else failures.stands[movie_id]
        out.print(f"{movie_id}: not in its corpus any more, as seen from here; {clears}", markup=False, soft_wrap=True)
    for kind, commands in failures.retry.items():
        what = "try the others again" if kind == "harvest" and failures.gone else "try again"
        for command in commands:
            out.print(f"{what} ({kind}): {command}", markup=False, soft_wrap=True)
