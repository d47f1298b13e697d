"""Where files lie: which filesystem a path or URL is on, with what options, and its errors in one line with a remedy.

Keys, region and endpoint of a bucket are taken as every tool for S3 takes them: from the AWS_… environment variables
(AWS_ENDPOINT_URL for one that is not Amazon's), a profile, or the machine's role.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from harvest.errors import CastmineError, DatasetError
from harvest.installation import install_command

PROTOCOLS = ("file", "s3", "s3a", "memory")
"""What is tested. fsspec reads others too, but each has its own way of what castmine needs of a bucket (an etag,
conditional puts); memory:// is this process."""
ATTEMPTS = 6
"""Tries of a request before a bucket counts as down, 15 s in all on average; AWS_MAX_ATTEMPTS sets another number."""
CONNECTIONS = 32
"""Open to a bucket at once: an answer takes 20 to 50 ms, and hundreds of records are asked for together."""
READ_BYTES = 2**22
"""Read at once from a file in a bucket: Parquet's columns lie apart, and 50 MiB, s3fs's own choice, is all of them."""


def is_remote(uri: str) -> bool:
    """Whether a path is a URL, as of a bucket."""
    return "://" in uri and not uri.startswith("file://")


def open_filesystem(url: str, failure: type[CastmineError] = DatasetError) -> tuple[Any, str]:
    """The fsspec filesystem of a path or URL, and the path on it. Raises `failure` for any but a folder or s3://."""
    protocol = url.split("://")[0] if is_remote(url) else "file"
    if protocol not in PROTOCOLS:
        raise failure(f"{url}: {protocol}:// is not supported; name a folder, which may be mounted, or an s3:// URL")
    try:
        fs, path = fsspec.core.url_to_fs(url, **(_s3_options() if protocol.startswith("s3") else {}))
    except ImportError as error:
        lacking = f"{protocol}:// needs a package that is not installed: {install_command('s3')}"
        raise failure(f"{url}: {lacking}") from error
    return fs, str(path)


def is_local(fs: Any) -> bool:
    """Whether an fsspec filesystem is this machine's own, where files have paths."""
    return isinstance(fs, LocalFileSystem)


@contextmanager
def said_plainly(url: str, failure: type[CastmineError] = DatasetError, missing: str = "") -> Iterator[None]:
    """Turn what a bucket answers into one line.

    Args:
        missing: what it means that something is not there; unset: FileNotFoundError passes, for it is an answer too.
    """
    try:
        yield
    except CastmineError:
        raise
    except FileNotFoundError as error:
        if not missing:
            raise
        raise failure(f"{url}: {missing}; {_remedy(url, error)}") from error
    except Exception as error:
        from_library = type(error).__module__.split(".")[0] in ("botocore", "aiobotocore", "aiohttp", "fsspec")
        if not from_library and not isinstance(error, OSError):
            raise
        raise failure(f"{url}: {_why(error)}; {_remedy(url, error)}") from error


def cache_folder() -> Path:
    """Where castmine keeps what it could make again: $XDG_CACHE_HOME/castmine, else ~/.cache/castmine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "castmine"


def _s3_options() -> dict[str, Any]:
    retries = {"mode": "standard", "total_max_attempts": int(os.environ.get("AWS_MAX_ATTEMPTS", ATTEMPTS))}
    return {
        "use_listings_cache": False,  # other processes write here, and a reader sees what is committed now
        "default_block_size": READ_BYTES,
        "config_kwargs": {"retries": retries, "max_pool_connections": CONNECTIONS},
    }


def _why(error: Exception) -> str:
    message = (isinstance(error, OSError) and error.strerror) or str(error)
    said = " ".join(message.split()) or type(error).__name__
    return said if len(said) <= 200 else f"{said[:200]}…"


def _remedy(url: str, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "free some space (a movie of a bucket is copied to $TMPDIR) and run the same command again"
    if not is_remote(url):
        return "check the folder's owner and permissions"
    bucket = "/".join(url.split("/")[:3])
    if isinstance(error, PermissionError) or "credentials" in str(error).lower():
        return f"check that the keys (AWS_ACCESS_KEY_ID …, a profile or a role) may list, read and write {bucket}"
    return f"check that {bucket} can be reached (AWS_ENDPOINT_URL), then run the same command again"
