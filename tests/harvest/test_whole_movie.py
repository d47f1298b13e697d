"""A movie's tables from its segments': numbered anew, sorted, and no more of the faces held than must be."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from harvest.dataset.schema import SCHEMAS, SORT_KEYS
from harvest.movie import SegmentTables
from harvest.whole_movie import SegmentRows, join_segments, total_drops

KEYS = {
    "shots": ["shot_id"],
    "tracks": ["track_id", "shot_id", "cannot_links"],
    "faces": ["track_id", "frame"],
    "links": ["track_a", "track_b"],
}
SHOT, FACES = 10, 3
"""Frames of a shot and faces on screen."""


def segment(first_shot: int, shots: int) -> SegmentTables:
    """Tracks of a shot come in an order that is not that of their places; the second is linked with the third."""
    rng = np.random.default_rng(first_shot)
    spans = [(shot, (first_shot + shot) * SHOT + late) for shot in range(shots) for late in rng.integers(0, 4, FACES)]
    tracks = [{"track_id": i, "shot_id": shot, "start_frame": start} for i, (shot, start) in enumerate(spans)]
    faces = [
        {"track_id": i, "frame": frame, "x1": x, "y1": 0, "x2": 1, "y2": 1}
        for i, (shot, start) in enumerate(spans)
        for x in rng.integers(0, 2, 1)
        for frame in range(start, (first_shot + shot + 1) * SHOT)
    ]
    links = [{"track_a": FACES * shot + 1, "track_b": FACES * shot + 2} for shot in range(shots)]
    rows = {"shots": [{"shot_id": i} for i in range(shots)], "tracks": tracks, "faces": faces, "links": links}
    tables = {name: pa.Table.from_pylist(found, schema=SCHEMAS[name]) for name, found in rows.items()}
    return SegmentTables(tables, {"track: short": shots, "detection: small": 0}, {})


SPLITS = {
    "one segment": [(0, 12)],
    "segments, one without a shot": [(0, 3), (3, 0), (3, 8), (11, 1)],
    "no shot at all": [(0, 0)],
}


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize("rows", [1, 7, 10**6], ids=lambda rows: f"parts of {rows}")
def test_tracks_are_numbered_by_their_first_face_in_the_whole_movie(split: list[tuple[int, int]], rows: int) -> None:
    segments = [segment(first, shots) for first, shots in split]
    parts = {name: list(found) for name, found in join_segments([InParts(each, rows, []) for each in segments]).items()}
    tables = {
        name: _sorted(name, pa.concat_tables([SCHEMAS[name].empty_table(), *found])).to_pylist()
        for name, found in parts.items()
    }
    expected = _numbered_whole(segments)
    for name, found in tables.items():
        assert [{key: row[key] for key in KEYS[name]} for row in found] == expected[name], name
    ids = [row["track_id"] for part in parts["faces"] for row in _sorted("faces", part).to_pylist()]
    assert ids == sorted(ids), "each part has higher tracks than the one before"
    shots = sum(shots for _, shots in split)
    assert total_drops(segments) == ({"track: short": shots} if shots else {})


def _numbered_whole(segments: list[SegmentTables]) -> dict[str, list[dict[str, Any]]]:
    """The definition, by hand: everything at once."""
    faces, shots, links = [], [], []
    starts: dict[tuple[int, int], tuple[float, ...]] = {}
    for place, each in enumerate(segments):
        rows = {name: table.to_pylist() for name, table in each.tables.items()}
        shots += [(place, row["shot_id"]) for row in rows["shots"]]
        links += [((place, row["track_a"]), (place, row["track_b"])) for row in rows["links"]]
        faces += [(place, row) for row in rows["faces"]]
        for row in rows["faces"]:
            key = (row["frame"], row["x1"], row["y1"], row["x2"], row["y2"], place, row["track_id"])
            starts.setdefault((place, row["track_id"]), key)
    number = {track: i for i, track in enumerate(sorted(starts, key=lambda track: starts[track]))}
    in_shot = {
        number[place, row["track_id"]]: shots.index((place, row["shot_id"]))
        for place, each in enumerate(segments)
        for row in each.tables["tracks"].to_pylist()
    }
    pairs = sorted(sorted((number[a], number[b])) for a, b in links)
    numbered = sorted((number[place, row["track_id"]], row["frame"]) for place, row in faces)
    partners = {track: sum(track in pair for pair in pairs) for track in in_shot}
    return {
        "shots": [{"shot_id": i} for i in range(len(shots))],
        "tracks": [{"track_id": t, "shot_id": in_shot[t], "cannot_links": partners[t]} for t in sorted(in_shot)],
        "faces": [{"track_id": track, "frame": frame} for track, frame in numbered],
        "links": [{"track_a": a, "track_b": b} for a, b in pairs],
    }


def _sorted(name: str, table: pa.Table) -> pa.Table:
    return table.sort_by([(key, "ascending") for key in SORT_KEYS[name]])


class InParts:
    """A segment whose tables are read so many rows at a time; `read_rows` is told of each part of whole faces."""

    def __init__(self, tables: SegmentTables, rows: int, read_rows: list[int]) -> None:
        self.drops, self._tables, self._rows, self._read_rows = tables.drops, tables, rows, read_rows

    def read(self, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        (whole,) = self._tables.read(table, columns)
        for first in range(0, max(1, whole.num_rows), self._rows):
            part = whole.slice(first, self._rows)
            if table == "faces" and columns is None:
                self._read_rows.append(part.num_rows)
            yield part


def test_of_a_long_film_no_more_faces_are_held_than_those_of_a_shot() -> None:
    read: list[int] = []
    segments: list[SegmentRows] = [InParts(segment(first, 20), 7, read) for first in range(0, 200, 20)]
    given, held = 0, [0]
    tables = join_segments(segments)
    assert sum(read) == 0, "nothing is read before it is asked for"
    for part in tables["faces"]:
        given += part.num_rows
        held.append(sum(read) - given)
    assert sum(read) == given
    assert max(held) <= SHOT * FACES + 7, "a shot, and what was read with its end"
