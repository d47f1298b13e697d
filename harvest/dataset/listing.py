"""What a listing says of files, on a disk and in a bucket."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class FileStamp:
    """What a listing says of a file."""

    size: int
    modified: datetime | None
    """UTC; None where the filesystem does not say."""
    etag: str
    """Changes with the content; empty where there is none (a local disk)."""


def bucket_stamp(entry: dict[str, Any]) -> FileStamp:
    """Of fsspec's entry. Times are of whole seconds: MinIO and Ceph list a file with milliseconds, answer without."""
    modified = entry.get("LastModified") or entry.get("created")
    modified = modified.replace(microsecond=0) if isinstance(modified, datetime) else None
    return FileStamp(int(entry["size"] or 0), modified, str(entry.get("ETag") or "").strip('"'))


def disk_stamp(status: os.stat_result) -> FileStamp:
    """Of a file of a disk."""
    return FileStamp(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC), "")


def walk(folder: str) -> Iterator[tuple[str, FileStamp]]:
    """Every file in a folder of a disk, to any depth."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            try:
                status = os.stat(path)
            except FileNotFoundError:
                continue  # renamed or deleted since the folder was listed
            yield path, disk_stamp(status)
