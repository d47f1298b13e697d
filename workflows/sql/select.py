"""`castmine sql`: one SELECT over the committed tables, on a connection that can read their files and nothing else.

DuckDB's own switches leave holes (a COPY inside a CTE still writes to an allowed path), so a query is parsed first and
only trees made of SELECTs run. Results are written by `workflows.sql.answers`, outside the connection.
"""

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

import duckdb
import pyarrow as pa

from harvest.dataset.snapshot import Snapshot
from harvest.dataset.views import connect, opened_paths, view_docs
from harvest.errors import QueryError

_STATEMENT_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_TABLE_FUNCTIONS = {
    # Those that read no file, change no state, and run no SQL out of a string (`query` and
    # `json_execute_serialized_sql` would, past the check of the tree).
    *("range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "summary"),
    *("histogram", "histogram_values", "duckdb_columns", "duckdb_tables", "duckdb_views", "duckdb_functions"),
    *("duckdb_types", "duckdb_keywords", "pragma_version", "pragma_table_info"),
}
_BATCH_ROWS = 10_000
"""Rows in memory at a time: 20 MB of 512-d embeddings."""
_REMEDY = (
    "a query is one SELECT over the views (castmine sql --schema); it changes nothing, --out FILE writes its result"
)


@dataclass(frozen=True)
class NamedQuery:
    """A query shipped with castmine."""

    name: str
    title: str
    sql: str


def named_queries() -> dict[str, NamedQuery]:
    """The shipped queries by name, sorted; the title is the comment on their first line."""
    files = (file for file in (resources.files("workflows.sql") / "queries").iterdir() if file.name.endswith(".sql"))
    found = (_named_query(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in files)
    return {query.name: query for query in sorted(found, key=lambda query: query.name)}


def query_text(text: str) -> str:
    """The SQL of a shipped query if `text` is one word, else `text` itself.

    Raises:
        QueryError: one word that names no shipped query.
    """
    word = text.strip().rstrip(";")
    if not re.fullmatch(r"[\w-]+", word):
        return text
    queries = named_queries()
    if word not in queries:
        near = difflib.get_close_matches(word, queries, 1)
        raise QueryError(f"{word}: no query of this name{_did_you_mean(near)}; list them with: castmine sql --list")
    return queries[word].sql


def open_locked(snapshot: Snapshot) -> duckdb.DuckDBPyConnection:
    """A connection with the snapshot's views that can open their files, nothing else, and cannot be unlocked."""
    connection = connect(snapshot)
    paths = ", ".join("'" + path.replace("'", "''") + "'" for path in opened_paths(snapshot))
    connection.execute(f"SET allowed_paths = [{paths}]")
    connection.execute("SET temp_directory = ''")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def run_query(snapshot: Snapshot, query: str) -> pa.Table:
    """The whole answer to one SELECT (or to a shipped query's name).

    Raises:
        QueryError: not one plain SELECT, or DuckDB cannot answer it.
    """
    with open_locked(snapshot) as connection:
        return pa.Table.from_batches(*batches(connection, query))


def batches(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Iterator[pa.RecordBatch], pa.Schema]:
    """The answer as (record batches, schema), computed as it is read; columns of one name are numbered apart.

    `connection` comes from `open_locked` and must stay open meanwhile. Raises QueryError, also while reading.
    """
    text = query_text(query)
    check_select(connection, text)
    try:
        reader = connection.cursor().sql(text).to_arrow_reader(_BATCH_ROWS)  # a cursor: an earlier one may be unread
    except duckdb.Error as error:
        raise QueryError(_message(error)) from error
    schema = pa.schema(
        [field.with_name(name) for field, name in zip(reader.schema, _unique(reader.schema.names), strict=True)]
    )
    return _renamed(reader, schema), schema


def check_select(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Raise QueryError unless the text is exactly one statement made of SELECTs alone."""
    try:
        tree = json.loads(connection.execute("SELECT json_serialize_sql($1)", [query]).fetchall()[0][0])
    except (duckdb.Error, UnicodeError, RecursionError, ValueError) as error:
        raise QueryError(f"query: it cannot be parsed ({type(error).__name__}); {_REMEDY}") from error
    if tree.get("error"):
        reason = "this is no SELECT" if tree["error_type"] == "not implemented" else tree["error_message"]
        raise QueryError(f"query: {_one_line(reason)}; {_REMEDY}")
    if len(tree["statements"]) != 1:
        raise QueryError(f"query: {len(tree['statements']) or 'no'} statements in one; {_REMEDY}")
    for part in parts(tree["statements"]):
        _check_part(part)


def _check_part(part: dict[str, Any]) -> None:
    kind = part.get("type")
    if isinstance(kind, str) and kind.endswith("_NODE") and kind not in _STATEMENT_NODES:
        raise QueryError(f"query: {kind.split('_')[0]} inside it; {_REMEDY}")
    if kind == "TABLE_FUNCTION":
        name = str(part["function"].get("function_name"))
        if name.lower() not in _TABLE_FUNCTIONS:
            raise QueryError(f"query: the function {name} is not open here; {_REMEDY}")


def parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON tree."""
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _renamed(reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    try:
        for batch in reader:
            yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise QueryError(_message(error)) from error


def _unique(names: list[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        spellings = (name if turn == 0 else f"{name}_{turn}" for turn in range(len(names) + 1))
        fresh = next(spelling for spelling in spellings if spelling not in seen)
        seen.add(fresh)
        yield fresh


def _message(error: Exception) -> str:
    """DuckDB's own words and candidates on one line, without the picture of the query below them."""
    text = re.split(r"\n\s*\n|\nLINE \d+:|\n\s*Candidate functions:", str(error))[0]
    text = re.sub(r"^\w[\w ]* Error: ", "", text)
    missing = re.search(r"Table with name (.*) does not exist", text)
    if missing:
        near = difflib.get_close_matches(missing[1], view_docs(), 1)
        return f"query: no view {missing[1]}{_did_you_mean(near)}; there are {', '.join(view_docs())}"
    return f"query: {_one_line(text)} (views and columns: castmine sql --schema)"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _did_you_mean(near: list[str]) -> str:
    return f", did you mean {near[0]}?" if near else ""


def _named_query(name: str, sql: str) -> NamedQuery:
    return NamedQuery(name, sql.partition("\n")[0].removeprefix("--").strip(), sql)
