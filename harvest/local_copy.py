"""A movie of a bucket on this machine's disk: a decoder needs a file, and seeks in it.

All workers of a machine share one copy. A copy is its own lock: shared by those who read it, exclusive while it is
written or removed. The system lets go of a killed worker's locks, so what it left is found and removed by the next.
"""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harvest.dataset.records import SourceStamp
from harvest.errors import MovieOutOfReachError, VideoDecodeError
from harvest.identity import source_stamp
from harvest.storage import is_remote, open_filesystem, said_plainly

BLOCK_BYTES = 2**24
"""Copied at once."""
WAIT_S = 0.2
"""Between two looks at a copy that another worker is making."""

OnRead = Callable[[int], None]


class LocalCopy:
    """The copy that a process holds: of one movie at a time, until it asks for another."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or copies_folder()
        self._path: Path | None = None
        self._file: int | None = None

    @contextmanager
    def path(self, uri: str, stamp: SourceStamp, on_read: OnRead = lambda size: None) -> Iterator[str]:
        """Where a movie can be opened: its own path, or that of its copy, which is kept for the next time.

        Args:
            stamp: what the file was when its harvest was planned. on_read: called with the bytes that came in.

        Raises:
            MovieOutOfReachError: it cannot be copied, or is not any more what was planned; of a movie that is read
                where it lies this is seen at the end of the block, which must keep nothing before that.
            VideoDecodeError: any that comes out of the block, with the movie's own name.
        """
        if not is_remote(uri):
            _check_unchanged(uri, stamp)
            try:
                yield uri
            except VideoDecodeError:
                _check_unchanged(uri, stamp)
                raise
            _check_unchanged(uri, stamp)  # or what was read of it in the block may be of two files
            return
        wanted = self._folder / (_digest(uri, stamp) + os.path.splitext(uri)[1])
        if wanted != self._path:
            self.let_go()
            self._file = _hold(wanted, uri, stamp, on_read)
            self._path = wanted
        try:
            yield str(wanted)
        except VideoDecodeError as error:
            raise type(error)(str(error).replace(str(wanted), uri)) from error

    def let_go(self) -> None:
        """Give up the copy; the last to do so removes it."""
        if self._path and self._file is not None:
            _remove_unless_held(self._path, self._file)
            os.close(self._file)
        self._path = self._file = None


def _check_unchanged(uri: str, stamp: SourceStamp) -> None:
    if source_stamp(uri) != stamp:
        raise MovieOutOfReachError(f"{uri}: has changed since this run opened it; run the same command again")


def copies_folder() -> Path:
    """Where copies lie: in $TMPDIR or /tmp, a folder for each user."""
    return Path(tempfile.gettempdir()) / f"castmine-copies-{os.getuid()}"


def sweep(folder: Path | None = None) -> None:
    """Remove copies that no process holds: what killed workers left."""
    folder = folder or copies_folder()
    if not folder.exists():
        return
    with suppress(MovieOutOfReachError):  # another's folder: who needs a copy is told
        _make_own(folder)
        for path in folder.glob("*"):
            _sweep_one(path)


def _sweep_one(path: Path) -> None:
    with suppress(OSError):
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            _remove_unless_held(path, file)
        finally:
            os.close(file)


def _make_own(folder: Path) -> None:
    """A folder that nobody else may look into or write: $TMPDIR is everybody's, and the name is easily guessed.

    Raises:
        MovieOutOfReachError: it cannot be made, or is another user's, or no folder.
    """
    remedy = "copies of movies cannot lie there; set TMPDIR to a folder of your own"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise MovieOutOfReachError(f"{folder}: {error.strerror}; {remedy}") from error
    try:
        if os.fstat(opened).st_uid != os.getuid():
            raise MovieOutOfReachError(f"{folder}: belongs to another user; {remedy}")
        os.fchmod(opened, 0o700)
    finally:
        os.close(opened)


def _hold(path: Path, uri: str, stamp: SourceStamp, on_read: OnRead) -> int:
    """An open file with a shared lock on the whole copy, which is made first where it is not there."""
    _make_own(path.parent)
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            _lock(file, fcntl.LOCK_SH, on_read)
            if _is_linked(file, path) and os.fstat(file).st_size == stamp.size:
                return file
            fcntl.flock(file, fcntl.LOCK_UN)  # two that both wait for the other's shared lock would wait for ever
            _lock(file, fcntl.LOCK_EX, on_read)
            if _is_linked(file, path) and os.fstat(file).st_size != stamp.size:
                _fetch(file, uri, stamp, on_read)
        except BaseException:
            _remove_unless_held(path, file)
            os.close(file)
            raise
        os.close(file)


def _lock(file: int, kind: int, on_read: OnRead) -> None:
    """Wait for a lock; that the copy grows under another's hand is told as our own reading, for it is why we wait."""
    size = os.fstat(file).st_size
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(WAIT_S)
            size, before = os.fstat(file).st_size, size
            on_read(max(0, size - before))


def _fetch(file: int, uri: str, stamp: SourceStamp, on_read: OnRead) -> None:
    fs, path = open_filesystem(uri, MovieOutOfReachError)
    with said_plainly(uri, MovieOutOfReachError), fs.open(path, "rb", block_size=BLOCK_BYTES) as source:
        os.ftruncate(file, 0)
        while block := source.read(BLOCK_BYTES):
            os.pwrite(file, block, os.fstat(file).st_size)
            on_read(len(block))
    if source_stamp(uri) != stamp or os.fstat(file).st_size != stamp.size:
        raise MovieOutOfReachError(f"{uri}: has changed in its bucket since this run began; run the same command again")


def _remove_unless_held(path: Path, file: int) -> None:
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_linked(file, path):
            path.unlink()


def _is_linked(file: int, path: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _digest(uri: str, stamp: SourceStamp) -> str:
    return hashlib.blake2b(f"{uri} {stamp.size} {stamp.modified}".encode(), digest_size=12).hexdigest()
