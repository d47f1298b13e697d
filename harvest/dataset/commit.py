"""Writing into a dataset. Shards first, each whole and named by its content; the record last: its put is the commit."""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from harvest.dataset.parquet import write_parquet
from harvest.dataset.records import (
    DerivedRecord,
    FailureRecord,
    MovieRecord,
    Shard,
    derived_record_path,
    failure_record_path,
    file_name,
    movie_record_path,
    shard_path,
)
from harvest.dataset.schema import SCHEMAS, SORT_KEYS
from harvest.dataset.store import OnBytes, Store, untold
from harvest.errors import DatasetError


def now() -> str:
    """The present, UTC, to the microsecond, sortable as text: the one place of the pure packages with a clock."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def put_shard(
    store: Store, name: str, parts: Iterable[pa.Table], movie_id: str, prefix: str, on_put: OnBytes = untold
) -> Shard:
    """Sort a table by its key, write it, and return what a record must know of it.

    Always written, also where a file of that name seems to exist: it may be the torn leftover of a crash.

    Args:
        parts: each in any order, and with higher keys than the one before.
    """
    key = [(column, "ascending") for column in SORT_KEYS[name]]
    with store.scratch() as file:
        rows = write_parquet(file, SCHEMAS[name], (part.cast(SCHEMAS[name]).sort_by(key) for part in parts))
        size = file.tell()
        file.seek(0)
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        path = shard_path(name, movie_id, f"{prefix}-{digest}")
        store.put_file(path, file, on_put)
    return Shard(path=path, rows=rows, bytes=size, digest=digest)


def commit_movie(
    store: Store,
    tables: Mapping[str, pa.Table | Iterable[pa.Table]],
    at: str | None = None,
    on_put: OnBytes = untold,
    **fields: Any,
) -> MovieRecord:
    """Write a movie's tables and make them visible at once. `fields` are those of `MovieRecord` but shards and time.

    What was said of earlier failures of the movie, of any work and run, ends with it.

    Args:
        tables: whole, or in parts as for `put_shard`. They are written one after another.
        at: the time of the commit, as `now` writes it; None: the present.
        on_put: is told how many bytes went, where they go in parts.
    """
    movie, prefix, shards = fields["movie_id"], fields["harvest_id"], dict[str, Shard]()
    for name, table in tables.items():
        parts = [table] if isinstance(table, pa.Table) else table
        shards[name] = put_shard(store, name, parts, movie, prefix, on_put)
    record = put_movie_record(store, MovieRecord(shards=shards, committed_at=at or now(), **fields))
    with suppress(DatasetError):  # it is committed, and stays so; the next harvest takes back what is left of them
        noted = f"{file_name(record.movie_id)}.json"
        for path in store.files("records/failures"):
            if PurePosixPath(path).name == noted:
                store.delete(path)
    return record


def put_movie_record(store: Store, record: MovieRecord) -> MovieRecord:
    """The commit itself. Alone it changes what is said of a movie whose tables stay: a failure to harvest it ends with
    it, what failed on those tables stays."""
    store.put(movie_record_path(record.movie_id), record.to_json())
    with suppress(DatasetError):
        store.delete(failure_record_path(record.movie_id, "harvest"))
    return record


def commit_derived(
    store: Store,
    name: str,
    run: str,
    movie_id: str,
    harvest_id: str,
    table: pa.Table,
    notes: dict[str, Any] | None = None,
    at: str | None = None,
) -> DerivedRecord:
    """Write a derived table of one movie and run; it replaces the run's earlier one of this movie.

    Of a movie that was forgotten meanwhile nothing stays.
    """
    record = DerivedRecord(
        table=name,
        run=run,
        movie_id=movie_id,
        harvest_id=harvest_id,
        shard=put_derived_shard(store, name, run, movie_id, harvest_id, table),
        notes=notes or {},
        created_at=at or now(),
    )
    return put_derived_record(store, record)


def put_derived_shard(store: Store, name: str, run: str, movie_id: str, harvest_id: str, table: pa.Table) -> Shard:
    """Write the rows of a derived table; no reader sees them before a record names them."""
    return put_shard(store, name, [table], movie_id, f"{file_name(run)[:80]}-{harvest_id}")  # file names end at 255


def put_derived_record(store: Store, record: DerivedRecord) -> DerivedRecord:
    """Make a derived file count, the file being there; both are taken back where the movie has been forgotten.

    `forget` removes the movie's record first and looks again at the end: what is put before it looks it finds, and who
    puts later finds no movie here.
    """
    path = derived_record_path(record.table, record.run, record.movie_id)
    store.put(path, record.to_json())
    if not store.exists(movie_record_path(record.movie_id)):
        store.delete(path)
        store.delete(record.shard.path)
    return record


def end_failure(store: Store, movie_id: str, kind: str, run: str = "") -> None:
    """Take back what was noted of a kind of work, which has succeeded since. Raises DatasetError."""
    for noted in {run, ""}:  # "": before failures were kept by run
        store.delete(failure_record_path(movie_id, kind, noted))


def note_failure(
    store: Store,
    movie_id: str,
    uri: str,
    stage: str,
    error: str,
    message: str,
    attempts: int,
    retry: str = "",
    tried_with: str = "",
    run: str = "",
) -> FailureRecord:
    """Remember that a movie could not be done, beside what was committed of it and what else failed.

    Of work on a movie that was forgotten meanwhile nothing stays, as in `put_derived_record`.
    """
    record = FailureRecord(
        movie_id=movie_id,
        uri=uri,
        stage=stage,
        run=run,
        error=error,
        message=message,
        attempts=attempts,
        retry=retry,
        tried_with=tried_with,
        at=now(),
    )
    path = failure_record_path(movie_id, record.kind, run)
    store.put(path, record.to_json())
    if record.kind != "harvest" and not store.exists(movie_record_path(movie_id)):
        store.delete(path)
    return record
