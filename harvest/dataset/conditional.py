"""Changing a file only if nobody else has: by conditional puts on S3, under a lock on a local disk."""

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from harvest.storage import is_local

CHANGED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
"""What S3 answers where the condition does not hold, or another put came in between."""
WITHOUT = {"NotImplemented", "501"}
"""What a server answers that knows no conditional puts."""


def get_marked(fs: Any, path: str) -> tuple[bytes | None, str]:
    """A file's content and a mark of it; None and "" where there is none."""
    try:
        if not is_s3(fs):
            content = bytes(fs.cat_file(path))
            return content, hashlib.blake2b(content, digest_size=16).hexdigest()
        bucket, key, _ = fs.split_path(path)
        entry = fs.call_s3("get_object", Bucket=bucket, Key=key)
        return _body(fs, entry), str(entry["ETag"])
    except FileNotFoundError:
        return None, ""


def put_if(fs: Any, path: str, content: bytes, mark: str, put: Callable[[], None]) -> bool:
    """Put a file if its mark is still the same ("": if there is none); `put` does it without a condition."""
    if is_s3(fs):
        return _put_s3(fs, path, content, mark, put)
    with _locked(fs, path):
        if get_marked(fs, path)[1] != mark:
            return False
        put()
        return True


def _put_s3(fs: Any, path: str, content: bytes, mark: str, put: Callable[[], None]) -> bool:
    bucket, key, _ = fs.split_path(path)
    condition = {"IfMatch": mark} if mark else {"IfNoneMatch": "*"}
    try:
        fs.call_s3("put_object", Bucket=bucket, Key=key, Body=content, **condition)
    except OSError as error:
        code = str(getattr(error.__cause__, "response", {}).get("Error", {}).get("Code", ""))
        if isinstance(error, FileExistsError) or code in CHANGED or (mark and isinstance(error, FileNotFoundError)):
            return False
        if code not in WITHOUT and error.errno != errno.ENOSYS:
            raise
        put()
    return True


@contextmanager
def _locked(fs: Any, path: str) -> Iterator[None]:
    """One at a time among the processes of a machine, and of those that share a file system with locks."""
    if not is_local(fs):
        yield
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o666)  # less the umask: for all who may write here
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:  # a file system without locks: the condition is checked, only not atomically
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
        yield
    finally:
        os.close(lock)


def is_s3(fs: Any) -> bool:
    """Whether it speaks the protocol of S3."""
    return "s3" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,))


def _body(fs: Any, entry: dict[str, Any]) -> bytes:
    from fsspec.asyn import sync

    return bytes(sync(fs.loop, entry["Body"].read))
