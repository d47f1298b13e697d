"""Vacuum never removes what a record names or a reader still reads; forget leaves nothing of a movie."""

import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harvest.dataset.commit import commit_derived, commit_movie, note_failure, now, put_derived_record
from harvest.dataset.forget import forget, remains
from harvest.dataset.read import Dataset
from harvest.dataset.records import (
    DerivedRecord,
    MovieFacts,
    Shard,
    SourceStamp,
    derived_file_path,
    file_name,
    movie_record_path,
    staging_folder,
)
from harvest.dataset.schema import DERIVED_FILES, DERIVED_TABLES, SCHEMAS
from harvest.dataset.vacuum import litter, vacuum
from harvest.dataset.views import connect
from tests.harvest import small_dataset
from tests.harvest.small_dataset import MOVIE, rows_table
from tests.s3.bucket import Bucket

GRACE = timedelta(hours=24)
START = datetime(2001, 1, 1, tzinfo=UTC)
"""Long before any real clock: what is younger was written in the step before."""


def put_adaptation(dataset: Dataset, movie: str, harvest_id: str, content: bytes, at: str) -> None:
    """As a clustering keeps what it has fitted to a movie: a file, and the record that names it."""
    path = derived_file_path("adaptations", movie, f"tsiam-{harvest_id}-{content.hex()}.safetensors")
    dataset.store.put(path, content)
    shard = Shard(path=path, rows=1, bytes=len(content), digest=content.hex())
    named = {"table": "adaptations", "run": "tsiam", "movie_id": movie, "harvest_id": harvest_id}
    put_derived_record(dataset.store, DerivedRecord(**named, shard=shard, created_at=at))


class History:
    """A dataset through the steps of an operator, and what must be true of it after each."""

    def __init__(self, root: str) -> None:
        self.dataset, self.root, self.at = Dataset.create(root), Path(root), START
        self.versions: dict[str, str] = {}
        self.derived: dict[tuple[str, str], str] = {}
        """Harvest that each derived table of a movie was made from."""
        self.readers: list[tuple[datetime, dict[str, list[str]]]] = []
        """When a reader began, and its files by movie."""

    def step(self, action: str, movie: str, number: int) -> None:
        getattr(self, action)(movie, number)
        for path in self.root.rglob("*"):
            if path.is_file() and path.stat().st_mtime > START.timestamp() + 10 * 365 * 86400:
                os.utime(path, (self.at.timestamp(), self.at.timestamp()))
        self.check()

    def harvest(self, movie: str, version: int) -> None:
        rows = {name: SCHEMAS[name].empty_table() for name in ("tracks", "faces", "links")}
        rows["shots"] = rows_table("shots", [{"movie_id": movie, "shot_id": i} for i in range(version + 1)])
        ids: dict[str, Any] = {"content_hash": "c", "config_hash": "g", "models": "p", "models_hash": "m"}
        facts = MovieFacts(uri="x", fps=25, frames=1, duration_s=1)
        stamp = SourceStamp(size=1, modified="1")
        times: dict[str, Any] = {"movie_id": movie, "harvest_id": f"h{version}", "facts": facts, "stamp": stamp}
        commit_movie(self.dataset.store, rows, self.at.isoformat(), embedding_size=2, **ids, **times)
        self.versions[movie] = f"h{version}"

    def cluster(self, movie: str, number: int) -> None:
        self.derive("clusters", "hac", movie, [{"movie_id": movie, "track_id": i} for i in range(number)])

    def mine(self, movie: str, number: int) -> None:
        self.derive("tracklets", "mvcorr", movie, [{"movie_id": movie, "track_id": i} for i in range(number)])

    def label(self, movie: str, number: int) -> None:
        self.derive("labels", "labels", movie, [{"movie_id": movie, "label_id": i} for i in range(number)])

    def derive(self, table: str, run: str, movie: str, rows: list[dict[str, object]]) -> None:
        if movie in self.versions:
            made, at = rows_table(table, rows), self.at.isoformat()
            commit_derived(self.dataset.store, table, run, movie, self.versions[movie], made, at=at)
            self.derived[table, movie] = self.versions[movie]

    def adapt(self, movie: str, number: int) -> None:
        if movie in self.versions:
            put_adaptation(self.dataset, movie, self.versions[movie], bytes([number]), self.at.isoformat())
            self.derived["adaptations", movie] = self.versions[movie]

    def crash(self, movie: str, number: int) -> None:
        """Leave a shard that was never committed, a staged segment and half a file."""
        for path in (f"shards/faces/movie_id={movie}/{number}.parquet", f"{staging_folder(movie, 'h')}/0-{number}/x"):
            self.dataset.store.put(path, b"x")
        (self.root / f"castmine.json.{number:032x}.tmp").write_bytes(b"{")

    def read(self, movie: str, number: int) -> None:
        files: dict[str, list[str]] = {}
        for file in self.dataset.snapshot().files():
            files.setdefault(file.split("movie_id=")[1].split("/")[0], []).append(file)
        self.readers.append((self.at, files))

    def forget(self, movie: str, number: int) -> None:
        forget(self.dataset, movie)
        self.versions.pop(movie, None)
        self.derived = {key: version for key, version in self.derived.items() if key[1] != movie}
        for _, files in self.readers:
            files.pop(movie, None)
        assert not [path for path in self.root.rglob("*") if path.is_file() and movie in path.as_posix()]

    def vacuum(self, movie: str, number: int) -> None:
        vacuum(self.dataset, self.at, GRACE)
        assert litter(self.dataset, self.at, GRACE) == []

    def wait(self, movie: str, hours: int) -> None:
        self.at += timedelta(hours=10 * hours)

    def check(self) -> None:
        assert {record.movie_id: record.harvest_id for record in self.dataset.records()} == self.versions
        made = [each for kind in (*DERIVED_TABLES, *DERIVED_FILES) for each in self.dataset.derived_records(kind)]
        assert {(each.table, each.movie_id): each.harvest_id for each in made} == self.derived
        files_made = [self.dataset.store.full(each.shard.path) for each in made]
        for file in (*self.dataset.snapshot().files(), *files_made):
            assert os.path.exists(file), "a record names it"
        for began, files in self.readers:
            if self.at - began < GRACE:
                assert all(os.path.exists(file) for each in files.values() for file in each), "a reader may read it"


