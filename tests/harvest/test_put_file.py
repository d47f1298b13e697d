"""A file that was written in parts is put whole: on a disk under another name, to a bucket in parts if it is large."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs

from harvest.dataset import store as module
from harvest.dataset.store import Store
from harvest.errors import DatasetError
from tests.s3.bucket import Bucket

MEBIBYTE = 2**20


def put(store: Store, content: bytes, told: list[int] | None = None) -> None:
    with store.scratch() as file:
        file.write(content)
        store.put_file("a/b", file, (told if told is not None else []).append)


def test_on_a_disk_it_takes_the_old_files_place_and_nothing_else_is_left(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    put(store, b"a long content")
    put(store, b"short")
    assert store.get("a/b") == b"short"
    assert os.listdir(tmp_path) == ["a"]
    assert os.listdir(tmp_path / "a") == ["b"]


def test_a_killed_writer_leaves_nothing(tmp_path: Path) -> None:
    with Store(str(tmp_path)).scratch() as file:
        file.write(bytes(MEBIBYTE))
        file.flush()
        assert os.listdir(tmp_path) == [], "it has no name"


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path))
    put(store, b"old")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DatasetError, match="the disk is full; free some space"):
            put(store, b"new")
    assert store.get("a/b") == b"old"
    assert os.listdir(tmp_path / "a") == ["b"]
    with pytest.raises(DatasetError, match="No space left on device; free some space"), store.scratch():
        full()


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Parts as small as S3 allows, and two tries a request."""
    monkeypatch.setattr(module, "PART_BYTES", 5 * MEBIBYTE)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.usefixtures("parts")
def test_a_large_file_goes_to_a_bucket_in_parts_each_a_sign_of_life(bucket: Bucket) -> None:
    store, told = Store(bucket.url), list[int]()
    content = os.urandom(12 * MEBIBYTE)
    bucket.refuse(1)
    put(store, content, told)
    assert store.get("a/b") == content
    assert told == [5 * MEBIBYTE, 5 * MEBIBYTE, 2 * MEBIBYTE]
    put(store, b"small", told)
    assert store.get("a/b") == b"small"
    assert told[3:] == [5]
    assert bucket.asked()["POST"] <= 3, "begun (twice, for it was refused once) and ended, the small one not at all"


@pytest.mark.usefixtures("parts")
def test_a_bucket_that_goes_down_between_two_parts_shows_the_old_file(bucket: Bucket) -> None:
    store = Store(bucket.url)
    put(store, b"old")
    with store.scratch() as file:
        file.write(bytes(12 * MEBIBYTE))
        with pytest.raises(DatasetError, match="AWS_ENDPOINT_URL"):
            store.put_file("a/b", file, lambda size: bucket.refuse(-1))
    bucket.refuse(0)
    assert store.get("a/b") == b"old"
    assert list(store.files("")) == ["a/b"]
