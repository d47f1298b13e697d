"""Reading many records at once: one listing, then only what is not known yet, all together.

What was read from a bucket is kept on this machine, and what a run leaves is kept together beside the records for
machines that read it first. Both are believed only where the listing says that it is still so: the records are the
truth, always.
"""

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path

from harvest.dataset.listing import FileStamp
from harvest.dataset.store import TEMPORARY, Store
from harvest.errors import DatasetError
from harvest.storage import cache_folder
from harvest.whole_files import replacing

Kept = dict[str, tuple[str, str]]
"""(mark, text) of a record by its path."""

SHARED = "_index/records.json"
"""Where a bucket keeps all records in one file, for a machine that knows none of them."""
MANY = 32
"""Records to be fetched from which on the shared file, itself one request, is asked for first."""


def read_records(store: Store, folder: str) -> dict[str, bytes]:
    """Every record in a folder of the dataset, to any depth, by its path. Raises DatasetError."""
    stamps = _listed(store, folder)
    if not all(stamp.etag for stamp in stamps.values()):  # a local disk is its own cache
        return store.get_many(sorted(stamps))
    file = kept_file(store, folder)
    kept = _parsed(_text(file))
    known = _still_so(kept, stamps)
    if len(stamps) - len(known) >= MANY:
        known |= _still_so(_shared(store), stamps)
    fetched = store.get_many([path for path in stamps if path not in known])
    known |= _as_listed(fetched, stamps)
    if known != kept:
        _keep(file, known)
    contents = {path: text.encode() for path, (_, text) in known.items()} | fetched
    return dict(sorted(contents.items()))


def share_records(store: Store) -> None:
    """Keep all records of a bucket in one file beside them, as a run does at its end; on a disk there is no need.

    Best effort: without it, or where it is old, a reader asks for each record that it lacks.
    """
    if store.is_local:
        return
    with suppress(DatasetError):
        known = _as_listed(read_records(store, "records"), _listed(store, "records"))
        if known == _shared(store):
            return
        store.put(SHARED, json.dumps(known).encode())
        if not known.keys() <= _listed(store, "records").keys():  # a movie was forgotten meanwhile
            store.delete(SHARED)


def forget_kept(store: Store) -> None:
    """Remove what is kept of a dataset's records, on this machine and beside them. Raises DatasetError."""
    shutil.rmtree(kept_file(store, "records").parent, ignore_errors=True)
    if not store.is_local:
        store.delete(SHARED)


def kept_file(store: Store, folder: str) -> Path:
    """Where records of a bucket are kept on this machine."""
    dataset = hashlib.blake2b(store.url.encode(), digest_size=12).hexdigest()
    return cache_folder() / "records" / dataset / f"{folder.replace('/', ' ')}.json"


def _listed(store: Store, folder: str) -> dict[str, FileStamp]:
    return {path: stamp for path, stamp in store.files(folder).items() if not TEMPORARY.search(path)}


def _still_so(kept: Kept, stamps: dict[str, FileStamp]) -> Kept:
    """Of what is kept, the records that are as they were."""
    return {path: record for path, record in kept.items() if path in stamps and record[0] == _mark(stamps[path])}


def _mark(stamp: FileStamp) -> str:
    return f"{stamp.etag} {stamp.size}"


def _as_listed(contents: dict[str, bytes], stamps: dict[str, FileStamp]) -> Kept:
    """Records that are the ones that were listed, not ones that were put since.

    Where a bucket's etags are no MD5 (its own encryption keys), nothing is kept.
    """
    marked = {path: (_mark(stamps[path]), content) for path, content in contents.items() if path in stamps}
    return {path: (mark, content.decode()) for path, (mark, content) in marked.items() if _fits(mark, content)}


def _fits(mark: str, content: bytes) -> bool:
    """Whether a mark is of just this content: the etag of a single put is its MD5."""
    return mark == f"{hashlib.md5(content, usedforsecurity=False).hexdigest()} {len(content)}"


def _shared(store: Store) -> Kept:
    """What the bucket keeps in one file, but for records whose text is not what their mark says."""
    try:
        kept = _parsed(store.get(SHARED))
    except (FileNotFoundError, DatasetError):
        return {}
    return {path: (mark, text) for path, (mark, text) in kept.items() if _fits(mark, text.encode())}


def _text(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # nothing kept yet


def _parsed(content: bytes) -> Kept:
    try:
        return {path: (mark, text) for path, (mark, text) in json.loads(content).items()}
    except (ValueError, TypeError, AttributeError):
        return {}  # spoilt: all is read again


def _keep(file: Path, known: Kept) -> None:
    """Best effort: a full disk here only costs the next reader its time."""
    with suppress(OSError), replacing(file) as temporary:
        Path(temporary).write_text(json.dumps(known), encoding="utf-8")