STEPS = (
    *("harvest", "cluster", "vacuum", "wait", "read") * 2,
    *("label", "mine", "adapt", "crash", "forget"),
)


ANY_STEP = st.tuples(st.sampled_from(STEPS), st.sampled_from(["alien", "alien", "brazil"]), st.integers(0, 3))


def steps(text: str) -> list[tuple[str, str, int]]:
    """harvest 0, wait 3, …: of the alien."""
    return [(step.split()[0], "alien", int(step.split()[1])) for step in text.split(", ")]


@settings(max_examples=40, deadline=None)
@example(steps("harvest 0, wait 3, read 0, harvest 1, vacuum 0, wait 3, vacuum 0"))
@example(steps("harvest 0, cluster 1, wait 3, read 0, cluster 2, vacuum 0, wait 3, vacuum 0"))
@example(steps("harvest 0, adapt 1, label 1, mine 1, wait 3, adapt 2, label 2, vacuum 0, wait 3, vacuum 0"))
@example(steps("harvest 0, adapt 1, label 1, wait 3, harvest 1, wait 3, vacuum 0, forget 0, vacuum 0"))
@example(steps("harvest 0, wait 3, harvest 1, wait 1, harvest 0, wait 2, vacuum 0, wait 1, vacuum 0"))
@example(steps("crash 0, wait 2, crash 1, wait 1, vacuum 0, wait 3, vacuum 0"))
@given(st.lists(ANY_STEP, min_size=5, max_size=30))
def test_after_any_history_nothing_that_counts_is_gone_and_nothing_old_is_left(
    history_steps: list[tuple[str, str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder, mock.patch("os.fsync"):
        history = History(f"{folder}/dataset")
        for step in history_steps:
            history.step(*step)


def test_a_shard_is_litter_a_grace_time_after_the_harvest_that_replaced_it(tmp_path: Path) -> None:
    history = History(str(tmp_path / "dataset"))
    history.step("harvest", "alien", 1)
    history.step("wait", "", 3)
    history.step("read", "", 0)
    history.step("harvest", "alien", 2)
    assert litter(history.dataset, history.at, GRACE) == [], "old itself, but replaced only now"
    later = history.at + GRACE
    found = [each.path.split("/")[1] for each in litter(history.dataset, later, GRACE)]
    assert found == ["faces", "links", "shots", "tracks"]
    assert all(each.since == history.at for each in litter(history.dataset, later, GRACE))


def test_segments_of_a_movie_that_takes_days_are_as_young_as_the_youngest(tmp_path: Path) -> None:
    history = History(str(tmp_path / "dataset"))
    for step in steps("crash 0, wait 3, crash 1, wait 1"):
        history.step(*step)
    old = [each.path for each in litter(history.dataset, history.at, GRACE)]
    assert old
    assert not [path for path in old if path.startswith("_staging")]


def test_a_file_that_is_written_again_while_the_vacuum_looks_stays(tmp_path: Path) -> None:
    history = History(str(tmp_path / "dataset"))
    history.step("crash", "alien", 1)
    history.step("wait", "", 3)
    (shard, *_) = [each.path for each in litter(history.dataset, history.at, GRACE) if "shards" in each.path]
    found, stamp = litter(history.dataset, history.at, GRACE), history.dataset.store.stamp

    def written_meanwhile(path: str) -> object:
        if path == shard:
            history.dataset.store.put(shard, b"again")
        return stamp(path)

    with mock.patch.object(history.dataset.store, "stamp", written_meanwhile):
        removed = vacuum(history.dataset, history.at, GRACE)
    assert len(removed) == len(found) - 1
    assert history.dataset.store.get(shard) == b"again"


@pytest.fixture(params=["disk", "bucket"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "dataset") if request.param == "disk" else f"{request.getfixturevalue('bucket').url}/dataset"


def test_forgetting_a_movie_leaves_nothing_of_it_and_all_of_the_others(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    dataset = small_dataset.make(root)
    note_failure(dataset.store, MOVIE, "x", "cluster", "E", "message", 1)
    dataset.store.put(f"{staging_folder(MOVIE, 'h')}/0-10/segment.json", b"{}")
    for movie_id, harvest_id in ((MOVIE, "h1"), ("lonely", "h2")):
        put_adaptation(dataset, movie_id, harvest_id, b"fitted", now())
        dataset.store.put(f"{staging_folder(movie_id)}/adapt-key.safetensors", b"half fitted")
    dataset.snapshot()
    others = {path for path in dataset.store.files("") if file_name(MOVIE) not in path}
    found = forget(dataset, MOVIE)
    assert len(found.records) == 7, "movie, three runs, labels, an adaptation, a failure"
    assert set(dataset.store.files("")) == others
    connection = connect(dataset.snapshot())
    for view in ("movies", "shots", "tracks", "faces", "links", "clusters", "clusters_stale", "labels", "failures"):
        counted = connection.execute(f"SELECT count(*) FROM {view} WHERE movie_id = ?", [MOVIE]).fetchall()
        assert counted == [(0,)], view
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and MOVIE in path.read_text()]
    assert not kept, "also not in this machine's cache"
    assert remains(dataset, MOVIE).files == []


def test_a_forgetting_that_was_cut_short_is_taken_up_again(tmp_path: Path) -> None:
    dataset = small_dataset.make(tmp_path / "dataset")
    delete, left = dataset.store.delete, [3]

    def cut_short(path: str) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        delete(path)

    with mock.patch.object(dataset.store, "delete", cut_short), pytest.raises(KeyboardInterrupt):
        forget(dataset, MOVIE)
    assert dataset.record(MOVIE) is None, "the first to go"
    forget(dataset, MOVIE)
    assert not [path for path in dataset.store.files("") if file_name(MOVIE) in path]


def test_what_is_put_for_a_movie_while_it_is_forgotten_does_not_stay(root: str) -> None:
    dataset = small_dataset.make(root)
    rows, delete = rows_table("clusters", [{"movie_id": MOVIE, "track_id": 0}]), dataset.store.delete

    def clustered_meanwhile(path: str) -> None:
        if path == movie_record_path(MOVIE):
            commit_derived(dataset.store, "clusters", "late", MOVIE, "h1", rows)
        delete(path)

    with mock.patch.object(dataset.store, "delete", clustered_meanwhile):
        forget(dataset, MOVIE)
    commit_derived(dataset.store, "clusters", "later", MOVIE, "h1", rows)
    note_failure(dataset.store, MOVIE, f"{MOVIE}.mp4", "cluster", "DatasetError", "has no such movie any more", 1)
    assert not [path for path in dataset.store.files("") if file_name(MOVIE) in path]


def test_half_a_record_is_forgotten_too(tmp_path: Path) -> None:
    dataset = small_dataset.make(tmp_path / "dataset")
    half = tmp_path / "dataset" / f"{movie_record_path(MOVIE)}.{7:032x}.tmp"
    half.write_bytes(b"{")
    forget(dataset, MOVIE)
    assert not half.exists()


def test_a_listing_that_tells_times_to_the_millisecond_hinders_no_vacuum(bucket: Bucket) -> None:
    """As those of MinIO and Ceph do, while their answer for one file tells whole seconds."""
    dataset = small_dataset.make(f"{bucket.url}/dataset")
    small_dataset._movie(dataset, "lonely", "h9", [], [], [], {})
    later, find = datetime.now(UTC) + timedelta(minutes=11), dataset.store.fs.find

    def exactly(path: str, **options: object) -> object:
        found = find(path, **options)
        if isinstance(found, dict):
            for entry in found.values():
                entry["LastModified"] = entry["LastModified"].replace(microsecond=123000)
        return found

    with mock.patch.object(dataset.store.fs, "find", exactly):
        assert len(vacuum(dataset, later, timedelta(0))) == 4


def test_vacuum_in_a_bucket_removes_the_shards_of_an_earlier_harvest(bucket: Bucket) -> None:
    dataset = small_dataset.make(f"{bucket.url}/dataset")
    small_dataset._movie(dataset, "lonely", "h9", [], [], [], {})
    later = datetime.now(UTC) + timedelta(minutes=11)
    assert vacuum(dataset, datetime.now(UTC), GRACE) == []
    assert vacuum(dataset, datetime.now(UTC), timedelta(0)) == [], "so young that its record may be about to be put"
    assert len(vacuum(dataset, later, timedelta(0))) == 4
    assert vacuum(dataset, later, timedelta(0)) == []
    assert connect(dataset.snapshot()).execute("SELECT count(*) FROM tracks").fetchall() == [(6,)]
