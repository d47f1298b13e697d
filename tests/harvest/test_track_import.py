"""Precomputed tracks: the contract of the columns, what follows from them, and what is refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvest.dataset.schema import HARVEST_TABLES, SCHEMAS
from harvest.errors import CorpusError
from harvest.imported import ImportedMovie
from harvest.track_import import read_tracks

Row = dict[str, Any]


def row(track_id: int, shot_id: int, start: int, end: int, identity: str | None = None, movie_id: str = "m") -> Row:
    faces = np.random.default_rng(track_id).normal(size=(3, 4))
    spans = {"shot_id": shot_id, "start_frame": start, "end_frame": end}
    return {"movie_id": movie_id, "track_id": track_id, **spans, "embeddings": faces.tolist(), "identity": identity}


ROWS = [row(7, 0, 0, 50, "Ann"), row(3, 0, 40, 90, "Bob"), row(5, 0, 90, 120), row(9, 1, 120, 150, "Ann")]


def write(path: Path, rows: list[Row]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def read(path: Path, rows: list[Row]) -> list[ImportedMovie]:
    return list(read_tracks(write(path / "tracks.parquet", rows)))


def test_the_tables_are_those_of_a_harvest_with_the_ids_of_the_file(tmp_path: Path) -> None:
    (movie,) = read(tmp_path, ROWS)
    assert {name: table.schema for name, table in movie.tables.items()} == {
        name: SCHEMAS[name] for name in HARVEST_TABLES
    }
    assert movie.tables["tracks"]["track_id"].to_pylist() == [3, 5, 7, 9]
    assert movie.tables["tracks"]["start_s"].to_pylist() == [40 / 24, 90 / 24, 0, 5]
    assert movie.tables["faces"].num_rows == 12
    assert (movie.frames, movie.fps, movie.embedding_size) == (150, 24.0, 4)
    assert movie.identities == {3: "Bob", 7: "Ann", 9: "Ann"}
    means = np.stack(movie.tables["tracks"]["embedding"].to_pylist())
    assert np.linalg.norm(means, axis=1) == pytest.approx(1)


def test_tracks_of_one_shot_whose_frames_overlap_are_linked_and_those_that_only_touch_are_not(tmp_path: Path) -> None:
    (movie,) = read(tmp_path, ROWS)
    linked = {"track_a": 3, "track_b": 7, "frames_together": 10, "first_frame": 40, "last_frame": 49}
    assert movie.tables["links"].to_pylist() == [{"movie_id": "m", **linked}]
    assert movie.tables["tracks"]["cannot_links"].to_pylist() == [1, 0, 1, 0]


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    (one,), (other,) = read(tmp_path, ROWS), read(tmp_path, ROWS[::-1])
    assert one.content_hash == other.content_hash
    assert one.tables == other.tables


def test_movies_of_a_file_come_one_by_one_and_their_fps_counts(tmp_path: Path) -> None:
    rows = [row(0, 0, 0, 50, movie_id=name) | {"fps": fps} for name, fps in (("b", 25.0), ("a", 50.0))]
    movies = read(tmp_path, rows)
    assert [(movie.movie_id, movie.fps) for movie in movies] == [("a", 50.0), ("b", 25.0)]


def test_embeddings_may_be_half_floats_of_fixed_length(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    half = pa.array([np.array(track, np.float16).tolist() for track in table["embeddings"].to_pylist()])
    kinds = [pa.list_(pa.list_(pa.float16())), pa.list_(pa.list_(pa.float32(), 4))]
    for kind in kinds:
        cast = table.set_column(table.schema.get_field_index("embeddings"), "embeddings", half.cast(kind))
        pq.write_table(cast, tmp_path / "tracks.parquet")
        assert next(read_tracks(tmp_path / "tracks.parquet")).embedding_size == 4


def changed(**values: object) -> Callable[[], list[Row]]:
    return lambda: [ROWS[0], ROWS[1] | values, *ROWS[2:]]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            lambda: [{k: v for k, v in each.items() if k != "shot_id"} for each in ROWS],
            "has no column shot_id; it needs",
        ),
        (changed(track_id=7), "movie 'm' has two tracks with one track_id"),
        (changed(embeddings=[]), "movie 'm', track 3: embeddings must be one or more lists"),
        (changed(embeddings=None), "movie 'm', track 3: embeddings must be one or more lists"),
        (changed(embeddings=[[1.0, float("nan"), 0.0, 0.0]]), "movie 'm', track 3: .*none NaN"),
        (changed(embeddings=[[0.0] * 4]), "movie 'm', track 3: .*all zero"),
        (changed(embeddings=[[1.0] * 4, [1.0] * 3]), "movie 'm', track 3: embeddings must be .*of one length"),
        (changed(embeddings=[[1.0] * 5]), "movie 'm' has embeddings of different lengths"),
        (changed(start_frame=90, end_frame=90), "movie 'm', track 3: end_frame must be after start_frame"),
        (changed(start_frame=-1), "movie 'm', track 3: .*start_frame"),
        (changed(shot_id=None), "movie 'm' has a row without shot_id"),
        (changed(track_id=4.5), "column track_id, row 2: must be a whole number .*number the file's anew .has 4.5"),
        (changed(track_id=float("nan")), "column track_id, row 2: must be a whole number"),
        (changed(track_id=2**31), "column track_id, row 2: must be a whole number .*has 2147483648"),
        (changed(end_frame=2**40), "column end_frame, row 2: must be a whole number"),
        (lambda: [each | {"track_id": f"t{each['track_id']}"} for each in ROWS], "column track_id, row 1: .*has 't7'"),
        (
            lambda: [ROWS[0] | {"fps": 24.0}, ROWS[1] | {"fps": None}],
            "column fps, row 2: must be over 0; leave the col",
        ),
        (lambda: [each | {"fps": 0} for each in ROWS], "column fps, row 1: must be over 0"),
        (lambda: [each | {"fps": "25"} for each in ROWS], "column fps, row 1: must be over 0"),
        (
            lambda: [each | {"embeddings": [1.0, 2.0]} for each in ROWS],
            "embeddings: .* a list of faces, each a list of",
        ),
        (changed(embeddings=[[7e4, 1.0, 0.0, 0.0]]), "track 3: .*half floats.*6.1e-05 to 65504.*; scale those"),
        (changed(embeddings=[[1.0] * 4, [1e-9] * 4]), "track 3: .*half floats.* .has 1e-09 to 1.; scale those"),
        (changed(embeddings=[[1.0] * 4, [-1.0] * 4]), "track 3: its embeddings cancel out, so that their mean is 0"),
        (changed(movie_id=None), "a row without movie_id"),
        (changed(movie_id=""), "a row without movie_id"),
        (lambda: [], "has no column"),
    ],
)
def test_a_file_that_breaks_the_contract_is_refused_by_movie_and_row(
    tmp_path: Path, rows: Callable[[], list[Row]], said: str
) -> None:
    with pytest.raises(CorpusError, match=said):
        read(tmp_path, rows())


def test_whole_numbers_may_be_written_as_floats(tmp_path: Path) -> None:
    (movie,) = read(tmp_path, [each | {"track_id": float(each["track_id"])} for each in ROWS])
    assert movie.tables["tracks"]["track_id"].to_pylist() == [3, 5, 7, 9]


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"movie_id,track_id\n"):
        (tmp_path / "tracks.parquet").write_bytes(content)
        said = r"cannot be read as a Parquet file of tracks \([^.]*\); it needs a row a track with the columns movie_id"
        with pytest.raises(CorpusError, match=said):
            list(read_tracks(tmp_path / "tracks.parquet"))
    with pytest.raises(CorpusError, match=r"nowhere.parquet: no such file; it needs .* columns movie_id, track_id"):
        list(read_tracks(tmp_path / "nowhere.parquet"))
