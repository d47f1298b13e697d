"""Files of a local disk that are whole or not there: written under a temporary name, synced, then renamed."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """Another name beside a file's, to write to: at the end of the block it takes the file's place.

    A block that raises leaves the file as it was. Raises OSError.
    """
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    temporary = f"{os.fspath(path)}.{uuid.uuid4().hex}.tmp"
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync(folder)  # the rename itself must survive a power cut


def _sync(path: str) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
