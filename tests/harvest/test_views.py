"""The views read exactly what the records name, with the types and meanings of the schemas."""

from pathlib import Path

import fsspec
import pyarrow.parquet as pq
import pytest

from harvest.dataset.commit import commit_derived
from harvest.dataset.read import Dataset
from harvest.dataset.schema import SCHEMAS
from harvest.dataset.snapshot import Snapshot
from harvest.dataset.views import connect, opened_paths, schema_rows, view_docs
from tests.harvest.small_dataset import MOVIE, make, rows_table

NOTHING = Snapshot({}, {}, SCHEMAS["movies"].empty_table(), SCHEMAS["failures"].empty_table())
VIEWS = [*SCHEMAS, "tracklets_stale", "clusters_stale", "labels_stale"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make(tmp_path_factory.mktemp("a folder, it's [odd]*") / "dataset")


@pytest.mark.parametrize(
    ("view", "rows"),
    [
        ("movies", 3),
        ("shots", 5),
        ("tracks", 7),
        ("faces", 7),
        ("links", 3),
        ("tracklets", 0),
        ("clusters", 13),
        ("labels", 4),
        ("failures", 1),
        ("tracklets_stale", 0),
        ("clusters_stale", 6),
        ("labels_stale", 0),
    ],
)
def test_a_view_holds_the_rows_of_its_committed_shards(dataset: Dataset, view: str, rows: int) -> None:
    assert connect(dataset.snapshot()).execute(f"SELECT count(*) FROM {view}").fetchone() == (rows,)


def test_a_file_that_no_record_names_is_not_seen(dataset: Dataset) -> None:
    known = Path(dataset.snapshot().shards["tracks"][0])
    stray = known.with_name("stray.parquet")
    stray.write_bytes(known.read_bytes())
    try:
        assert connect(dataset.snapshot()).execute("SELECT count(*) FROM tracks").fetchone() == (7,)
    finally:
        stray.unlink()


def test_a_movie_id_with_quotes_slashes_and_wildcards_comes_back_as_it_is(dataset: Dataset) -> None:
    found = connect(dataset.snapshot()).execute("SELECT DISTINCT movie_id FROM links").fetchall()
    assert found == [(MOVIE,)]


def test_half_floats_come_out_as_a_list_of_floats(dataset: Dataset) -> None:
    connection = connect(dataset.snapshot())
    query = "SELECT embedding, typeof(embedding), list_sum(embedding) FROM faces LIMIT 1"
    assert connection.execute(query).fetchone() == ([0.5, -2.0], "FLOAT[]", -1.5)


def test_the_drops_of_a_movie_are_a_map(dataset: Dataset) -> None:
    row = connect(dataset.snapshot()).execute("SELECT drops FROM movies WHERE movie_id = ?", [MOVIE]).fetchone()
    assert row == ({"detection: too small": 7, "track: too short": 2},)


@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_view_has_the_columns_and_types_of_a_full_one(tmp_path: Path, view: str) -> None:
    table = view.removesuffix("_stale")
    pq.write_table(rows_table(table, [{}]), tmp_path / "one.parquet")
    file = {table: [str(tmp_path / "one.parquet")]}
    one = Snapshot(file, file, rows_table("movies", [{}]), rows_table("failures", [{}]))
    described = [connect(snapshot).execute(f"DESCRIBE {view}").fetchall() for snapshot in (NOTHING, one)]
    assert described[0] == described[1]
    assert [(row.column, row.type) for row in schema_rows() if row.view == view] == [d[:2] for d in described[0]]
    assert connect(NOTHING).execute(f"SELECT count(*) FROM {view}").fetchone() == (0,)


def test_every_column_of_every_view_carries_its_meaning() -> None:
    query = "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
    assert sorted(connect(NOTHING).execute(query).fetchall()) == sorted(
        (row.view, row.column, row.meaning) for row in schema_rows()
    )
    assert set(view_docs()) == set(VIEWS)


def test_a_derived_table_moves_to_its_stale_view_when_the_movie_is_harvested_anew(tmp_path: Path) -> None:
    dataset = make(tmp_path / "dataset")
    commit_derived(dataset.store, "clusters", "known", MOVIE, "h0", rows_table("clusters", [{"run": "known"}]))
    connection = connect(dataset.snapshot())
    assert connection.execute("SELECT DISTINCT run FROM clusters").fetchall() == [("hac",)]
    assert connection.execute("SELECT DISTINCT run FROM clusters_stale ORDER BY 1").fetchall() == [("known",), ("old",)]


def test_shards_of_a_remote_filesystem_are_read_through_fsspec() -> None:
    with fsspec.open("memory://views/one.parquet", "wb") as file:
        pq.write_table(rows_table("shots", [{"shot_id": 4}]), file)
    snapshot = Snapshot({"shots": ["memory://views/one.parquet"]}, {}, NOTHING.movies, NOTHING.failures)
    assert connect(snapshot).execute("SELECT shot_id FROM shots").fetchall() == [(4,)]
    assert set(snapshot.files()) <= set(opened_paths(snapshot))
