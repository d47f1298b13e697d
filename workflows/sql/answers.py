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
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harvest.errors import QueryError

Format = Literal["table", "csv", "json", "parquet"]
SHOWN_ROWS = 1000
"""Rows of a printed table; what is left out is said. A thousand are more than anyone reads and take rich 1 s."""
_SHOWN_ITEMS = 4
"""Items of a list in a printed table, so that an embedding stays on one line."""
_PIPE_WIDTH = 100_000
"""Columns of a table that goes to a file or pipe: nothing is folded there."""
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

Batches = Iterator[pa.RecordBatch]


def write_result(result: pa.Table | tuple[Batches, pa.Schema], format: Format, out: Path | None = None) -> None:
    """Write an answer to `out`, or to standard output.

    Raises:
        QueryError: `out` cannot be written, Parquet without `out`, or a type that the format has no word for.
    """
    rows, schema = (iter(result.to_batches()), result.schema) if isinstance(result, pa.Table) else result
    if format == "parquet":
        if out is None:
            raise QueryError("parquet is binary: name a file with --out FILE")
        with _readable_errors(out):
            _write_parquet(rows, schema, out)
        return
    with _readable_errors(out), _opened(out) as file:
        {"table": write_table, "csv": _write_csv, "json": _write_json}[format](rows, schema, file)


def write_table(rows: Batches, schema: pa.Schema, file: TextIO) -> None:
    """A table for the eye: long lists cut, bytes counted, at most SHOWN_ROWS rows and a word on what is missing."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for field in schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        table.add_column(Text(_printable(field.name)), justify="right" if number else "left", overflow="fold")
    count = 0
    for row in islice((row for batch in rows for row in _row_values(batch)), SHOWN_ROWS + 1):
        count += 1
        if count <= SHOWN_ROWS:
            table.add_row(*(Text(_shown(value)) for value in row))
    console = Console(file=file, width=None if file.isatty() else _PIPE_WIDTH, highlight=False)
    console.print(table)
    more = f"the first {SHOWN_ROWS} rows; write all with --format csv --out FILE"
    console.print(more if count > SHOWN_ROWS else f"{count} row{'' if count == 1 else 's'}")


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


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, dict):
        return ", ".join(f"{_shown(key)}: {_shown(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        more = [f"… {len(value)} in all"] if len(value) > _SHOWN_ITEMS else []
        return "[" + ", ".join([_shown(item) for item in value[:_SHOWN_ITEMS]] + more) + "]"
    return _printable(str(value))


def _printable(text: str) -> str:
    """A title may hold escape sequences that would drive the terminal: what cannot be printed is dropped."""
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")


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
