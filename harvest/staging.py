"""Results of segments, kept until their movie is whole. No reader looks here; a resumed run takes up what lies here."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from harvest.dataset.parquet import write_parquet
from harvest.dataset.records import staging_folder
from harvest.dataset.schema import HARVEST_TABLES
from harvest.dataset.store import OnBytes, Store, untold
from harvest.movie import SegmentTables
from harvest.segments import Segment
from harvest.storage import said_plainly

NOTE = "segment.json"
"""Put last: what was dropped in the segment, and the digests of the frames at its borders."""

ROWS = 5_000
"""Joined and sorted at once: a minute of film with three faces on screen."""


@dataclass(frozen=True)
class StagedSegment:
    """A segment as it lies there, for `whole_movie.join_segments`."""

    drops: dict[str, int]
    digests: dict[int, bytes]
    store: Store
    folder: str
    on_read: OnBytes

    def read(self, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """A table, in parts of at most `ROWS`. Raises FileNotFoundError, DatasetError."""
        path = f"{self.folder}/{table}.parquet"
        with said_plainly(self.store.full(path)), self.store.open(path) as opened:
            file = pq.ParquetFile(opened)
            for number in range(file.num_row_groups):
                rows = file.read_row_group(number, columns, use_threads=False)
                self.on_read(rows.nbytes)
                yield from (rows.slice(first, ROWS) for first in range(0, max(rows.num_rows, 1), ROWS))


def stage_segment(
    store: Store,
    movie_id: str,
    harvest_id: str,
    segment: Segment,
    result: SegmentTables,
    on_put: OnBytes = untold,
) -> None:
    """Put a segment's tables, then the note that says that they are whole.

    By movie first: two copies of one file under two ids have one harvest_id.
    """
    folder = _folder(movie_id, harvest_id, segment)
    for name, table in result.tables.items():
        with store.scratch() as file:
            write_parquet(file, table.schema, [table])
            store.put_file(f"{folder}/{name}.parquet", file, on_put)
    digests = {str(frame): digest.hex() for frame, digest in result.digests.items()}
    store.put(f"{folder}/{NOTE}", json.dumps({"drops": result.drops, "digests": digests}).encode())


def is_staged(store: Store, movie_id: str, harvest_id: str, segment: Segment) -> bool:
    """Whether a segment is there, whole: also where a worker was killed while it deleted a folder of these."""
    folder = _folder(movie_id, harvest_id, segment)
    return all(store.exists(f"{folder}/{name}") for name in (*(f"{name}.parquet" for name in HARVEST_TABLES), NOTE))


def staged_segments(
    store: Store, movie_id: str, harvest_id: str, segments: Sequence[Segment], on_read: OnBytes = untold
) -> list[StagedSegment]:
    """All segments of a movie; their tables are read when they are asked for.

    Args:
        on_read: is told how many bytes came in, to prove life.

    Raises:
        FileNotFoundError: one is not there.
    """
    found = []
    for folder in (_folder(movie_id, harvest_id, segment) for segment in segments):
        note = store.get(f"{folder}/{NOTE}")
        on_read(len(note))
        said = json.loads(note)
        digests = {int(frame): bytes.fromhex(digest) for frame, digest in said["digests"].items()}
        found.append(StagedSegment(said["drops"], digests, store, folder, on_read))
    return found


def unstage(store: Store, movie_id: str) -> None:
    """Delete what was kept for a movie, also by harvests that were never finished."""
    store.delete(staging_folder(movie_id))


def _folder(movie_id: str, harvest_id: str, segment: Segment) -> str:
    return f"{staging_folder(movie_id, harvest_id)}/{segment.start}-{segment.stop}"
