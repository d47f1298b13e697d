"""The files of a dataset under one root, through fsspec. A put is whole or not at all; no file is changed in place."""

import errno
import glob
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
from fsspec.callbacks import Callback

from harvest.dataset.conditional import get_marked, is_s3, put_if
from harvest.dataset.listing import FileStamp, bucket_stamp, disk_stamp, walk
from harvest.errors import DatasetError
from harvest.storage import is_local, open_filesystem, said_plainly
from harvest.whole_files import replacing

TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp$")
"""How the name of a file ends that is not yet, or never will be, whole."""
LARGEST_PUT_BYTES = 5 * 2**30
"""What S3 takes at once; a file may be 10,000 parts of …"""
PART_BYTES = 2**25
"""… this size, where it is larger, or lies on disk: then no more of it than two parts is ever in memory."""

OnBytes = Callable[[int], None]
"""Is told how many bytes went, as they go."""


def untold(size: int) -> None:
    """Where nobody wants to know."""


class Store:
    """A root folder on any fsspec filesystem; all paths are relative to it, with forward slashes."""

    def __init__(self, root: str) -> None:
        self.fs, self.root = open_filesystem(str(root))
        if not self.is_local and glob.has_magic(self.root):
            raise DatasetError(f"{root}: fsspec takes * ? [ for a pattern; name a place in the bucket without them")

    @property
    def url(self) -> str:
        """The root, as a process in any folder can open it: an absolute path or a URL."""
        return self.root if self.is_local else str(self.fs.unstrip_protocol(self.root))

    def full(self, relative: str) -> str:
        """The path under which other libraries open the file."""
        return f"{self.url}/{relative}"

    @property
    def is_local(self) -> bool:
        return is_local(self.fs)

    def put(self, relative: str, content: bytes) -> None:
        """Write a file whole: a single put to a bucket; on a local disk under a temporary name, synced, then renamed.

        From 5 GiB on, S3 takes no single put: such a file goes up in parts, and appears when the last is there.

        Raises:
            DatasetError: the folder cannot be written, the disk is full, the bucket does not answer.
        """
        if not self.is_local:
            with said_plainly(self.full(relative), missing="there is no such bucket"):
                self.fs.pipe_file(self._path(relative), content, **_in_one_put(self.fs, len(content)))
            return
        with self._replacing(relative) as temporary, open(temporary, "wb") as file:
            file.write(content)

    @contextmanager
    def scratch(self) -> Iterator[BufferedRandom]:
        """A file to write in parts and then put: without a name, so that nothing stays of it whatever happens.

        It lies on the dataset's own disk, or in $TMPDIR for a bucket. Raises DatasetError.
        """
        if self.is_local:
            os.makedirs(self.root, exist_ok=True)
        with said_plainly(self.url), tempfile.TemporaryFile(dir=self.root if self.is_local else None) as file:
            yield file

    def put_file(self, relative: str, file: BufferedRandom, on_put: OnBytes = untold) -> None:
        """Put what was written to an open file, whole as by `put`; from 64 MiB on it goes to a bucket in parts.

        Raises:
            DatasetError: as `put`.
        """
        file.seek(0)
        if self.is_local:
            with self._replacing(relative) as temporary, open(temporary, "wb") as target:
                shutil.copyfileobj(file, target, PART_BYTES)
            on_put(file.tell())
            return
        in_parts = {"chunksize": PART_BYTES, "max_concurrency": 1} if is_s3(self.fs) else {}
        with said_plainly(self.full(relative), missing="there is no such bucket"):
            opened_again = f"/dev/fd/{file.fileno()}"
            self.fs.put_file(opened_again, self._path(relative), callback=_Told(on_put), **in_parts)

    def get(self, relative: str) -> bytes:
        """The file's bytes. Raises FileNotFoundError, DatasetError."""
        with said_plainly(self.full(relative)):
            content: bytes = self.fs.cat_file(self._path(relative), **self._one_request())
        return content

    def open(self, relative: str) -> Any:
        """The file, to read parts of it: on a local disk as Arrow's own, which its threads read without Python.

        One of Python's still lies with them where a process ends at once, which then aborts (about one in five).
        """
        return pa.OSFile(self._path(relative), "rb") if self.is_local else self.fs.open(self._path(relative), "rb")

    def get_many(self, relatives: Iterable[str]) -> dict[str, bytes]:
        """The bytes of files, asked for at once; those that are gone are left out. Raises DatasetError."""
        if self.is_local:
            return dict(self._read_each(relatives))
        paths = {self._path(relative): relative for relative in relatives}
        if not paths:
            return {}
        with said_plainly(self.url):
            contents = self.fs.cat(list(paths), on_error="return", recursive=False, **self._one_request())
            for content in contents.values():
                if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                    raise content
        return {paths[path]: content for path, content in contents.items() if isinstance(content, bytes)}

    def get_marked(self, relative: str) -> tuple[bytes | None, str]:
        """A file's bytes and a mark for `put_if`; None and an empty mark where there is none. Raises DatasetError."""
        with said_plainly(self.full(relative)):
            return get_marked(self.fs, self._path(relative))

    def put_if(self, relative: str, content: bytes, mark: str) -> bool:
        """Put a file on the condition that it is as when it was read; empty mark: that there is none.

        Returns whether it was. Atomic on a local disk and on S3; elsewhere another may slip in between.

        Raises:
            DatasetError: as `put`.
        """
        with said_plainly(self.full(relative), missing="there is no such bucket"):
            return put_if(self.fs, self._path(relative), content, mark, lambda: self.put(relative, content))

    def exists(self, relative: str) -> bool:
        """Whether there is such a file or folder. Raises DatasetError where the storage does not answer."""
        with said_plainly(self.full(relative)):
            return bool(self.fs.exists(self._path(relative)))

    def names(self, folder: str) -> list[str]:
        """Names of what lies in a folder, sorted; temporary files left out; empty where there is no folder."""
        path = self._path(folder).rstrip("/")
        try:
            with said_plainly(self.full(folder)):
                found = [each.rstrip("/") for each in self.fs.ls(path, detail=False)]
        except FileNotFoundError:
            return []
        names = {PurePosixPath(each).name for each in found if each != path}
        return sorted(name for name in names if not TEMPORARY.search(name))

    def files(self, folder: str) -> dict[str, FileStamp]:
        """Every file in a folder, to any depth, temporary ones too: one listing. Raises DatasetError."""
        path = self._path(folder).rstrip("/")
        if self.is_local:
            return {os.path.relpath(file, self.root): stamp for file, stamp in walk(path)}
        try:
            with said_plainly(self.full(folder)):
                found = self.fs.find(path, detail=True)
        except FileNotFoundError:
            return {}
        return {name.removeprefix(f"{self.root}/"): bucket_stamp(entry) for name, entry in found.items()}

    def stamp(self, relative: str) -> FileStamp | None:
        """What a listing would say of one file; None where there is none. Raises DatasetError."""
        try:
            with said_plainly(self.full(relative)):
                if self.is_local:
                    return disk_stamp(os.stat(self._path(relative)))
                return bucket_stamp(self.fs.info(self._path(relative)))
        except FileNotFoundError:
            return None

    def delete(self, relative: str) -> None:
        """Delete a file or a whole folder; what is gone already, or goes meanwhile, is fine. Raises DatasetError."""
        with suppress(FileNotFoundError), said_plainly(self.full(relative)):
            if self.is_local:
                _delete_local(self._path(relative))
            elif paths := self.fs.find(self._path(relative)):
                self.fs.rm(paths)

    @contextmanager
    def _replacing(self, relative: str) -> Iterator[str]:
        """A temporary name of a local file. Raises DatasetError where it cannot be written or take its place."""
        try:
            with replacing(self._path(relative)) as temporary:
                yield temporary
        except OSError as error:
            raise DatasetError(_advice(self._path(relative), error)) from error

    def _read_each(self, relatives: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for relative in relatives:
            with suppress(FileNotFoundError):
                yield relative, self.get(relative)

    def _path(self, relative: str) -> str:
        return f"{self.root}/{relative}"

    def _one_request(self) -> dict[str, Any]:
        """s3fs would ask for the size first, to read large files in parts."""
        return {} if self.is_local else {"max_concurrency": 1}


class _Told(Callback):  # type: ignore[misc]  # fsspec has no types
    """fsspec's way to say how far a file is."""

    def __init__(self, on_put: OnBytes) -> None:
        super().__init__()
        self._on_put = on_put

    def relative_update(self, inc: int = 1) -> None:
        self._on_put(inc)


def _in_one_put(fs: Any, size: int) -> dict[str, Any]:
    """s3fs goes over to parts from two chunks on, which are 50 MiB as it comes."""
    if not is_s3(fs):
        return {}
    return {"chunksize": max(PART_BYTES, size) if size < LARGEST_PUT_BYTES else PART_BYTES}


def _delete_local(path: str) -> None:
    """Two that delete one folder do not trip over each other, as `shutil.rmtree` would."""
    if not os.path.isdir(path) or os.path.islink(path):
        os.unlink(path)
        return
    for parent, _, names in os.walk(path, topdown=False):
        for name in names:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(parent, name))
        with suppress(FileNotFoundError):
            os.rmdir(parent)


def _advice(path: str, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"{path}: the disk is full; free some space and run the same command again"
    return f"{path}: cannot be written ({error.strerror or error}); check the dataset folder's owner and permissions"
