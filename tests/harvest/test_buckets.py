"""A dataset in a bucket: the same records and shards as on a disk, single puts, one listing, one line if down."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import s3fs

from harvest.corpus import list_corpus
from harvest.dataset.commit import put_movie_record
from harvest.dataset.forget import forget
from harvest.dataset.index import SHARED, share_records
from harvest.dataset.read import Dataset
from harvest.dataset.records import movie_record_path
from harvest.dataset.schema import HARVEST_TABLES
from harvest.dataset.store import Store
from harvest.dataset.views import connect
from harvest.errors import CastmineError, CorpusError, DatasetError
from harvest.identity import source_stamp
from tests.harvest import small_dataset
from tests.s3.bucket import Bucket


def test_a_dataset_in_a_bucket_is_that_of_a_disk(bucket: Bucket, tmp_path: Path) -> None:
    local, remote = small_dataset.make(tmp_path / "dataset"), small_dataset.make(f"{bucket.url}/a/dataset")
    assert remote.root == f"{bucket.url}/a/dataset"
    assert set(local.store.files("shards")) == set(remote.store.files("shards"))
    assert [(m.movie_id, m.shards) for m in local.records()] == [(m.movie_id, m.shards) for m in remote.records()]
    assert local.runs() == remote.runs()
    for record in local.records():
        for shard in record.shards.values():
            assert local.store.get(shard.path) == remote.store.get(shard.path)
            assert local.read_shard(shard) == remote.read_shard(shard)
    assert [failure.movie_id for failure in Dataset.open(remote.root).failures()] == ["lost"]


def test_a_commit_is_a_put_for_each_file_and_the_record_is_the_last(bucket: Bucket) -> None:
    dataset = small_dataset.make(f"{bucket.url}/dataset")
    before = bucket.asked()["PUT"]
    small_dataset._movie(dataset, "new", "h", small_dataset.SHOTS, [], [], {})
    assert bucket.asked()["PUT"] - before == len(HARVEST_TABLES) + 1
    assert "POST" not in bucket.asked(), "no upload in parts"


def test_a_large_file_too_is_put_at_once(bucket: Bucket) -> None:
    Store(bucket.url).put("large", bytes(101 * 2**20))
    assert Store(bucket.url).stamp("large").size == 101 * 2**20  # type: ignore[union-attr]
    assert "POST" not in bucket.asked(), "no upload in parts"


def test_what_is_kept_of_the_records_is_believed_only_where_the_listing_agrees(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    dataset = small_dataset.make(f"{bucket.url}/dataset")

    def asked_by(read: Callable[[], object]) -> int:
        before = bucket.asked()["GET"]
        read()
        return bucket.asked()["GET"] - before

    records = len(dataset.store.files("records"))
    assert asked_by(dataset.snapshot) == 1 + records, "a listing and every record"
    assert asked_by(dataset.snapshot) == 1, "a listing"
    record = dataset.record("lonely")
    assert record
    changed = record.model_copy(update={"facts": record.facts.model_copy(update={"year": 1949})})
    put_movie_record(dataset.store, changed)
    assert asked_by(lambda: None) == 0
    assert asked_by(dataset.snapshot) == 2, "a listing and the changed record"
    assert dict(zip(*_columns(dataset, "movie_id", "year"), strict=True))["lonely"] == 1949
    dataset.store.delete(movie_record_path("lonely"))
    assert "lonely" not in _columns(dataset, "movie_id")[0]
    for file in (tmp_path / "castmine/records").glob("*/*.json"):
        file.write_text('{"records/movies/empty.json": ["x", "{garbled"]')
    assert _columns(dataset, "movie_id")[0] == ["empty", small_dataset.MOVIE]


def _columns(dataset: Dataset, *names: str) -> list[list[object]]:
    return [dataset.snapshot().movies[name].to_pylist() for name in names]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two tries a request."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_bucket_that_answers_503_and_recovers_is_waited_for(bucket: Bucket) -> None:
    dataset = small_dataset.make(f"{bucket.url}/dataset")
    for times in (1, 2):
        bucket.refuse(times)
        dataset.store.put("x", b"%d" % times)
        bucket.refuse(times)
        assert dataset.store.get("x") == b"%d" % times
    bucket.refuse(1)
    assert len(dataset.records()) == 3


@pytest.mark.usefixtures("impatient")
def test_a_bucket_that_stays_down_is_one_line_and_nothing_of_a_commit_is_seen(bucket: Bucket) -> None:
    dataset = small_dataset.make(f"{bucket.url}/dataset")
    seen = dataset.snapshot().files()
    bucket.refuse(-1)
    calls: list[Callable[[], object]] = [
        lambda: Dataset.open(dataset.root),
        dataset.records,
        lambda: dataset.record("lonely"),
        lambda: list_corpus(f"{bucket.url}/films"),
        lambda: source_stamp(f"{bucket.url}/films/a.mp4"),
        lambda: dataset.store.delete("records"),
        lambda: small_dataset._movie(dataset, "lonely", "h5", small_dataset.SHOTS, [], [], {}),
    ]
    for call in calls:
        with pytest.raises(CastmineError) as refusal:
            call()
        assert re.search(rf"{bucket.url}.*([Uu]navailable|try again).*AWS_ENDPOINT_URL", str(refusal.value)), (
            refusal.value
        )
        assert "\n" not in str(refusal.value)
    bucket.refuse(0)
    assert dataset.snapshot().files() == seen


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("at", [*(f"/shards/{table}/" for table in HARVEST_TABLES), "/records/movies/"])
def test_a_bucket_that_goes_down_in_the_middle_of_a_commit_shows_what_was_there_before(
    bucket: Bucket, tmp_path: Path, at: str
) -> None:
    dataset, local = small_dataset.make(f"{bucket.url}/dataset"), small_dataset.make(tmp_path / "dataset")
    anew: tuple[Any, ...] = ("lonely", "h5", small_dataset.SHOTS, [], [], {})
    before, movies = dataset.store.files("shards"), dataset.snapshot().movies
    bucket.refuse(-1, at)
    with pytest.raises(DatasetError, match=f"{bucket.url}.*AWS_ENDPOINT_URL"):
        small_dataset._movie(dataset, *anew)
    bucket.refuse(0)
    left = dataset.store.files("shards").keys() - before.keys()
    assert len(left) == [*(f"/shards/{table}/" for table in HARVEST_TABLES), "/records/movies/"].index(at)
    assert dataset.snapshot().movies == movies, "the record was not put"
    bucket.refuse(1, at)  # and comes back
    small_dataset._movie(dataset, *anew)
    small_dataset._movie(local, *anew)
    here, there = local.record("lonely"), dataset.record("lonely")
    assert here
    assert there
    assert there.shards == here.shards
    assert all(dataset.store.get(shard.path) == local.store.get(shard.path) for shard in there.shards.values())
    assert left <= {shard.path for shard in there.shards.values()}, "what was left lay where it belongs"


def test_a_bucket_that_is_not_there_or_not_ours_is_one_line(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatasetError, match=f"{bucket.url}-not/x: no castmine dataset here"):
        Dataset.open(f"{bucket.url}-not/x")
    with pytest.raises(DatasetError, match=f"s3://{bucket.name}-not/x.*there is no such bucket"):
        Dataset.create(f"{bucket.url}-not/x")
    with pytest.raises(CorpusError, match="there is no such bucket"):
        list_corpus(f"{bucket.url}-not/x")
    with pytest.raises(DatasetError, match=r"takes \* \? \[ for a pattern"):
        Dataset.create(f"{bucket.url}/[odd]")


@pytest.mark.parametrize("url", ["gs://films/x", "abfs://films/x", "http://films/x.mp4", "foo://films"])
def test_another_kind_of_bucket_is_refused_in_a_line_that_says_what_serves(url: str) -> None:
    for call in (Dataset.open, Dataset.create, list_corpus):
        with pytest.raises(CastmineError, match=r":// is not supported; name a folder, which may be mounted, or an s3"):
            call(url)


def test_a_corpus_in_a_bucket_is_listed_as_one_on_a_disk(bucket: Bucket, tmp_path: Path) -> None:
    names = ("films/b.mp4", "films/a film.mkv", "films/sub/c.MP4", "films/notes.txt", "films/list.csv")
    listing = f"movie_id,uri,year\none,b.mp4,1950\ntwo,{bucket.url}/films/sub/c.MP4,\n".encode()
    store = Store(bucket.url)
    for name in names:
        store.put(name, listing)
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(listing)
    for corpus in ("films", "films/*.mp4", "films/**/*.MP4", "films/b.mp4"):
        local, remote = list_corpus(str(tmp_path / corpus)), list_corpus(f"{bucket.url}/{corpus}")
        assert [movie.movie_id for movie in local] == [movie.movie_id for movie in remote], corpus
        assert [movie.uri.replace(str(tmp_path), bucket.url) for movie in local] == [movie.uri for movie in remote]
    one, two = list_corpus(f"{bucket.url}/films/list.csv")
    assert (one.movie_id, one.uri, one.year) == ("one", f"{bucket.url}/films/b.mp4", 1950)
    assert two.uri == f"{bucket.url}/films/sub/c.MP4"


def test_the_views_of_200_movies_in_a_bucket_open_with_one_listing(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    dataset = small_dataset.make(f"{bucket.url}/dataset")
    record = dataset.record("lonely")
    assert record
    with ThreadPoolExecutor(4) as pool:
        movies = [record.model_copy(update={"movie_id": f"m{i}"}) for i in range(200)]
        list(pool.map(lambda each: dataset.store.put(movie_record_path(each.movie_id), each.to_json()), movies))
    known = len(dataset.store.files("records"))
    of_views = [*dataset.snapshot().shards.values(), *dataset.snapshot().stale.values()]
    footers = sum(bool(files) for files in of_views)  # of the first file of each view
    shutil.rmtree(tmp_path / "castmine")
    for knows, asked in (("nothing", 2 + known), ("all", 1), ("what a run left", 2)):
        if knows == "what a run left":
            share_records(dataset.store)
            shutil.rmtree(tmp_path)
        before = sum(bucket.asked().values())
        connection = connect(dataset.snapshot())
        assert sum(bucket.asked().values()) - before == asked + footers, f"of a machine that knows {knows}"
        assert connection.execute("SELECT count(*) FROM movies").fetchall() == [(203,)]


def test_what_a_run_left_of_the_records_is_never_believed_against_them(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("harvest.dataset.index.MANY", 1)
    dataset = small_dataset.make(f"{bucket.url}/dataset")
    share_records(dataset.store)
    record, true = dataset.record("lonely"), dataset.snapshot().movies
    assert record
    forged = json.loads(dataset.store.get(SHARED))
    path = movie_record_path("lonely")
    for mark, text in (forged[path], ("x 1", forged[path][1]), (forged[path][0], forged[path][1].replace("h", "g"))):
        dataset.store.put(
            SHARED, json.dumps(forged | {path: (mark, text), "records/movies/new.json": ("", "")}).encode()
        )
        shutil.rmtree(tmp_path)
        assert dataset.snapshot().movies == true
    dataset.store.put(SHARED, b"spoilt")
    shutil.rmtree(tmp_path)
    assert dataset.snapshot().movies == true
    share_records(dataset.store)
    put_movie_record(dataset.store, record.model_copy(update={"harvest_id": "later"}))
    shutil.rmtree(tmp_path)
    assert dict(zip(*_columns(dataset, "movie_id", "harvest_id"), strict=True))["lonely"] == "later"
    forget(dataset, "lonely")
    assert not dataset.store.exists(SHARED), "it had the text of a forgotten movie's record"
    share_records(dataset.store)
    assert path not in json.loads(dataset.store.get(SHARED))
