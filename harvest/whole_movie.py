"""A movie's tables from those of its segments: one at a time, and of the faces, the most by far, a part at a time."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FIRST_FACE = ("frame", "x1", "y1", "x2", "y2")
"""What tracks are numbered by, of the first face of each."""

Numbers = NDArray[np.int32]


class SegmentRows(Protocol):
    """What a segment left. Its faces lie by track and frame, its tracks by shot; ids count from 0 in each segment."""

    @property
    def drops(self) -> Mapping[str, int]:
        """How many detections and tracks were dropped, by reason."""

    def read(self, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """A table, in parts."""


def join_segments(segments: Sequence[SegmentRows]) -> dict[str, Iterator[pa.Table]]:
    """The tables of a movie from those of its segments, in order: each in parts for `put_shard`, read as it is taken.

    Shots keep their order; tracks are numbered anew by (start_frame, x1, y1, x2, y2) of their first face.
    """
    firsts = [_first_faces(segment) for segment in segments]
    keys = np.concatenate(firsts)
    number = np.empty(len(keys), np.int32)
    number[np.lexsort(keys.T[::-1])] = np.arange(len(keys), dtype=np.int32)
    numbers = np.split(number, np.cumsum([len(first) for first in firsts])[:-1])
    links = _links(segments, numbers)
    partners = np.bincount(np.stack([links["track_a"], links["track_b"]]).ravel(), minlength=len(number))
    return {
        "shots": iter([_shots(segments)]),
        "tracks": _tracks(segments, numbers, partners.astype(np.int32)),
        "faces": _faces(segments, numbers),
        "links": iter([links]),
    }


def total_drops(segments: Sequence[SegmentRows]) -> dict[str, int]:
    """What was dropped in all segments together, by reason."""
    drops: Counter[str] = Counter()
    for segment in segments:
        drops.update(segment.drops)
    return {reason: n for reason, n in sorted(drops.items()) if n}


def _first_faces(segment: SegmentRows) -> NDArray[np.float64]:
    """(n, 5) frame and box of the first face of each track of a segment."""
    found, last = [np.empty((0, len(FIRST_FACE)))], -1
    for part in segment.read("faces", ["track_id", *FIRST_FACE]):
        ids = part["track_id"].to_numpy()
        begins = np.flatnonzero(np.diff(ids, prepend=last))
        found.append(np.stack([part[column].to_numpy()[begins] for column in FIRST_FACE], axis=1).astype(np.float64))
        last = ids[-1] if len(ids) else last
    return np.concatenate(found)


def _shots(segments: Sequence[SegmentRows]) -> pa.Table:
    tables, first = [], 0
    for table in (_whole(segment, "shots") for segment in segments):
        tables.append(_set(table, "shot_id", table["shot_id"].to_numpy() + np.int32(first)))
        first += table.num_rows
    return pa.concat_tables(tables)


def _tracks(segments: Sequence[SegmentRows], numbers: Sequence[Numbers], partners: Numbers) -> Iterator[pa.Table]:
    tables, first = [], 0
    for segment, number in zip(segments, numbers, strict=True):
        table = _whole(segment, "tracks")
        table = _set(table, "track_id", number)
        table = _set(table, "cannot_links", partners[number])
        tables.append(_set(table, "shot_id", table["shot_id"].to_numpy() + np.int32(first)))
        first += sum(part.num_rows for part in segment.read("shots", ["shot_id"]))
    yield pa.concat_tables(tables)


def _faces(segments: Sequence[SegmentRows], numbers: Sequence[Numbers]) -> Iterator[pa.Table]:
    """A face goes on as soon as none of a lower track, nor of its own, is still to come."""
    lowest = np.minimum.accumulate(np.concatenate(numbers)[::-1])[::-1]
    waiting, first = list[pa.Table](), 0
    for segment, number in zip(segments, numbers, strict=True):
        for part in segment.read("faces"):
            if not part.num_rows:
                continue
            ids = part["track_id"].to_numpy()
            rows = pa.concat_tables([*waiting, _set(part, "track_id", number[ids])])
            goes = pc.less(rows["track_id"], pa.scalar(lowest[first + ids[-1]]))
            waiting = [rows.filter(pc.invert(goes))]
            rows = rows.filter(goes)
            yield rows
        first += len(number)
    yield from waiting


def _links(segments: Sequence[SegmentRows], numbers: Sequence[Numbers]) -> pa.Table:
    tables = []
    for segment, number in zip(segments, numbers, strict=True):
        table = _whole(segment, "links")
        ends = np.sort([number[table[end].to_numpy()] for end in ("track_a", "track_b")], axis=0)
        tables.append(_set(_set(table, "track_a", ends[0]), "track_b", ends[1]))
    return pa.concat_tables(tables)


def _whole(segment: SegmentRows, table: str) -> pa.Table:
    return pa.concat_tables(segment.read(table))


def _set(table: pa.Table, column: str, values: NDArray[np.int32]) -> pa.Table:
    return table.set_column(table.schema.get_field_index(column), table.schema.field(column), pa.array(values))
