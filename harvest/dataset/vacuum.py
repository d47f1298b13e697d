"""Removing what no record names any more: shards of earlier harvests, staging of abandoned runs, torn files.

A reader holds a list of files for as long as its query lasts, so a file goes only when nothing has named it for a grace
time: counted from the latest commit that could have ceased to name it, or from its own time where that is later.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from harvest.dataset.listing import FileStamp
from harvest.dataset.read import Dataset
from harvest.dataset.schema import DERIVED_FILES, DERIVED_TABLES
from harvest.dataset.store import TEMPORARY

WRITING = timedelta(minutes=10)
"""A shard younger than this stays however short the grace time: `cluster`, `train` and the imports hold no lease, and
one of them may be about to put the record that names it."""


@dataclass(frozen=True)
class Litter:
    """A file that no record names."""

    path: str
    bytes: int
    since: datetime
    """Since when at the latest."""
    stamp: FileStamp


def litter(dataset: Dataset, at: datetime, grace: timedelta) -> list[Litter]:
    """What may be removed at a time, by path. Files are listed before the records are read: a commit in between counts.

    Raises:
        DatasetError: a record cannot be read, so nobody knows what it names.
    """
    files = {path: stamp for path, stamp in dataset.store.files("").items() if _may_be_litter(path)}
    named, changed = _named(dataset)
    found = []
    staged: defaultdict[str, datetime] = defaultdict(lambda: datetime.min.replace(tzinfo=at.tzinfo))
    for path, stamp in files.items():
        staged[_movie_folder(path)] = max(staged[_movie_folder(path)], stamp.modified or at)
    for path, stamp in sorted(files.items()):
        own = staged[_movie_folder(path)] if path.startswith("_staging/") else stamp.modified or at
        since = max(own, changed.get(str(PurePosixPath(path).parent), own))
        if path not in named and at - since >= grace and at - own >= WRITING:
            found.append(Litter(path, stamp.size, since, stamp))
    return found


def vacuum(dataset: Dataset, at: datetime, grace: timedelta) -> list[Litter]:
    """Remove what may be removed; a file that was written again since it was listed stays. Raises DatasetError."""
    removed = []
    for each in litter(dataset, at, grace):
        if dataset.store.stamp(each.path) == each.stamp:
            dataset.store.delete(each.path)
            removed.append(each)
    return removed


def _may_be_litter(path: str) -> bool:
    return path.startswith(("shards/", "_staging/")) or TEMPORARY.search(path) is not None


def _movie_folder(path: str) -> str:
    """`_staging/<movie>`: the segments of a movie that takes days are as young as the youngest of them."""
    return "/".join(path.split("/")[:2])


def _named(dataset: Dataset) -> tuple[set[str], dict[str, datetime]]:
    """Files that records name; and by folder of shards, when what is named in it changed last."""
    named: set[str] = set()
    changed: dict[str, datetime] = {}
    shards = [(shard, movie.committed_at) for movie in dataset.records() for shard in movie.shards.values()]
    made = [record for kind in (*DERIVED_TABLES, *DERIVED_FILES) for record in dataset.derived_records(kind)]
    shards += [(record.shard, record.created_at) for record in made]
    for shard, at in shards:
        named.add(shard.path)
        folder, time = str(PurePosixPath(shard.path).parent), datetime.fromisoformat(at)
        changed[folder] = max(time, changed.get(folder, time))
    return named, changed
