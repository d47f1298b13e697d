"""Results of segments, kept until their movie is whole. No reader looks here; a resumed run takes up what lies here."""

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from harvest.dataset.commit import to_parquet
from harvest.dataset.records import staging_folder
from harvest.dataset.schema import HARVEST_TABLES
from harvest.dataset.store import Store
from harvest.movie import SegmentTables
from harvest.segments import Segment

NOTE = "segment.json"
"""Put last: what was dropped in the segment, and the digests of the frames at its borders."""


def stage_segment(store: Store, movie_id: str, harvest_id: str, segment: Segment, result: SegmentTables) -> None:
    """Put a segment's tables, then the note that says that they are whole.

    By movie first: two copies of one file under two ids have one harvest_id.
    """
    folder = _folder(movie_id, harvest_id, segment)
    for name, table in result.tables.items():
        store.put(f"{folder}/{name}.parquet", to_parquet(table))
    digests = {str(frame): digest.hex() for frame, digest in result.digests.items()}
    store.put(f"{folder}/{NOTE}", json.dumps({"drops": result.drops, "digests": digests}).encode())


def is_staged(store: Store, movie_id: str, harvest_id: str, segment: Segment) -> bool:
    """Whether a segment is there, whole: also where a worker was killed while it deleted a folder of these."""
    folder = _folder(movie_id, harvest_id, segment)
    return all(store.exists(f"{folder}/{name}") for name in (*(f"{name}.parquet" for name in HARVEST_TABLES), NOTE))


def staged_segments(store: Store, movie_id: str, harvest_id: str, segments: Sequence[Segment]) -> list[SegmentTables]:
    """The results of all segments of a movie. Raises FileNotFoundError where one is not there."""
    return [_read(store, _folder(movie_id, harvest_id, segment)) for segment in segments]


def unstage(store: Store, movie_id: str) -> None:
    """Delete what was kept for a movie, also by harvests that were never finished."""
    store.delete(staging_folder(movie_id))


def _read(store: Store, folder: str) -> SegmentTables:
    notes = json.loads(store.get(f"{folder}/{NOTE}"))
    tables = {name: pq.read_table(pa.BufferReader(store.get(f"{folder}/{name}.parquet"))) for name in HARVEST_TABLES}
    digests = {int(frame): bytes.fromhex(digest) for frame, digest in notes["digests"].items()}
    return SegmentTables(tables, notes["drops"], digests)


def _folder(movie_id: str, harvest_id: str, segment: Segment) -> str:
    return f"{staging_folder(movie_id, harvest_id)}/{segment.start}-{segment.stop}"
