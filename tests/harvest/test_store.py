"""A put is whole or not at all, names of users stay inside the folder, and an error says what to do."""

import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.dataset.records import (
    derived_record_path,
    failure_record_path,
    file_name,
    movie_record_path,
    shard_path,
    staging_folder,
)
from harvest.dataset.store import Store
from harvest.errors import DatasetError

ODD_IDS = {
    "a slash": "a/b",
    "the parent folder": "..",
    "this folder": ".",
    "a way out": "../../../etc/passwd",
    "an absolute path": "/etc/passwd",
    "a hidden file": ".hidden",
    "a quoted slash": "a%2Fb",
    "quoted dots": "%2E%2E",
    "single quotes": "it's",
    "double quotes": 'say "hi"',
    "umlauts": "für ü",
    "another script": "東京物語",
    "an emoji": "🎬",
    "glob characters": "*?[a]",
    "a protocol": "s3://bucket/x",
    "a chain of protocols": "zip::file",
    "a backslash": "a\\b",
    "a line break": "a\nb",
    "a NUL": "a\0b",
    "very long": "x" * 5000,
    "very long and different at its end": "x" * 4999 + "y",
    "very long in another script": "語" * 300,
    "a name like a temporary file": f"a.{'0' * 32}.tmp",
    "a tilde": "~root",
}


def test_no_two_odd_ids_share_a_file() -> None:
    names = {file_name(name) for name in ODD_IDS.values()}
    assert len(names) == len(ODD_IDS)


@pytest.mark.parametrize("movie_id", ODD_IDS.values(), ids=ODD_IDS)
def test_an_odd_id_stays_inside_the_folder(tmp_path: Path, movie_id: str) -> None:
    store, root = Store(str(tmp_path / "dataset")), tmp_path / "dataset"
    paths = [
        movie_record_path(movie_id),
        failure_record_path(movie_id, movie_id),
        failure_record_path(movie_id, "cluster", movie_id),
        derived_record_path("clusters", movie_id, movie_id),
        shard_path("tracks", movie_id, "0"),
        f"{staging_folder(movie_id, '0')}/0-10/segment.json",
    ]
    for path in paths:
        store.put(path, b"x")
        assert store.get(path) == b"x"
        assert (root / path).resolve().is_relative_to(root)
        assert len((root / path).relative_to(root).parts) == len(path.split("/"))
    assert list(tmp_path.iterdir()) == [root]


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_names_have_different_files(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)
    assert len(file_name(one).encode()) <= 160


def test_a_name_that_looks_like_a_shortened_one_is_another() -> None:
    long = "x" * 500
    assert file_name(file_name(long)) != file_name(long)


def test_a_put_replaces_the_whole_file(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.put("a/b", b"a long content")
    store.put("a/b", b"short")
    assert store.get("a/b") == b"short"
    assert os.listdir(tmp_path / "a") == ["b"]


def test_a_put_that_breaks_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path))
    store.put("a/b", b"old")
    for step in ("fsync", "replace"):
        with monkeypatch.context() as patched:
            patched.setattr(os, step, _disk_is_full)
            with pytest.raises(DatasetError, match="the disk is full; free some space and run the same command again"):
                store.put("a/b", b"new")
        assert store.get("a/b") == b"old"
        assert os.listdir(tmp_path / "a") == ["b"]


def _disk_is_full(*arguments: object) -> None:
    raise OSError(28, "No space left on device")


def test_what_a_killed_writer_left_is_not_listed_but_names_that_end_alike_are(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.put("runs/mine.tmp/x.json", b"{}")
    store.put("runs/other.json", b"{}")
    (tmp_path / "runs" / f"other.json.{'a1' * 16}.tmp").write_bytes(b"{half")
    assert store.names("runs") == ["mine.tmp", "other.json"]


def test_what_is_not_there_is_an_empty_folder_and_a_missing_file(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    assert store.names("nothing") == []
    assert not store.exists("nothing")
    store.delete("nothing")
    with pytest.raises(FileNotFoundError):
        store.get("nothing")


def test_a_root_with_glob_characters_is_taken_by_its_letters(tmp_path: Path) -> None:
    store, other = Store(str(tmp_path / "my[1]*")), Store(str(tmp_path / "my1"))
    for each in (store, other):
        each.put("a/b", b"x")
    store.delete("a")
    assert not store.exists("a/b")
    assert other.exists("a/b")


def test_a_file_in_the_way_of_the_folder_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "dataset").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"cannot be written .*check the dataset folder"):
        Store(str(tmp_path / "dataset")).put("a", b"x")


def test_a_folder_that_another_deletes_at_the_same_time_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, unlink = Store(str(tmp_path)), os.unlink
    for name in "abc":
        store.put(f"folder/{name}", b"x")

    def another_was_first(path: str) -> None:
        unlink(path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", another_was_first)
    store.delete("folder")
    store.delete("folder")
    store.delete("folder/a")
    assert store.files("") == {}


def test_arrow_reads_a_local_file_without_python_whose_threads_abort_a_process_that_ends_at_once(
    tmp_path: Path,
) -> None:
    store = Store(str(tmp_path))
    store.put("a/b", b"abc")
    with store.open("a/b") as file:
        assert isinstance(file, pa.NativeFile)
        assert not isinstance(file, pa.PythonFile)
        assert file.read() == b"abc"
    with pytest.raises(FileNotFoundError):
        store.open("a/c")
