"""Reading many records at once: one listing, then only what changed since the last time, all together.

What was read from a bucket is kept on this machine and believed only where the listing says that it is still so: the
bucket is the truth, always.
"""

import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path

from harvest.dataset.store import TEMPORARY, FileStamp, Store
from harvest.storage import cache_folder

Kept = dict[str, tuple[str, str]]
"""(stamp, text) of a record by its path."""


def read_records(store: Store, folder: str) -> dict[str, bytes]:
    """Every record in a folder of the dataset, to any depth, by its path. Raises DatasetError."""
    stamps = {path: stamp for path, stamp in store.files(folder).items() if not TEMPORARY.search(path)}
    if not all(stamp.etag for stamp in stamps.values()):  # a local disk is its own cache
        return store.get_many(sorted(stamps))
    marks = {path: _mark(stamp) for path, stamp in stamps.items()}
    file = kept_file(store, folder)
    kept = _load(file)
    changed = [path for path, mark in marks.items() if kept.get(path, ("", ""))[0] != mark]
    fetched = store.get_many(changed)
    known = {path: kept[path] for path in marks if path in kept and path not in changed}
    known |= {path: (marks[path], content.decode()) for path, content in fetched.items() if _is(content, stamps[path])}
    if known != kept:
        _keep(file, known)
    contents = {path: text.encode() for path, (_, text) in known.items()} | fetched
    return dict(sorted(contents.items()))


def kept_file(store: Store, folder: str) -> Path:
    """Where records of a bucket are kept on this machine."""
    dataset = hashlib.blake2b(store.url.encode(), digest_size=12).hexdigest()
    return cache_folder() / "records" / dataset / f"{folder.replace('/', ' ')}.json"


def forget_kept(store: Store) -> None:
    """Remove what is kept on this machine of a dataset's records."""
    shutil.rmtree(kept_file(store, "records").parent, ignore_errors=True)


def _mark(stamp: FileStamp) -> str:
    return f"{stamp.etag} {stamp.size}"


def _is(content: bytes, stamp: FileStamp) -> bool:
    """Whether a record is the one that was listed, not one that was put since: the etag of a single put is its MD5.

    Where a bucket's etags are something else (its own encryption keys), nothing is kept.
    """
    return hashlib.md5(content, usedforsecurity=False).hexdigest() == stamp.etag


def _load(file: Path) -> Kept:
    try:
        return {path: (mark, text) for path, (mark, text) in json.loads(file.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # nothing kept yet, or spoilt: all is read again


def _keep(file: Path, known: Kept) -> None:
    """Best effort: a full disk here only costs the next reader its time."""
    temporary = file.with_name(f"{file.name}.{uuid.uuid4().hex}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(known), encoding="utf-8")
        os.replace(temporary, file)
    except OSError:
        temporary.unlink(missing_ok=True)
