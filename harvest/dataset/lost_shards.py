"""Shards that records name and that are not there, or not whole: what a disk lost, or a hand removed.

No command of castmine leaves any: a shard is there before its record. But one that is gone spoils every query on its
table, and is not made again while its record says that it is there.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord, derived_record_path, movie_record_path
from harvest.dataset.schema import DERIVED_FILES, DERIVED_TABLES
from harvest.errors import DatasetError

MADE_BY_HAND = "labels"
"""No command can make these again from the movies."""
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
    stays: bool = False
    """Nobody can make it again, so its record stays: labels, or of a movie whose source is gone."""


def lost_shards(
    dataset: Dataset, without_source: Callable[[Iterable[MovieRecord]], Collection[str]]
) -> list[LostShard]:
    """All of them, by one listing, in the order of their paths. Raises DatasetError.

    Args:
        without_source: ids of those of the given movies that nobody can harvest or import again.
    """
    movies = {movie.movie_id: movie for movie in dataset.records()}
    named = [
        (LostShard(movie.movie_id, table, "", shard.path, movie_record_path(movie.movie_id)), shard)
        for movie in movies.values()
        for table, shard in movie.shards.items()
    ]
    for table in (*DERIVED_TABLES, *DERIVED_FILES):
        for made in dataset.derived_records(table):
            place = derived_record_path(table, made.run, made.movie_id)
            named.append((LostShard(made.movie_id, table, made.run, made.shard.path, place), made.shard))
    files = dataset.store.files("shards")  # after the records: a shard is there before what names it
    found = [lost for lost, shard in named if shard.path not in files or files[shard.path].size != shard.bytes]
    gone = without_source(movies[each.movie_id] for each in found if not each.run)
    staying = [replace(each, stays=each.table == MADE_BY_HAND or each.movie_id in gone) for each in found]
    return sorted(staying, key=lambda lost: lost.path)


def take_back(dataset: Dataset, lost: Iterable[LostShard]) -> None:
    """Remove the records of what `lost_shards` found, but for those that stay, so that it can be made again.

    A movie leaves the dataset until it is harvested again, which commits the same bytes where nothing else has changed;
    what was derived from it is then valid again. Of one that could not be, vacuum would remove what is left.

    Raises:
        DatasetError: more than half of all shards are lost.
    """
    lost, there = list(lost), len(dataset.store.files("shards"))
    if len(lost) > MOST * (len(lost) + there):
        raise DatasetError(
            f"{dataset.root}: {len(lost)} shards are lost and {there} are there, so no record was taken back; "
            "is all of the dataset mounted? If not restored from a copy, harvest into a new folder"
        )
    for record in sorted({each.record for each in lost if not each.stays}):
        dataset.store.delete(record)
