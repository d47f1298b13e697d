"""Shards that records name and that are not there, or not whole: what a disk lost, or a hand removed.

No command of castmine leaves any: a shard is there before its record. But one that is gone spoils every query on its
table, and is not made again while its record says that it is there.
"""

from dataclasses import dataclass

from harvest.dataset.read import Dataset
from harvest.dataset.records import derived_record_path, movie_record_path
from harvest.dataset.schema import DERIVED_FILES, DERIVED_TABLES
from harvest.errors import DatasetError

MADE_BY_HAND = "labels"
"""No command can make these again from the movies, so their record stays, and with it the word of what they were."""
MOST = 0.5
"""Of more than this share of all shards, the dataset itself is likely to be missing, as a disk that is not mounted."""


@dataclass(frozen=True)
class LostShard:
    """A file that is not there, or not as long as its record says."""

    movie_id: str
    table: str
    run: str
    """Of a derived table; empty: the movie's harvest."""
    path: str
    record: str
    """Path of the record that names it."""


def lost_shards(dataset: Dataset) -> list[LostShard]:
    """All of them, by one listing, in the order of their paths. Raises DatasetError."""
    named = [
        (LostShard(movie.movie_id, table, "", shard.path, movie_record_path(movie.movie_id)), shard)
        for movie in dataset.records()
        for table, shard in movie.shards.items()
    ]
    for table in (*DERIVED_TABLES, *DERIVED_FILES):
        for made in dataset.derived_records(table):
            place = derived_record_path(table, made.run, made.movie_id)
            named.append((LostShard(made.movie_id, table, made.run, made.shard.path, place), made.shard))
    files = dataset.store.files("shards")  # after the records: a shard is there before what names it
    found = [lost for lost, shard in named if shard.path not in files or files[shard.path].size != shard.bytes]
    return sorted(found, key=lambda lost: lost.path)


def take_back(dataset: Dataset) -> list[LostShard]:
    """Remove the records of lost shards, so that the command that made them makes them again; returns those shards.

    A movie leaves the dataset until it is harvested again, which commits the same bytes; what was derived from it is
    then valid again. Labels stay: see `MADE_BY_HAND`.

    Raises:
        DatasetError: more than half of all shards are lost.
    """
    lost, there = lost_shards(dataset), len(dataset.store.files("shards"))
    if len(lost) > MOST * (len(lost) + there):
        raise DatasetError(
            f"{dataset.root}: {len(lost)} shards are lost and {there} are there, so no record was taken back; "
            "is all of the dataset mounted? If not restored from a copy, harvest into a new folder"
        )
    taken = [each for each in lost if each.table != MADE_BY_HAND]
    for record in sorted({each.record for each in taken}):
        dataset.store.delete(record)
    return taken
