"""The ids of movies that are listed by their paths: each the same on every listing, and none shared by two files."""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable


def movie_slug(relative: str) -> str:
    """A movie_id from a path: its stem in plain letters, plus 8 hex digits where that lost a character."""
    stem = os.path.splitext(relative)[0].replace(os.sep, "/")
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.")
    if slug == stem:
        return slug
    return f"{slug}-{_mark(stem)}" if slug else _mark(stem)


def movie_ids(found: Iterable[tuple[str, str]], held: Collection[tuple[str, str]] = ()) -> list[str]:
    """An id for each file, in their order.

    Files that differ in their suffix alone (film.mkv, film.mp4) have one slug. One of them is called by it: the one
    that a dataset holds under it, else the first in order; the others by it and 8 hex digits of the whole name. So what
    an id is depends on the other files, but only until its movie is in the dataset: from then on it keeps it, whichever
    twins come or go.

    Args:
        found: the path relative to its corpus and the uri of each file.
        held: the movie_id and uri of each movie that a dataset holds.
    """
    found, twins = list(found), defaultdict[str, list[tuple[str, str]]](list)
    for file in found:
        twins[movie_slug(file[0])].append(file)
    ids: dict[tuple[str, str], str] = {}
    for slug, files in twins.items():
        marked = {file: f"{slug}-{_mark(file[0])}" for file in files}
        free = [file for file in files if (marked[file], file[1]) not in held]
        plain = [file for file in free if (slug, file[1]) in held] or free
        ids |= marked | dict.fromkeys(plain[:1], slug)
    return [ids[file] for file in found]


def _mark(name: str) -> str:
    return hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=4).hexdigest()
