"""What a segment leaves for its movie: whole or not there, for one movie and one harvest only."""

from pathlib import Path

import pyarrow as pa
import pytest

from harvest.dataset.schema import HARVEST_TABLES, SCHEMAS
from harvest.dataset.store import Store
from harvest.movie import SegmentTables
from harvest.segments import Segment
from harvest.staging import is_staged, stage_segment, staged_segments, unstage

FIRST, SECOND = Segment(0, 100), Segment(100, 250)


def result(movie_id: str, shots: int = 1) -> SegmentTables:
    tables = {name: SCHEMAS[name].empty_table() for name in HARVEST_TABLES}
    rows = [{"movie_id": movie_id, "shot_id": number} for number in range(shots)]
    tables["shots"] = pa.Table.from_pylist(rows, schema=SCHEMAS["shots"])
    return SegmentTables(tables, {"detection: small": 3}, {68: b"\x00\xff", 131: b"\x10"})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def test_a_segment_comes_back_as_it_was(store: Store) -> None:
    for segment, shots in ((FIRST, 2), (SECOND, 5)):
        stage_segment(store, "m", "h", segment, result("m", shots))
    read: list[int] = []
    first, second = staged_segments(store, "m", "h", [FIRST, SECOND], read.append)
    assert (first.drops, first.digests) == (result("m").drops, result("m").digests)
    assert len(read) == 2, "the tables are not read before they are asked for"
    for name, table in result("m", 2).tables.items():
        assert pa.concat_tables(first.read(name)) == table
    assert pa.concat_tables(second.read("shots", ["shot_id"])).column_names == ["shot_id"]
    assert [part.num_rows for part in second.read("shots")] == [5]
    assert len(read) == 2 + len(HARVEST_TABLES) + 2


@pytest.mark.parametrize("lost", ["segment.json", "faces.parquet"], ids=["its note", "a table, half deleted"])
def test_a_segment_is_not_there_without(lost: str, store: Store, tmp_path: Path) -> None:
    assert not is_staged(store, "m", "h", FIRST)
    stage_segment(store, "m", "h", FIRST, result("m"))
    assert is_staged(store, "m", "h", FIRST)
    next(tmp_path.rglob(lost)).unlink()
    assert not is_staged(store, "m", "h", FIRST)


@pytest.mark.parametrize(
    ("movie_id", "harvest_id", "segment"),
    [("m", "h", Segment(0, 99)), ("m", "another", FIRST), ("copy of m", "h", FIRST)],
    ids=["another split", "another harvest", "a copy of the file under another id"],
)
def test_nothing_is_taken_from(store: Store, movie_id: str, harvest_id: str, segment: Segment) -> None:
    stage_segment(store, "m", "h", FIRST, result("m"))
    assert not is_staged(store, movie_id, harvest_id, segment)


def test_a_movie_that_is_done_leaves_nothing_and_takes_nothing_of_others(store: Store, tmp_path: Path) -> None:
    for movie_id in ("m", "../m", "copy of m"):
        for harvest_id in ("h", "of an earlier config"):
            stage_segment(store, movie_id, harvest_id, FIRST, result(movie_id))
    unstage(store, "m")
    unstage(store, "m")
    assert not is_staged(store, "m", "h", FIRST)
    assert not is_staged(store, "m", "of an earlier config", FIRST)
    assert is_staged(store, "copy of m", "h", FIRST)
    assert is_staged(store, "../m", "h", FIRST)


def test_a_missing_segment_is_an_error_never_a_shorter_movie(store: Store) -> None:
    stage_segment(store, "m", "h", FIRST, result("m"))
    with pytest.raises(FileNotFoundError):
        staged_segments(store, "m", "h", [FIRST, SECOND])
