"""DuckDB over a dataset: one view a table, reading exactly the files that the commit records name.

A directory is never listed here: what no record names does not exist for a reader.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import duckdb
import fsspec.core
import pyarrow as pa

from harvest.dataset.schema import DERIVED_TABLES, HARVEST_TABLES, RECORD_TABLES, SCHEMAS, TABLE_DOCS
from harvest.dataset.shard_files import THREADS, ShardFiles
from harvest.dataset.snapshot import Snapshot
from harvest.storage import open_filesystem

STALE = "_stale"
"""Suffix of the views over derived tables made from a harvest that is no longer the movie's."""

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # Nothing is fetched or loaded at run time, and a query never sees the Python variables around it.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}

_TYPE_NAMES = {
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float16(): "FLOAT",  # DuckDB has no half float; it reads Parquet's as FLOAT
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
}


@dataclass(frozen=True)
class SchemaRow:
    """A column of a view, as `castmine sql --schema` prints it."""

    view: str
    column: str
    type: str
    meaning: str


def connect(snapshot: Snapshot) -> duckdb.DuckDBPyConnection:
    """A connection in memory with a view (or, for records, a table) of each table of the snapshot, columns commented.

    Half floats come out as FLOAT[]. The connection is not locked down: give it no query of a stranger
    (`workflows.sql` does that). Files with a protocol (s3://…) are read through fsspec: the snapshot's, no others.
    """
    connection = duckdb.connect(config=_SETTINGS)
    for protocol in sorted({_protocol(file) for file in snapshot.files()} - {""}):
        connection.register_filesystem(_shard_files(protocol, snapshot))
        connection.execute(f"SET threads = {THREADS}")
    for view, table in _views():
        if table in RECORD_TABLES:
            _add_records(connection, view, snapshot.movies if table == "movies" else snapshot.failures)
        else:
            files = snapshot.stale if view.endswith(STALE) else snapshot.shards
            connection.execute(_view_sql(view, table, files.get(table, [])))
    connection.execute("".join(_comments_sql()))
    return connection


def _shard_files(protocol: str, snapshot: Snapshot) -> ShardFiles:
    files = [file for file in snapshot.files() if _protocol(file) == protocol]
    fs, _ = open_filesystem(files[0])
    paths = {file: str(fs._strip_protocol(file)) for file in files}
    sizes = {path: snapshot.sizes[file] if file in snapshot.sizes else fs.size(path) for file, path in paths.items()}
    return ShardFiles(protocol, fs, sizes)


def opened_paths(snapshot: Snapshot) -> list[str]:
    """The names under which DuckDB opens the files: as given and, with a protocol, in fsspec's own spelling too."""
    files = snapshot.files()
    respelt = [f"{_protocol(file)}://{fsspec.core.url_to_fs(file)[1]}" for file in files if _protocol(file)]
    return sorted({*files, *respelt})


def schema_rows() -> Iterator[SchemaRow]:
    """Every column of every view, in the order of the tables."""
    for view, table in _views():
        for field in SCHEMAS[table]:
            yield SchemaRow(view, field.name, type_name(field.type), field.metadata[b"doc"].decode())


def view_docs() -> dict[str, str]:
    """What a row of each view is, by view."""
    return {
        view: TABLE_DOCS[table] + (", made from an older harvest of its movie" if view.endswith(STALE) else "")
        for view, table in _views()
    }


def type_name(kind: pa.DataType) -> str:
    """DuckDB's name of an Arrow type of the schema."""
    if kind in _TYPE_NAMES:
        return _TYPE_NAMES[kind]
    if pa.types.is_map(kind):
        return f"MAP({type_name(kind.key_type)}, {type_name(kind.item_type)})"
    if pa.types.is_struct(kind):
        return "STRUCT(" + ", ".join(f"{field.name} {type_name(field.type)}" for field in kind) + ")"
    return f"{type_name(kind.value_type)}[]"  # lists; Parquet keeps no fixed length


def _views() -> list[tuple[str, str]]:
    """(view, its table), in the order they are listed."""
    tables = ("movies", *HARVEST_TABLES, *DERIVED_TABLES, "failures")
    return [(table, table) for table in tables] + [(table + STALE, table) for table in DERIVED_TABLES]


def _view_sql(view: str, table: str, files: list[str]) -> str:
    """A view over exactly these files. `read_parquet([])` raises, so no files make a typed empty view."""
    if not files:
        columns = (f"CAST(NULL AS {type_name(field.type)}) AS {_name(field.name)}" for field in SCHEMAS[table])
        return f"CREATE VIEW {_name(view)} AS SELECT {', '.join(columns)} WHERE false"
    # Off: the folder `movie_id=…` holds the escaped name and would shadow the column, which has the real one.
    source = f"read_parquet([{_texts(files)}], hive_partitioning = false)"
    return f"CREATE VIEW {_name(view)} AS SELECT {', '.join(map(_name, SCHEMAS[table].names))} FROM {source}"


def _comments_sql() -> Iterator[str]:
    """The meanings, where SQL looks for them: `SELECT column_name, comment FROM duckdb_columns()`."""
    for row in schema_rows():
        yield f"COMMENT ON COLUMN {_name(row.view)}.{_name(row.column)} IS {_texts([row.meaning])};"


def _protocol(file: str) -> str:
    """`s3` of s3://bucket/…, nothing of a local path."""
    return file.split("://")[0] if "://" in file else ""


def _add_records(connection: duckdb.DuckDBPyConnection, name: str, records: pa.Table) -> None:
    """Copied in, so that nothing outside DuckDB is scanned later."""
    connection.register("records", records.select(SCHEMAS[name].names))
    connection.execute(f"CREATE TABLE {_name(name)} AS SELECT * FROM records")
    connection.unregister("records")


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _texts(values: Iterable[str]) -> str:
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)
