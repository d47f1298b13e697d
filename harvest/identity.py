"""What a harvest depends on, as hashes: if none of it changed, there is nothing to do."""

import hashlib
import json
import os
from collections.abc import Callable

from harvest.config import HarvestConfig
from harvest.corpus_name import id_folder, is_listing, lies_in, same_ids
from harvest.dataset.records import MovieFacts, MovieRecord, SourceStamp
from harvest.dataset.schema import SCHEMA_VERSION
from harvest.errors import CorpusError, MovieOutOfReachError
from harvest.remote_corpus import remote_exists, remote_stamp
from harvest.storage import is_remote

BLOCK_BYTES = 2**24
"""Read at once for the hash of a file."""

HARVEST_VERSION = 2
"""Raised whenever the code's output changes for the same movie and config."""


def source_stamp(path: str) -> SourceStamp:
    """Size and time of a file, or its etag in a bucket. Raises MovieOutOfReachError where it cannot be looked at."""
    if is_remote(path):
        return remote_stamp(path)
    try:
        status = os.stat(path)
    except OSError as error:
        raise MovieOutOfReachError(
            f"{path}: {error.strerror}; check the path in the corpus and its permissions"
        ) from error
    return SourceStamp(size=status.st_size, modified=str(status.st_mtime_ns))


def source_exists(uri: str) -> bool:
    """Whether there is still a file there. Raises CorpusError where a bucket does not answer."""
    return remote_exists(uri) if is_remote(uri) else os.path.exists(uri)


def content_hash(path: str, on_read: Callable[[int], None] = lambda size: None) -> str:
    """Hash of the file's bytes, about 1 GB/s. Raises MovieOutOfReachError where it cannot be read.

    Args:
        on_read: called with the size of each block of bytes that was read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(path, "rb", buffering=0) as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
                on_read(len(block))
        return digest.hexdigest()
    except OSError as error:
        raise MovieOutOfReachError(
            f"{path}: {error.strerror}; check the path in the corpus and its permissions"
        ) from error


def refuse_namesake(record: MovieRecord | None, uri: str, content: str, corpus: str | None = None) -> None:
    """Raise CorpusError where another movie has this one's id: other bytes, from another file that is still there.

    Not where the corpus in which the movie was listed last has now another file by its name: that one replaces it.

    Args:
        record: what the dataset holds under the id. uri, content, corpus: of the movie that is to take its place.
    """
    if record is None or record.content_hash == content or record.facts.uri == uri:
        return
    if not _is_replaced(record.facts, uri, corpus) and source_exists(record.facts.uri):
        raise CorpusError(
            f"{uri}: the dataset holds another movie of this id, {record.facts.uri}; use another dataset, rename the "
            "file, or give ids of your own in a CSV with the columns movie_id, uri"
        )


def _is_replaced(facts: MovieFacts, uri: str, corpus: str | None) -> bool:
    """Whether a name means another file than it did: a link that was set anew, a listing's row with another uri."""
    if corpus is None or facts.corpus is None or not same_ids(facts.corpus, corpus):
        return False
    stems = {os.path.splitext(place)[0] for place in (facts.uri, uri)}
    beside = len(stems) == 1 and not is_listing(corpus) and lies_in(facts.uri, id_folder(corpus))
    return not beside  # film.mkv beside film.mp4 is a movie of its own


def config_hash(config: HarvestConfig) -> str:
    """Hash of every number of a harvest."""
    return _digest(config.model_dump(mode="json"))


def harvest_id(content: str, config: str, models: str, threshold: float | None) -> str:
    """What the tables of a movie depend on: its bytes, the config, the models, the schema and the code.

    Args:
        content: of `content_hash`. config: of `config_hash`. models: the hash of the pack's files.
        threshold: the pack's, which decides where fragments of tracks are joined.
    """
    return _digest([content, config, models, threshold, SCHEMA_VERSION, HARVEST_VERSION])


def _digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=12).hexdigest()
