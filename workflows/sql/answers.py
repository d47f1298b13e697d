"""How an answer of `castmine sql` reaches a person or a file: a table, CSV, JSON or Parquet, batch by batch."""

import base64
import csv
import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TextIO

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from harvest.errors import QueryError
from workflows.sql.table import SHOWN_ROWS, print_rows

Format = Literal["table", "csv", "json", "parquet"]
_PIPE_WIDTH = 100_000
"""Columns of a table that goes to a file or pipe: nothing is folded there."""
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

Batches = Iterator[pa.RecordBatch]


def write_result(result: pa.Table | tuple[Batches, pa.Schema], format: Format, out: Path | None = None) -> int:
    """Write an answer to `out`, or to standard output. The number of rows that were read of it.

    Raises:
        QueryError: `out` cannot be written, Parquet without `out`, or a type that the format has no word for.
    """
    batches, schema = (iter(result.to_batches()), result.schema) if isinstance(result, pa.Table) else result
    read = 0

    def counted() -> Batches:
        nonlocal read
        for batch in batches:
            read += batch.num_rows
            yield batch

    if format == "parquet":
        if out is None:
            raise QueryError("parquet is binary: name a file with --out FILE")
        with _readable_errors(out):
            _write_parquet(counted(), schema, out)
        return read
    with _readable_errors(out), _opened(out) as file:
        {"table": _write_table, "csv": _write_csv, "json": _write_json}[format](counted(), schema, file)
    return read


def _write_table(rows: Batches, schema: pa.Schema, file: TextIO) -> None:
    """A table for the eye: long lists cut, bytes counted, at most SHOWN_ROWS rows and a word on what is missing."""
    first = list(islice((row for batch in rows for row in _row_values(batch)), SHOWN_ROWS + 1))
    console = Console(file=file, width=None if file.isatty() else _PIPE_WIDTH, highlight=False)
    print_rows(console, schema, first[:SHOWN_ROWS], more=len(first) > SHOWN_ROWS)


def _write_csv(rows: Batches, schema: pa.Schema, file: TextIO) -> None:
    """Nested values as JSON in their cell, null as nothing."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(schema.names)
    for batch in rows:
        writer.writerows([_cell(value) for value in row] for row in _row_values(batch))


def _write_json(rows: Batches, schema: pa.Schema, file: TextIO) -> None:
    """One array, one object a line; bytes in base64, NaN and infinities null (JSON has no word for them)."""
    separator = "["
    for batch in rows:
        for row in _row_values(batch):
            file.write(separator + "\n" + _as_json(dict(zip(schema.names, row, strict=True))))
            separator = ","
    file.write("\n]\n" if separator == "," else "[]\n")


def _write_parquet(rows: Batches, schema: pa.Schema, out: Path) -> None:
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for batch in rows:
            writer.write_batch(batch)


def _row_values(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist(maps_as_pydicts="lossy") for column in batch.columns), strict=True)


def _as_json(value: Any) -> str:
    return _ENCODER.encode(_plain(value))


def _plain(value: Any) -> Any:
    """The value in JSON's own types."""
    if value is None or isinstance(value, int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else str(value)


def _cell(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return _as_json(value) if isinstance(value, bool | list | tuple | dict) else str(value)


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        sys.stdout.flush()
    else:
        with open(out, "w", encoding="utf-8", newline="") as file:
            yield file


@contextmanager
def _readable_errors(out: Path | None) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of the pipe has seen enough
    except pa.ArrowException as error:
        raise QueryError(f"the answer does not fit this format ({error}); cast the column to VARCHAR") from error
    except OSError as error:
        raise QueryError(f"{out or 'standard output'}: cannot be written ({error.strerror})") from error
