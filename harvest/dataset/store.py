"""The files of a dataset under one root, through fsspec. A put is whole or not at all; no file is changed in place."""

import errno
import glob
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from harvest.dataset.conditional import get_marked, is_s3, put_if
from harvest.errors import DatasetError
from harvest.storage import is_local, open_filesystem, said_plainly

TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp$")
"""How the name of a file ends that is not yet, or never will be, whole."""
LARGEST_PUT_BYTES = 5 * 2**30
"""What S3 takes at once; a file may be 10,000 parts of …"""
PART_BYTES = 100 * 2**20
"""… this size, where it is larger."""


@dataclass(frozen=True)
class FileStamp:
    """What a listing says of a file."""

    size: int
    modified: datetime | None
    """UTC; None where the filesystem does not say."""
    etag: str
    """Changes with the content; empty where there is none (a local disk)."""


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
        try:
            os.makedirs(os.path.dirname(self._path(relative)), exist_ok=True)
            _put_local(self._path(relative), content)
        except OSError as error:
            raise DatasetError(_advice(self._path(relative), error)) from error

    def get(self, relative: str) -> bytes:
        """The file's bytes. Raises FileNotFoundError, DatasetError."""
        with said_plainly(self.full(relative)):
            content: bytes = self.fs.cat_file(self._path(relative), **self._one_request())
        return content

    def open(self, relative: str) -> Any:
        """The file, to read parts of it."""
        return self.fs.open(self._path(relative), "rb")

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
            return {os.path.relpath(file, self.root): stamp for file, stamp in _walk(path)}
        try:
            with said_plainly(self.full(folder)):
                found = self.fs.find(path, detail=True)
        except FileNotFoundError:
            return {}
        return {name.removeprefix(f"{self.root}/"): _stamp(entry) for name, entry in found.items()}

    def stamp(self, relative: str) -> FileStamp | None:
        """What a listing would say of one file; None where there is none. Raises DatasetError."""
        try:
            with said_plainly(self.full(relative)):
                if self.is_local:
                    return _local_stamp(os.stat(self._path(relative)))
                return _stamp(self.fs.info(self._path(relative)))
        except FileNotFoundError:
            return None

    def delete(self, relative: str) -> None:
        """Delete a file or a whole folder; what is gone already, or goes meanwhile, is fine. Raises DatasetError."""
        with suppress(FileNotFoundError), said_plainly(self.full(relative)):
            if self.is_local:
                _delete_local(self._path(relative))
            elif paths := self.fs.find(self._path(relative)):
                self.fs.rm(paths)

    def _read_each(self, relatives: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for relative in relatives:
            with suppress(FileNotFoundError):
                yield relative, self.get(relative)

    def _path(self, relative: str) -> str:
        return f"{self.root}/{relative}"

    def _one_request(self) -> dict[str, Any]:
        """s3fs would ask for the size first, to read large files in parts."""
        return {} if self.is_local else {"max_concurrency": 1}


def _in_one_put(fs: Any, size: int) -> dict[str, Any]:
    """s3fs goes over to parts from two chunks on, which are 50 MiB as it comes."""
    if not is_s3(fs):
        return {}
    return {"chunksize": max(PART_BYTES, size) if size < LARGEST_PUT_BYTES else PART_BYTES}


def _stamp(entry: dict[str, Any]) -> FileStamp:
    """Times are of whole seconds: MinIO and Ceph list a file with milliseconds, and answer for it alone without."""
    modified = entry.get("LastModified") or entry.get("created")
    modified = modified.replace(microsecond=0) if isinstance(modified, datetime) else None
    return FileStamp(int(entry["size"] or 0), modified, str(entry.get("ETag") or "").strip('"'))


def _local_stamp(status: os.stat_result) -> FileStamp:
    return FileStamp(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC), "")


def _walk(folder: str) -> Iterator[tuple[str, FileStamp]]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            try:
                status = os.stat(path)
            except FileNotFoundError:
                continue  # renamed or deleted since the folder was listed
            yield path, _local_stamp(status)


def _put_local(path: str, content: bytes) -> None:
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself must survive a power cut
    finally:
        os.close(folder)


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
