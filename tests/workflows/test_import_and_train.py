"""From precomputed tracks to a better representation, through the command line, on tracks of photographed people."""

import json
from pathlib import Path

import pytest

from harvest.dataset.read import Dataset
from tests.workflows.conftest import Castmine

BASE_V_MEASURE = 0.903
WANTED_V_MEASURE = 0.955


@pytest.fixture(scope="module")
def dev(castmine: Castmine, bench: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dataset = tmp_path_factory.mktemp("dev") / "dataset"
    castmine("import", "tracks", bench / "phototracks/dev.parquet", "-d", dataset)
    return dataset


def test_imported_tracks_are_movies_with_labels(castmine: Castmine, dev: Path, bench: Path) -> None:
    dataset = Dataset.open(dev)
    assert sum(record.rows("tracks") for record in dataset.records()) == 904
    assert len(dataset.records()) == 4
    assert dataset.failures() == []
    query = "SELECT count(*) AS n FROM labels WHERE track_id IS NOT NULL"
    assert castmine("sql", query, "-d", dev, "--format", "csv").out.split() == ["n", "904"]
    before = [record.shards for record in dataset.records()]
    castmine("import", "tracks", bench / "phototracks/dev.parquet", "-d", dev)
    assert [record.shards for record in dataset.records()] == before, "a second import gives the same bytes"


def test_known_k_in_the_base_embedding_scores_as_it_did_in_the_prototype(
    castmine: Castmine, dev: Path, tmp_path: Path
) -> None:
    castmine("cluster", "-d", dev, "--k-from", "labels", "--json", tmp_path / "out.json")
    movies = json.loads((tmp_path / "out.json").read_text())["movies"]
    assert all(movie["violations"] == 0 for movie in movies)
    assert sum(movie["metrics"]["v_measure"] for movie in movies) / len(movies) > BASE_V_MEASURE


@pytest.mark.slow
def test_what_is_learned_on_the_train_part_helps_on_people_it_has_not_seen(
    castmine: Castmine, dev: Path, bench: Path, tmp_path: Path
) -> None:
    train, model, out = tmp_path / "train", tmp_path / "model", tmp_path / "out.json"
    castmine("import", "tracks", bench / "phototracks/train.parquet", "-d", train)
    castmine("train", "-d", train, "--method", "mvcorr-linear", "--out", model)
    castmine("cluster", "-d", dev, "--method", "hac", "--model", model, "--k-from", "labels", "--json", out)
    movies = json.loads(out.read_text())["movies"]
    assert all(movie["violations"] == 0 for movie in movies)
    assert sum(movie["metrics"]["v_measure"] for movie in movies) / len(movies) >= WANTED_V_MEASURE


def test_too_few_movies_are_refused_and_nothing_is_written(castmine: Castmine, bench: Path, tmp_path: Path) -> None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(bench / "phototracks/dev.parquet")
    first = table.filter(pc.equal(table["movie_id"], table["movie_id"][0]))
    pq.write_table(first, tmp_path / "one.parquet")
    castmine("import", "tracks", tmp_path / "one.parquet", "-d", tmp_path / "dataset")
    refused = castmine("train", "-d", tmp_path / "dataset", "--out", tmp_path / "model", status=2)
    assert refused.err.startswith("refused: ")
    assert "harvest more movies" in refused.err
    assert not (tmp_path / "model").exists()


def test_a_file_that_is_no_track_set_is_one_line(castmine: Castmine, tmp_path: Path) -> None:
    (tmp_path / "tracks.parquet").write_text("movie_id\n")
    ran = castmine("import", "tracks", tmp_path / "tracks.parquet", "-d", tmp_path / "dataset", status=2)
    assert "cannot be read as a Parquet file of tracks" in ran.err
    gone = castmine("import", "tracks", tmp_path / "gone.parquet", "-d", tmp_path / "dataset", status=2)
    assert "gone.parquet" in gone.err
