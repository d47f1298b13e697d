"""A run's journal as a file: `_runs/<run id>.json` in the dataset. Any machine may read it, while it runs and after."""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from harvest.dataset.store import Store
from harvest.errors import DatasetError
from workflows.processes import is_gone

FOLDER = "_runs"
"""Where journals lie. No reader of tables looks here, and nothing but `status` and its like depends on them."""
SILENT_BEATS = 4
"""A writer that missed so many heartbeats is said to give no sign of life."""

Outcome = Literal["running", "done", "failed", "interrupted", "broken"]
"""failed: some movies, or a stage, failed; interrupted: Ctrl-C or SIGTERM; broken: an error ended the run."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class MovieProgress(_Part):
    """How far a movie of the run is."""

    state: Literal["waiting", "running", "done", "failed"]
    frames: int = 0
    """Source frames done."""
    earlier: int = 0
    """Of these, in an earlier run."""
    total: int = 0
    """Source frames there are; 0: not opened yet."""
    duration_s: float = 0
    message: str = ""

    def own_s(self) -> float:
        """Seconds of the movie that this run has done, by which its speed is measured; of a movie that is done."""
        return self.duration_s * (1 - self.earlier / self.total) if self.total else 0.0


class Usage(_Part):
    """What the workers held and used."""

    workers: int = 0
    worker_s: float = 0
    """Seconds that workers were held, summed over them."""
    gpu_s: float = 0
    """GPU-seconds held: the share of each worker by its seconds."""
    peak_bytes: int = 0
    """Largest resident memory of a worker."""


class Journal(_Part):
    """A run, as it last said."""

    version: Literal[1] = 1
    run_id: str
    command: str
    """harvest or corpus."""
    corpus: str
    models: str
    retry: str = ""
    """The command that does again just what failed; DIR is the dataset."""
    host: str
    process: int
    process_mark: str = ""
    """What tells the process from a later one of its number."""
    started_at: str
    heartbeat_at: str
    heartbeat_s: float
    """Seconds between two writings of this file."""
    ended_at: str | None = None
    outcome: Outcome = "running"
    stage: str = "harvest"
    note: str = ""
    """What the stage says of itself, or the error that ended the run."""
    counts: dict[str, int] = {}
    """Movies by state, the unchanged ones too."""
    movies: dict[str, MovieProgress] = {}
    """Movies that there was something to do for."""
    frames: float = 0
    total: float = 0
    """Source frames done, and to do, of the movies that have been opened."""
    rate: float = 0
    """Source frames a second, lately."""
    start_s: float | None = None
    """Seconds of the harvest until a worker was at work, Ray and the workers being started; null: none was."""
    work_s: float = 0
    """Seconds from the first worker's start."""
    eta_s: float | None = None
    stages: dict[str, float] = {}
    """Worker seconds by stage."""
    usage: Usage = Usage()

    @property
    def is_starting(self) -> bool:
        """Whether movies wait for the first worker."""
        return self.start_s is None and any(movie.state == "waiting" for movie in self.movies.values())

    def silent_s(self, at: datetime | None = None) -> float | None:
        """Seconds without a sign of life of a run that has not ended; None where all is as it should be."""
        if self.ended_at is not None:
            return None
        age = (at or datetime.now(UTC)) - datetime.fromisoformat(self.heartbeat_at)
        late = age > timedelta(seconds=self.heartbeat_s * SILENT_BEATS)
        return age.total_seconds() if late or is_gone(self.host, self.process, self.process_mark) else None


def journal_path(run_id: str) -> str:
    """Where a run's journal lies."""
    return f"{FOLDER}/{run_id}.json"


def run_ids(store: Store) -> list[str]:
    """The runs that have a journal, the latest last: their ids begin with their time."""
    return [name.removesuffix(".json") for name in store.names(FOLDER) if name.endswith(".json")]


def read_journal(store: Store, run_id: str) -> Journal | None:
    """A run's journal; None where there is none. Raises DatasetError where the file is something else."""
    try:
        return Journal.model_validate_json(store.get(journal_path(run_id)))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise DatasetError(
            f"{store.full(journal_path(run_id))}: not a run's journal ({error.errors()[0]['msg']}); delete it"
        ) from error


def read_journals(store: Store) -> Iterator[Journal]:
    """All that can be read, the latest first."""
    for run_id in reversed(run_ids(store)):
        with suppress(DatasetError):
            if journal := read_journal(store, run_id):
                yield journal


def journals_naming(store: Store, movies: Collection[str]) -> dict[str, Journal]:
    """The latest journal that names each movie, of those that one names."""
    found: dict[str, Journal] = {}
    for journal in read_journals(store) if movies else ():
        found |= {name: journal for name in movies if name in journal.movies and name not in found}
        if len(found) == len(movies):
            break
    return found


def latest_journal(store: Store) -> Journal | None:
    """The journal of the run that began last."""
    ids = run_ids(store)
    return read_journal(store, ids[-1]) if ids else None


def last_measured(store: Store) -> Journal | None:
    """The journal of the last run that did work to measure a rate by."""
    found = (read_journal(store, run_id) for run_id in reversed(run_ids(store)))
    return next((journal for journal in found if journal and journal.frames and journal.usage.worker_s), None)


def strike_from_journals(store: Store, movie_id: str) -> None:
    """Take a movie out of every journal. One that cannot be read goes: it is of no use, and may name the movie."""
    for path in map(journal_path, run_ids(store)):
        try:
            noted = json.loads(store.get(path))
            movies, counts = dict(noted["movies"]), Counter(noted.get("counts"))
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError):
            store.delete(path)
            continue
        if (struck := movies.pop(movie_id, None)) is not None:
            counts -= Counter([struck["state"]])
            left = json.dumps(noted | {"movies": movies, "counts": counts}, indent=1, ensure_ascii=False)
            store.put(path, left.encode() + b"\n")


def to_json(journal: Journal) -> bytes:
    return journal.model_dump_json(indent=1).encode() + b"\n"
