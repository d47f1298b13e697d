"""The shards of a snapshot as DuckDB opens them in a bucket: these files, read-only, and no others."""

import io
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from fsspec import AbstractFileSystem

from harvest.storage import said_plainly

SMALL_BYTES = 2**16
"""A file of at most so much is read whole, and it or a footer is kept: most shards of a short movie are smaller."""
KEPT_BYTES = 2**28
"""Kept in memory by a connection, of small files and footers. No shard ever changes, so what is kept stays right."""
THREADS = 16
"""Of DuckDB over a bucket: each waits for its answers, and there are hundreds of files."""


class ShardFiles(AbstractFileSystem):  # type: ignore[misc]
    """A filesystem of known files of known sizes: no request but for bytes, each file asked for once or twice."""

    cachable = False

    def __init__(self, protocol: str, inner: Any, sizes: Mapping[str, int]) -> None:
        """Args: inner: the bucket's filesystem. sizes: bytes of each file, by its path on `inner`."""
        super().__init__()
        self.protocol = protocol
        self._inner, self._sizes = inner, dict(sizes)
        self._kept: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._lock = Lock()

    def glob(self, path: str, *arguments: Any, **options: Any) -> list[str]:
        name = self._name(path)
        return [name] if name in self._sizes else []

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        return {"name": self._name(path), "size": self._size(path), "type": "file"}

    def exists(self, path: str, **options: Any) -> bool:
        return self._name(path) in self._sizes

    isfile = exists

    def modified(self, path: str) -> datetime:
        """Shards never change."""
        return datetime(1970, 1, 1, tzinfo=UTC)

    def open(self, path: str, mode: str = "rb", *arguments: Any, **options: Any) -> "ShardFile":
        """Raises PermissionError for any mode but reading, FileNotFoundError for any other file."""
        if mode != "rb":
            raise PermissionError(f"{path}: shards are read-only")
        return ShardFile(self, self._name(path), self._size(path))

    def read(self, name: str, start: int, end: int, size: int) -> bytes:
        """Bytes [start, end) of a file of `size` bytes; of a small file all are fetched."""
        first, last = (0, size) if size <= SMALL_BYTES else (start, end)
        content = self._recall((name, first, last))
        if content is None:
            with said_plainly(f"{self.protocol}://{name}"):
                content = bytes(self._inner.cat_file(name, start=first, end=last))
            if last - first <= SMALL_BYTES:
                self._keep((name, first, last), content)
        return content[start - first : end - first]

    def _recall(self, key: tuple[str, int, int]) -> bytes | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: tuple[str, int, int], content: bytes) -> None:
        with self._lock:
            self._kept[key] = content
            while len(self._kept) > KEPT_BYTES // SMALL_BYTES:
                self._kept.popitem(last=False)

    def _name(self, path: str) -> str:
        return str(self._inner._strip_protocol(path))

    def _size(self, path: str) -> int:
        try:
            return self._sizes[self._name(path)]
        except KeyError:
            raise FileNotFoundError(f"{path}: is not committed") from None


class ShardFile(io.RawIOBase):
    """A shard, opened; nothing is asked for before it is read."""

    def __init__(self, files: ShardFiles, name: str, size: int) -> None:
        self._files, self._name, self._size, self._at = files, name, size, 0
        self.path, self.mode = name, "rb"

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._size, self._at + size)
        content = self._files.read(self._name, self._at, end, self._size) if end > self._at else b""
        self._at += len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True
