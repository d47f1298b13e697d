"""castmine on a bucket, end to end, on a real clip: the same bytes as on a disk, through 503s too."""

import json
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
import s3fs

from harvest.dataset.read import Dataset
from harvest.dataset.store import Store
from harvest.errors import QueryError
from tests.harvest import small_dataset
from tests.s3.bucket import Bucket
from tests.workflows.conftest import Castmine, Harvested
from tests.workflows.faults import wait_for
from workflows.sql.select import batches, open_locked, run_query


def test_a_bucket_gets_what_a_disk_gets_also_when_it_answers_503_in_the_middle_of_the_commit(
    castmine: Castmine, bucket: Bucket, harvested: Harvested, tmp_path: Path
) -> None:
    fsspec.filesystem("s3").put(str(harvested.corpus / "hamilton.mp4"), f"{bucket.name}/films/hamilton.mp4")
    films, root, out = f"{bucket.url}/films", f"{bucket.url}/dataset", tmp_path / "out.json"
    bucket.refuse(3, at="/records/movies/")
    harvest = ("harvest", films, "--dataset", root, "--models", harvested.models, "--workers", 1, "--json", out)
    castmine(*harvest)
    local, remote = Dataset.open(harvested.dataset), Dataset.open(root)
    here, there = local.record("hamilton"), remote.record("hamilton")
    assert here
    assert there
    assert here.shards == there.shards
    for shard in here.shards.values():
        assert local.store.get(shard.path) == remote.store.get(shard.path)
    assert remote.store.files("_staging") == {}
    castmine(*harvest)
    assert json.loads(out.read_text())["skipped"] == 1
    castmine("cluster", "--dataset", root, "--workers", 1)
    castmine("report", "--dataset", root, "--out", tmp_path / "sheets")
    assert (tmp_path / "sheets/hamilton.html").exists()
    counted = castmine("sql", "SELECT count(*) AS n FROM clusters", "--dataset", root, "--format", "csv").out
    assert counted.split() == ["n", str(here.rows("tracks"))]


@pytest.mark.slow
@pytest.mark.parametrize("at", ["", "/records/movies/"], ids=["between two segments", "before the record of a commit"])
def test_a_bucket_that_goes_down_in_mid_run_costs_a_second_run_and_nothing_else(
    castmine: Castmine, bucket: Bucket, harvested: Harvested, at: str
) -> None:
    root = f"{bucket.url}/dataset"
    command: tuple[object, ...] = ("harvest", harvested.corpus, "--dataset", root, "--models", harvested.models)
    command += ("--workers", 1, "--segment-minutes", 0.05)
    process = castmine.start(*command, RAY_ADDRESS="local", AWS_MAX_ATTEMPTS="2")
    store = Store(root)
    wait_for(lambda: [path for path in store.files("_staging") if path.endswith("segment.json")])
    bucket.refuse(-1, at)
    said, wrong = process.communicate(timeout=200)
    assert process.returncode in (1, 2), said + wrong
    assert "Traceback" not in said + wrong
    assert f"check that {bucket.url} can be reached" in wrong
    bucket.refuse(0)
    assert Dataset.open(root).records() == []
    castmine(*command, "--wait")
    here, there = Dataset.open(harvested.dataset).record("hamilton"), Dataset.open(root).record("hamilton")
    assert here
    assert there
    assert here.shards == there.shards
    assert store.files("_staging") == {}


def test_a_bucket_that_is_down_ends_a_command_in_one_line(
    castmine: Castmine, bucket: Bucket, pack_folder: Path, tmp_path: Path
) -> None:
    root = small_dataset.make(f"{bucket.url}/dataset").root
    (tmp_path / "movies").mkdir()
    (tmp_path / "movies/a.mp4").write_bytes(b"not read")
    bucket.refuse(-1)
    for command in (
        ("sql", "FROM movies", "--dataset", root),
        ("harvest", f"{bucket.url}/films", "--dataset", tmp_path / "dataset"),
        ("harvest", tmp_path / "movies", "--dataset", root, "--models", pack_folder),
    ):
        ended = castmine(*command, status=2, AWS_MAX_ATTEMPTS="2")
        assert f"check that {bucket.url} can be reached" in ended.err, ended.err
        assert len(ended.err.strip().splitlines()) <= 2, ended.err


def test_a_query_reads_the_committed_shards_of_a_bucket_and_nothing_else(bucket: Bucket) -> None:
    dataset = small_dataset.make(f"{bucket.url}/dataset")
    snapshot = dataset.snapshot()
    assert run_query(snapshot, "SELECT count(*) AS n FROM tracks").to_pylist() == [{"n": 7}]
    shard = snapshot.shards["tracks"][0]
    dataset.store.put("neighbour.parquet", fsspec.filesystem("s3").cat_file(shard))
    before = dataset.store.files("")
    for query in (
        f"FROM '{bucket.url}/dataset/neighbour.parquet'",
        f"FROM read_text('{bucket.url}/dataset/castmine.json')",
        f"FROM glob('{bucket.url}/dataset/**')",
        f"COPY (FROM tracks) TO '{shard}'",
        f"COPY (FROM tracks) TO '{bucket.url}/dataset/new.parquet'",
    ):
        with pytest.raises(QueryError):
            run_query(snapshot, query)
    assert dataset.store.files("") == before


def test_a_query_that_a_bucket_does_not_answer_is_an_error_that_names_it(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    s3fs.S3FileSystem.clear_instance_cache()
    snapshot = small_dataset.make(f"{bucket.url}/dataset").snapshot()
    with open_locked(snapshot) as connection:
        bucket.refuse(-1)
        with pytest.raises(QueryError, match=f"check that {bucket.url} can be reached"):
            pa.Table.from_batches(*batches(connection, "SELECT sum(faces) FROM tracks"))
        bucket.refuse(0)
        assert pa.Table.from_batches(*batches(connection, "SELECT sum(faces) AS n FROM tracks")).to_pylist() == [
            {"n": 280}
        ]
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_reader_sees_one_snapshot_while_movies_are_harvested_anew(bucket: Bucket) -> None:
    dataset = small_dataset.make(f"{bucket.url}/dataset")
    snapshot = dataset.snapshot()
    small_dataset._movie(dataset, "lonely", "h9", [], [], [], {})
    assert run_query(snapshot, "SELECT count(*) AS n FROM tracks").to_pylist() == [{"n": 7}]
    assert run_query(dataset.snapshot(), "SELECT count(*) AS n FROM tracks").to_pylist() == [{"n": 6}]
