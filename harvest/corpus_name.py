"""What the name of a corpus says of its movies, also where it is not there any more: where they lie, who names them."""

import os
import re
from collections.abc import Iterable

from harvest.storage import is_remote

VIDEO_SUFFIXES = frozenset(
    [
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
    ]
)
"""What a folder or glob is searched for; a file named by itself or in a listing may have any suffix."""

LISTING_SUFFIXES = frozenset((".csv", ".parquet"))
WILDCARD = re.compile(r"[*?\[]")


def is_listing(corpus: str) -> bool:
    """Whether a corpus, if it is no folder, is a table of movies."""
    return os.path.splitext(corpus)[1].lower() in LISTING_SUFFIXES


def searched_folder(corpus: str) -> str | None:
    """The folder in which a folder's or glob's movies lie, to any depth; None of a file and of a listing."""
    if not is_remote(corpus) and os.path.isdir(corpus):
        return corpus
    is_file = not is_remote(corpus) and os.path.isfile(corpus)
    if not is_file and WILDCARD.search(corpus):
        return os.path.dirname(WILDCARD.split(corpus, maxsplit=1)[0])
    suffix = os.path.splitext(corpus)[1].lower()
    return None if is_file or suffix in VIDEO_SUFFIXES | LISTING_SUFFIXES else corpus


def id_folder(corpus: str) -> str:
    """What the ids of its movies are relative to: a folder; of a listing, whose ids are the user's, the listing.

    Corpora of one such folder (films, films/*.mp4, films/alien.mp4) mean the same movie by the same id.
    """
    folder = searched_folder(corpus)
    return folder if folder is not None else corpus if is_listing(corpus) else os.path.dirname(corpus)


def same_ids(one: str, other: str) -> bool:
    """Whether two corpora mean the same movie by the same id, as `id_folder` says."""
    return same_place(id_folder(one), id_folder(other))


def same_place(one: str, other: str) -> bool:
    """Whether two names mean one file, folder or pattern, links followed."""
    return one == other or _real(one) == _real(other)


def besides(corpora: Iterable[str], corpus: str | None) -> tuple[str, ...]:
    """The corpora that are not this one by another name."""
    return tuple(sorted(name for name in corpora if corpus is None or not same_place(name, corpus)))


def lies_in(uri: str, folder: str) -> bool:
    """Whether a file is in a folder, to any depth, links followed; it need not be there."""
    return _real(uri).startswith(_real(folder).rstrip("/") + "/")


def _real(place: str) -> str:
    return place if is_remote(place) else os.path.realpath(place)
