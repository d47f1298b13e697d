"""Movies of a bucket on this machine: one copy for all, gone with its last reader, and never a wrong one."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harvest.dataset.store import Store
from harvest.errors import MovieOutOfReachError, VideoDecodeError
from harvest.identity import source_stamp
from harvest.local_copy import LocalCopy, sweep
from tests.s3.bucket import Bucket

HOLD = """
import sys, time
from pathlib import Path
from harvest.identity import source_stamp
from harvest.local_copy import LocalCopy
copy, uri = LocalCopy(Path(sys.argv[1])), sys.argv[2]
with copy.path(uri, source_stamp(uri)) as path:
    print(path, flush=True)
    time.sleep(600)
"""


def put(bucket: Bucket, name: str, content: bytes) -> str:
    Store(bucket.url).put(name, content)
    return f"{bucket.url}/{name}"


def test_a_movie_is_copied_once_for_all_and_removed_by_the_last(bucket: Bucket, tmp_path: Path) -> None:
    uri, read = put(bucket, "a.mp4", b"frames" * 10**6), list[int]()
    one, other = LocalCopy(tmp_path), LocalCopy(tmp_path)
    before = bucket.asked()["GET"]
    with one.path(uri, source_stamp(uri), read.append) as path, other.path(uri, source_stamp(uri)) as same:
        assert path == same
        assert path.endswith(".mp4")
        assert Path(path).read_bytes() == b"frames" * 10**6
    assert sum(read) == 6 * 10**6
    with one.path(uri, source_stamp(uri)) as again:
        assert again == path
    assert bucket.asked()["GET"] - before <= 3, "16 MiB at once, and only once"
    one.let_go()
    assert os.listdir(tmp_path), "another holds it"
    with other.path(put(bucket, "b.mp4", b"x"), source_stamp(f"{bucket.url}/b.mp4")):
        assert len(os.listdir(tmp_path)) == 1, "the earlier movie's copy is gone"
    other.let_go()
    assert os.listdir(tmp_path) == []


def test_a_local_movie_is_opened_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"frames")
    with LocalCopy(tmp_path / "copies").path(str(tmp_path / "a.mp4"), source_stamp(str(tmp_path / "a.mp4"))) as path:
        assert path == str(tmp_path / "a.mp4")
    assert not (tmp_path / "copies").exists()


@pytest.mark.parametrize("then", ["another", "nothing"])
def test_a_local_movie_that_is_replaced_while_it_is_read_is_out_of_reach(then: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"frames")
    stamp = source_stamp(str(path))

    def read_and_replace() -> None:
        with LocalCopy(tmp_path / "copies").path(str(path), stamp):
            path.unlink()
            if then == "another":
                path.write_bytes(b"others")

    for _ in ("while it is read", "before"):
        with pytest.raises(MovieOutOfReachError, match=r"a\.mp4: (has changed .*run the same command again|No such)"):
            read_and_replace()


def test_what_a_killed_worker_left_is_swept_or_made_whole(bucket: Bucket, tmp_path: Path) -> None:
    uri = put(bucket, "a.mp4", b"frames")
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path, uri], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    path = Path(process.stdout.readline().strip())
    sweep(tmp_path)
    assert path.read_bytes() == b"frames", "a held copy is not swept"
    process.send_signal(signal.SIGKILL)
    process.wait()
    path.write_bytes(b"fra")  # as if it had been killed while it copied
    copy = LocalCopy(tmp_path)
    with copy.path(uri, source_stamp(uri)) as same:
        assert same == str(path)
        assert path.read_bytes() == b"frames"
    copy.let_go()
    path.write_bytes(b"litter")
    sweep(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_disk_without_room_for_the_copy_is_named(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = put(bucket, "a.mp4", b"frames")

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(MovieOutOfReachError, match=r"No space left on device; free some space .*\$TMPDIR"):
        LocalCopy(tmp_path).path(uri, source_stamp(uri)).__enter__()
    assert os.listdir(tmp_path) == []


def test_copies_lie_in_a_folder_that_nobody_else_can_prepare(bucket: Bucket, tmp_path: Path) -> None:
    uri, folder, elsewhere = put(bucket, "a.mp4", b"frames"), tmp_path / "copies", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_bytes(b"x")
    folder.symlink_to(elsewhere)
    sweep(folder)
    assert (elsewhere / "mine").exists()
    with pytest.raises(MovieOutOfReachError, match="set TMPDIR"):
        LocalCopy(folder).path(uri, source_stamp(uri)).__enter__()
    folder.unlink()
    folder.mkdir(mode=0o755)
    copy = LocalCopy(folder)
    with copy.path(uri, source_stamp(uri)) as path:
        assert folder.stat().st_mode & 0o777 == 0o700
    copy.let_go()
    Path(path).symlink_to(elsewhere / "mine")
    with pytest.raises(OSError, match="symbolic"):
        copy.path(uri, source_stamp(uri)).__enter__()
    assert (elsewhere / "mine").read_bytes() == b"x"


def test_a_movie_that_changed_since_it_was_planned_or_went_is_an_error_by_its_own_name(
    bucket: Bucket, tmp_path: Path
) -> None:
    uri = put(bucket, "a.mp4", b"frames")
    stamp = source_stamp(uri)
    put(bucket, "a.mp4", b"other frames")
    with (
        pytest.raises(MovieOutOfReachError, match=rf"{uri}: has changed in its bucket"),
        LocalCopy(tmp_path).path(uri, stamp),
    ):
        pass
    assert os.listdir(tmp_path) == []
    with pytest.raises(VideoDecodeError, match=r"gone\.mp4: there is no such file"):
        source_stamp(f"{bucket.url}/gone.mp4")

    def decode(error: type[VideoDecodeError]) -> None:
        with LocalCopy(tmp_path).path(uri, source_stamp(uri)) as path:
            raise error(f"{path}: no frame 3")

    for error in (VideoDecodeError, MovieOutOfReachError):
        with pytest.raises(VideoDecodeError, match=f"^{uri}: no frame 3") as raised:
            decode(error)
        assert raised.type is error
