"""A table that is written part by part has the bytes of one that is written at once, and never lies in memory whole."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvest.dataset import parquet
from harvest.dataset.parquet import ROW_GROUP, write_parquet
from harvest.dataset.schema import SCHEMAS

SCHEMA = SCHEMAS["faces"]


def faces(rows: int, chip_bytes: int = 9) -> pa.Table:
    """Faces of which every seventh has a chip and an embedding."""
    rng = np.random.default_rng(rows)
    known = {
        "movie_id": ["m"] * rows,
        "track_id": np.arange(rows) // 50,
        "frame": np.arange(rows),
        "x1": rng.random(rows),
        "detected": rng.random(rows) < 0.3,
        "embedding": [rng.standard_normal(4).astype(np.float16) if i % 7 == 0 else None for i in range(rows)],
        "chip": [rng.bytes(chip_bytes) if i % 7 == 0 else None for i in range(rows)],
    }
    arrays = [pa.array(known[field.name]) if field.name in known else pa.nulls(rows) for field in SCHEMA]
    return pa.table([column.cast(field.type) for column, field in zip(arrays, SCHEMA, strict=True)], schema=SCHEMA)


def in_parts(table: pa.Table, rows: int) -> Iterator[pa.Table]:
    return (table.slice(first, rows) for first in range(0, table.num_rows, rows))


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        (0, 1),
        (10, 3),
        (ROW_GROUP, 999),
        (2 * ROW_GROUP, 30_011),
        (2 * ROW_GROUP + 1, 10**6),
    ],
    ids=["no row", "a few", "a row group", "two row groups", "a row more, in one part"],
)
def test_parts_give_the_bytes_of_one_write_of_the_whole(rows: int, part: int) -> None:
    table, file, whole = faces(rows), BytesIO(), BytesIO()
    assert write_parquet(file, SCHEMA, in_parts(table, part)) == rows
    pq.write_table(table, whole, compression="zstd", row_group_size=ROW_GROUP, write_statistics=True)
    assert file.getvalue() == whole.getvalue()


def test_what_is_in_memory_does_not_grow_with_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP", 700)
    part = faces(490, 20_000)
    assert _most_memory(part, 24) < 1.1 * _most_memory(part, 8)


def _most_memory(part: pa.Table, times: int) -> int:
    """Bytes that Arrow held at most while copies of a part were written."""
    usual = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(pool)
    try:
        with open("/dev/null", "wb") as file:
            write_parquet(file, SCHEMA, (part.take(np.arange(part.num_rows)) for _ in range(times)))
    finally:
        pa.set_memory_pool(usual)
    held = pool.max_memory() or 0
    assert held > part.nbytes
    return held
