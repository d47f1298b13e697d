"""The files of a dataset under one root, through fsspec. A put is whole or not at all; no file is changed in place."""

import errno
import os
import re
import uuid
from pathlib import PurePosixPath

import fsspec
from fsspec.implementations.local import LocalFileSystem

from harvest.errors import DatasetError

TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp$")
"""How the name of a file ends that is not yet, or never will be, whole."""


class Store:
    """A root folder on any fsspec filesystem; all paths are relative to it, with forward slashes."""

    def __init__(self, root: str) -> None:
        self.fs, self.root = fsspec.core.url_to_fs(str(root))

    def full(self, relative: str) -> str:
        """The path under which other libraries open the file."""
        return (
            str(self.fs.unstrip_protocol(f"{self.root}/{relative}")) if not self.is_local else f"{self.root}/{relative}"
        )

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, LocalFileSystem)

    def put(self, relative: str, content: bytes) -> None:
        """Write a file whole: on a local disk under a temporary name, synced, then renamed.

        Raises:
            DatasetError: the folder cannot be written or the disk is full.
        """
        path = f"{self.root}/{relative}"
        try:
            self.fs.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
            if self.is_local:
                _put_local(path, content)
            else:
                self.fs.pipe_file(path, content)
        except OSError as error:
            raise DatasetError(_advice(path, error)) from error

    def get(self, relative: str) -> bytes:
        """The file's bytes. Raises FileNotFoundError."""
        content: bytes = self.fs.cat_file(f"{self.root}/{relative}")
        return content

    def exists(self, relative: str) -> bool:
        return bool(self.fs.exists(f"{self.root}/{relative}"))

    def names(self, folder: str) -> list[str]:
        """Names of what lies in a folder, sorted; temporary files left out; empty where there is no folder."""
        try:
            paths = self.fs.ls(f"{self.root}/{folder}", detail=False)
        except FileNotFoundError:
            return []
        found = (PurePosixPath(path).name for path in paths)
        return sorted(name for name in found if not TEMPORARY.search(name))

    def delete(self, relative: str) -> None:
        """Delete a file or a whole folder; nothing happens where it is gone already."""
        if self.exists(relative):
            self.fs.rm(f"{self.root}/{relative}", recursive=True)


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


def _advice(path: str, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"{path}: the disk is full; free some space and run the same command again"
    return f"{path}: cannot be written ({error.strerror or error}); check the dataset folder's owner and permissions"
