"""Reading a dataset: only what its records name, never what merely lies in its folders."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from harvest.dataset.index import read_records
from harvest.dataset.records import (
    DerivedRecord,
    FailureRecord,
    MovieRecord,
    Record,
    Shard,
    derived_record_path,
    failure_record_path,
    file_name,
    movie_record_path,
)
from harvest.dataset.schema import COUNTED_AS, DERIVED_TABLES, HARVEST_TABLES, SCHEMA_VERSION, SCHEMAS
from harvest.dataset.snapshot import Snapshot
from harvest.dataset.store import Store
from harvest.errors import DatasetError
from harvest.storage import said_plainly

MARKER = "castmine.json"
"""The file that makes a folder a dataset."""

AnyRecord = TypeVar("AnyRecord", bound=Record)


class Dataset:
    """A dataset's records and tables, read afresh at each call."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def root(self) -> str:
        """Where it lies, as a process in any folder can open it: an absolute path or a URL."""
        return self.store.url

    @classmethod
    def open(cls, root: str | os.PathLike[str]) -> "Dataset":
        """Raises DatasetError where there is no dataset, or one of another schema version."""
        store = Store(os.fspath(root))
        if not store.exists(MARKER):
            make = f"castmine harvest CORPUS --dataset {quote(os.fspath(root))}"
            raise DatasetError(f"{root}: no castmine dataset here; make one with: {make}")
        try:
            version = json.loads(store.get(MARKER))["schema_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{root}/{MARKER}: cannot be read ({error}); harvest into a new folder") from error
        if version != SCHEMA_VERSION:
            raise DatasetError(
                f"{root}: written with schema version {version}, this castmine reads {SCHEMA_VERSION}; "
                "harvest it again into a new folder, or use the castmine that wrote it"
            )
        return cls(store)

    @classmethod
    def create(cls, root: str | os.PathLike[str]) -> "Dataset":
        """Open a dataset, made first where there is none. Raises DatasetError where it cannot be written."""
        store = Store(os.fspath(root))
        if store.is_local and os.path.isfile(store.root):
            raise DatasetError(f"{root}: is a file; name a folder for the dataset")
        if store.is_local and os.path.isdir(store.root) and not os.access(store.root, os.W_OK):
            raise DatasetError(f"{root}: cannot be written; check the dataset folder's owner and permissions")
        if not store.exists(MARKER):
            if store.names(""):
                raise DatasetError(
                    f"{root}: is a folder with other files in it; name a new or an empty one for the dataset"
                )
            store.put(MARKER, json.dumps({"schema_version": SCHEMA_VERSION}).encode() + b"\n")
        return cls.open(root)

    def records(self) -> list[MovieRecord]:
        """The commit record of every movie, by movie_id."""
        return self._movies(read_records(self.store, "records/movies"))

    def record(self, movie_id: str) -> MovieRecord | None:
        """The commit record of a movie; None where it is not in the dataset. Raises DatasetError where unreadable."""
        return self._record(movie_record_path(movie_id), MovieRecord)

    def movie(self, movie_id: str) -> MovieRecord:
        """The commit record of a movie that was there. Raises DatasetError where it has gone meanwhile."""
        record = self.record(movie_id)
        if record is None:
            raise DatasetError(f"{self.root}: has no movie {movie_id!r} any more")
        return record

    def failures(self) -> list[FailureRecord]:
        """What could not be done, by movie_id, kind of work and run."""
        return self._failures(read_records(self.store, "records/failures"))

    def failure(self, movie_id: str, kind: str = "harvest") -> FailureRecord | None:
        """What could not be done with a movie in one kind of work (`records.kind_of_work`)."""
        return self._record(failure_record_path(movie_id, kind), FailureRecord)

    def runs(self, table: str = "clusters") -> list[str]:
        """Names of a derived table's runs, the latest last."""
        latest: dict[str, str] = {}
        for record in self.derived_records(table):
            latest[record.run] = max(record.created_at, latest.get(record.run, ""))
        return sorted(latest, key=lambda run: (latest[run], run))

    def derived_records(self, table: str, run: str | None = None) -> list[DerivedRecord]:
        """Records of a derived table (of one run), stale ones included, by run and movie."""
        folder = f"records/{table}" + (f"/{file_name(run)}" if run is not None else "")
        return self._derived(read_records(self.store, folder))

    def derived_record(self, table: str, run: str, movie_id: str) -> DerivedRecord | None:
        """The record of what a run made for a movie in a derived table; None where it made nothing."""
        return self._record(derived_record_path(table, run, movie_id), DerivedRecord)

    def table(self, name: str, movie_id: str, columns: list[str] | None = None) -> pa.Table:
        """A harvest table of one movie. Raises DatasetError where the movie is not in the dataset."""
        return self.read_shard(self.movie(movie_id).shards[name], columns)

    def derived(self, name: str, run: str, movie_id: str) -> pa.Table | None:
        """A derived table of one movie and run; None where there is none for the movie's current harvest."""
        record, movie = self.derived_record(name, run, movie_id), self.record(movie_id)
        if record is None or movie is None or record.harvest_id != movie.harvest_id:
            return None
        return self.read_shard(record.shard)

    def read_shard(self, shard: Shard, columns: list[str] | None = None) -> pa.Table:
        """The rows of a shard. Raises DatasetError where it is lost, or not whole."""
        path, remedy = self.store.full(shard.path), f"castmine doctor --dataset {quote(self.root)} says what to do"
        try:
            with said_plainly(path), self.store.open(shard.path) as file:
                return pq.read_table(file, columns=columns)
        except FileNotFoundError as error:
            raise DatasetError(f"{path}: is lost, though a record names it; {remedy}") from error
        except pa.ArrowInvalid as error:
            raise DatasetError(f"{path}: is not whole ({error}); {remedy}") from error

    def snapshot(self) -> Snapshot:
        """One consistent view of the whole dataset: what its records name at this moment."""
        records = read_records(self.store, "records")
        movies = self._movies(_under(records, "movies"))
        current = {record.movie_id: record.harvest_id for record in movies}
        sizes: dict[str, int] = {}

        def file(shard: Shard) -> str:
            sizes[self.store.full(shard.path)] = shard.bytes
            return self.store.full(shard.path)

        shards = {name: [file(movie.shards[name]) for movie in movies] for name in HARVEST_TABLES}
        stale: dict[str, list[str]] = {}
        for name in DERIVED_TABLES:
            shards[name], stale[name] = [], []
            for record in self._derived(_under(records, name)):
                fresh = current.get(record.movie_id) == record.harvest_id
                (shards if fresh else stale)[name].append(file(record.shard))
        failures = failures_table(self._failures(_under(records, "failures")))
        return Snapshot(shards, stale, movies_table(movies), failures, sizes)

    def _movies(self, contents: Mapping[str, bytes]) -> list[MovieRecord]:
        found = [self._parsed(path, content, MovieRecord) for path, content in contents.items()]
        return sorted(found, key=lambda record: record.movie_id)

    def _failures(self, contents: Mapping[str, bytes]) -> list[FailureRecord]:
        found = [self._parsed(path, content, FailureRecord) for path, content in contents.items()]
        return sorted(found, key=lambda record: (record.movie_id, record.kind, record.run))

    def _derived(self, contents: Mapping[str, bytes]) -> list[DerivedRecord]:
        found = [self._parsed(path, content, DerivedRecord) for path, content in contents.items()]
        return sorted(found, key=lambda record: (record.run, record.movie_id))

    def _record(self, path: str, kind: type[AnyRecord]) -> AnyRecord | None:
        try:
            return self._parsed(path, self.store.get(path), kind)
        except FileNotFoundError:
            return None

    def _parsed(self, path: str, content: bytes, kind: type[AnyRecord]) -> AnyRecord:
        try:
            return kind.model_validate_json(content)
        except ValidationError as error:
            raise DatasetError(
                f"{self.store.full(path)}: not a record of this castmine ({error.errors()[0]['msg']})"
            ) from error


def _under(contents: Mapping[str, bytes], table: str) -> dict[str, bytes]:
    """Of all records, those of one table."""
    return {path: content for path, content in contents.items() if path.startswith(f"records/{table}/")}


def lies_in_dataset(path: Path) -> bool:
    """Whether a path of this machine, wherever links lead it, lies in the folder of a dataset."""
    return any(os.path.isfile(folder / MARKER) for folder in path.resolve().parents)


def movies_table(records: list[MovieRecord]) -> pa.Table:
    """The `movies` table, a row per commit record."""
    rows = [
        {
            **record.model_dump(include=set(SCHEMAS["movies"].names)),
            **record.facts.model_dump(),
            **{told: record.rows(table) for table, told in COUNTED_AS.items()},
            "drops": list(record.drops.items()),
        }
        for record in records
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMAS["movies"])


def failures_table(records: list[FailureRecord]) -> pa.Table:
    """The `failures` table, a row per movie that could not be done, and run where work knows runs."""
    return pa.Table.from_pylist(
        [r.model_dump(include=set(SCHEMAS["failures"].names)) for r in records], schema=SCHEMAS["failures"]
    )
