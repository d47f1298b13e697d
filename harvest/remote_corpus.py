"""A corpus in a bucket: its movies are listed, not read."""

from typing import Any

from harvest.dataset.records import SourceStamp
from harvest.errors import CorpusError, MovieOutOfReachError
from harvest.storage import open_filesystem, said_plainly


def remote_files(corpus: str) -> tuple[list[str], str]:
    """URLs of the files that a URL means (a file, a folder to any depth, a glob), and the URL that they are under.

    Raises:
        CorpusError: the bucket cannot be listed.
    """
    fs, path = open_filesystem(corpus.rstrip("/"), CorpusError)
    is_glob = any(letter in path for letter in "*?[")
    root = path[: min(path.find(letter) for letter in "*?[" if letter in path)].rpartition("/")[0] if is_glob else path
    with said_plainly(corpus, CorpusError, missing="there is no such bucket"):
        found = fs.glob(path) if is_glob else fs.find(path)
    if found == [path]:
        root = path.rpartition("/")[0]
    return [str(fs.unstrip_protocol(name)) for name in sorted(found)], str(fs.unstrip_protocol(root))


def remote_bytes(uri: str) -> bytes:
    """A small file's content. Raises CorpusError."""
    fs, path = open_filesystem(uri, CorpusError)
    with said_plainly(uri, CorpusError, missing="there is no such file"):
        return bytes(fs.cat_file(path))


def remote_stamp(uri: str) -> SourceStamp:
    """Size and etag of a file in a bucket. Raises MovieOutOfReachError where it cannot be looked at."""
    fs, path = open_filesystem(uri, MovieOutOfReachError)
    with said_plainly(uri, MovieOutOfReachError, missing="there is no such file"):
        entry: dict[str, Any] = fs.info(path)
    return SourceStamp(size=int(entry["size"]), modified=str(entry.get("ETag", "")).strip('"'))


def remote_exists(uri: str) -> bool:
    """Whether a file is in its bucket. Raises CorpusError where the bucket does not answer."""
    fs, path = open_filesystem(uri, CorpusError)
    with said_plainly(uri, CorpusError):
        return bool(fs.exists(path))
