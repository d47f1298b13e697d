"""`castmine status`: how the run stands that wrote the dataset's latest journal, and what the dataset holds."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from shlex import quote
from typing import Any

from rich.table import Table
from rich.text import Text

from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.errors import DatasetError
from workflows.console import SHOWN_MOVIES, counted, duration, out, table_of
from workflows.journal.records import Journal, latest_journal, read_journal, run_ids

ORDER = ("running", "failed", "waiting", "done")
"""Of states in the table: where there are more movies than it shows, those at work and failed are among the first."""
LEFT = {"running": "unfinished", "waiting": "not begun"}
"""What movies are that a run has left so."""


@dataclass(frozen=True)
class Status:
    """How a dataset and its latest run stand."""

    dataset: str
    journal: Journal | None
    """None: no run has written one."""
    silent_s: float | None
    """Seconds without a sign of life of a run that has not ended; None: all is as it should be."""
    committed: int
    """Movies in the dataset."""
    failures: int
    """Failures that stand."""
    staged: int
    """Movies of which some segments are done and kept for the next run."""


def read_status(root: str, run_id: str | None = None) -> Status:
    """Of the latest run, or of the one named. Raises DatasetError where there is no such dataset or run."""
    dataset = Dataset.open(root)
    journal = read_journal(dataset.store, run_id) if run_id else latest_journal(dataset.store)
    if run_id and journal is None:
        known = ", ".join(run_ids(dataset.store)[-5:]) or "none"
        raise DatasetError(f"{root}: has no journal of a run {run_id!r}; the latest are: {known}")
    records = dataset.records()
    return Status(
        dataset=root,
        journal=_caught_up(journal, records) if journal and not run_id else journal,
        silent_s=journal.silent_s() if journal else None,
        committed=len(records),
        failures=len(dataset.failures()),
        staged=len(dataset.store.names("_staging")),
    )


def _caught_up(journal: Journal, records: Iterable[MovieRecord]) -> Journal:
    """The latest journal, with what its run has committed since it last wrote."""
    movies, counts = dict(journal.movies), Counter(journal.counts)
    for record in records if journal.ended_at is None else ():
        movie = movies.get(record.movie_id)
        if movie and movie.state in LEFT and record.committed_at >= journal.started_at:
            movies[record.movie_id] = movie.model_copy(update={"state": "done", "frames": movie.total})
            counts.update({movie.state: -1, "done": 1})
    return journal.model_copy(update={"movies": movies, "counts": dict(counts)})


def status_json(status: Status) -> dict[str, Any]:
    journal = status.journal.model_dump(mode="json") if status.journal else None
    return {**status.__dict__, "journal": journal}


def print_status(status: Status) -> None:
    """The run, its movies, and what the dataset holds beside it."""
    if status.journal is None:
        out.print("no run has kept a journal here yet; castmine harvest and castmine corpus do")
    else:
        _print_run(status.journal, status)
    kept = f", segments of {counted(status.staged, 'unfinished movie')} kept" if status.staged else ""
    failed = (
        f", {counted(status.failures, 'failure')} of all runs (castmine failures --dataset {quote(status.dataset)})"
        if status.failures
        else ""
    )
    out.print(f"dataset: {counted(status.committed, 'movie')} committed{failed}{kept}", markup=False, soft_wrap=True)


def _print_run(journal: Journal, status: Status) -> None:
    out.print(
        f"{journal.command} {journal.corpus} with {journal.models} · run {journal.run_id} on {journal.host}",
        markup=False,
        soft_wrap=True,
    )
    over = journal.ended_at is not None or status.silent_s is not None
    said = {state: LEFT.get(state, state) if over else state for state in (*ORDER, "unchanged")}
    if journal.movies:
        out.print(_movies(journal, said))
    counts = Counter(journal.counts)
    states = ", ".join(f"{counts[state]} {name}" for state, name in said.items() if counts[state])
    usage = journal.usage
    workers = f" · {counted(usage.workers, 'worker')}" if usage.workers else ""
    peak = f" · peak {usage.peak_bytes / 2**30:.2f} GiB a worker" if usage.peak_bytes else ""
    out.print(f"{states or 'no movie to harvest'}{workers}{peak}", markup=False)
    colour = "red" if status.silent_s is not None or journal.outcome in ("broken", "failed") else ""
    out.print(Text(_standing(journal, status.silent_s), colour), soft_wrap=True)


def _standing(journal: Journal, silent_s: float | None) -> str:
    """How the run itself stands, in a line."""
    if silent_s is not None:
        when = _local(journal.heartbeat_at)
        return (
            f"no sign of life since {when} ({duration(silent_s)} ago): its driver was killed, or cannot reach the "
            "dataset; what was committed stays, and the same command goes on from there"
        )
    if journal.ended_at is not None:
        took = datetime.fromisoformat(journal.ended_at) - datetime.fromisoformat(journal.started_at)
        note = f": {journal.note}" if journal.note else ""
        return f"{journal.outcome} {_local(journal.ended_at)}, after {duration(took.total_seconds())}{note}"
    age = duration((datetime.now(UTC) - datetime.fromisoformat(journal.started_at)).total_seconds())
    if journal.stage != "harvest":
        return f"{journal.stage} · running for {age}"
    if journal.is_starting:
        return f"starting Ray and its workers, for {age} so far"
    eta = "" if journal.eta_s is None else f" · ETA {duration(journal.eta_s)}"
    share = f"{journal.frames / journal.total:.0%} of the frames · " if journal.total else ""
    rate = f"{journal.rate:.1f} frames/s{eta} · " if journal.rate else ""
    return f"{journal.stage} · {share}{rate}running for {age}"


def _movies(journal: Journal, said: dict[str, str]) -> Table:
    """`said`: what a state is called."""
    table = table_of("movie", "state", "frames", "of", "", left=2)
    rows = sorted(journal.movies.items(), key=lambda row: (ORDER.index(row[1].state), row[0]))
    for movie_id, movie in rows[:SHOWN_MOVIES]:
        share = f"{movie.frames / movie.total:.0%}" if movie.total else ""
        colour = {"failed": "red", "running": "green"}.get(movie.state, "")
        total = str(movie.total) if movie.total else "?"
        table.add_row(Text(movie_id), Text(said[movie.state], colour), str(movie.frames), total, share)
    if len(rows) > SHOWN_MOVIES:
        table.add_row(f"… and {len(rows) - SHOWN_MOVIES} more", "", "", "", "")
    return table


def _local(moment: str) -> str:
    """A time in UTC, to the second."""
    return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
