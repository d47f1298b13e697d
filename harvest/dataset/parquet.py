"""Tables as Parquet files, a row group at a time: what is in memory does not grow with the table."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 50_000
"""Rows of each row group but the last: eleven minutes of film with three faces on screen."""


def write_parquet(file: BinaryIO, schema: pa.Schema, parts: Iterable[pa.Table]) -> int:
    """Write the rows of all parts, in their order; returns how many there are.

    Equal rows give equal bytes, those of the whole table in one write, however they are parted: the writer is fed whole
    row groups (of a writer that is fed the parts as they come this is not so).
    """
    rows = 0
    with pq.ParquetWriter(file, schema, compression="zstd", write_statistics=True) as writer:
        for group in _row_groups(schema, parts):
            writer.write_table(group, row_group_size=ROW_GROUP)
            rows += group.num_rows
            pa.default_memory_pool().release_unused()  # Arrow's allocator would keep 100 MiB of what it has freed
    return rows


def _row_groups(schema: pa.Schema, parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """At least one, which of a table without rows is empty; each in one chunk."""
    waiting = schema.empty_table()
    for part in parts:
        waiting = pa.concat_tables([waiting, part])
        while waiting.num_rows > ROW_GROUP:
            group, waiting = waiting.slice(0, ROW_GROUP).combine_chunks(), waiting.slice(ROW_GROUP)
            yield group
    yield waiting.combine_chunks()
