"""Shards that records name and that are not there, or not whole: what a disk lost, or a hand removed.

No command of castmine leaves any: a shard is there before its record. But one that is gone spoils every query on its
table, and is not made again while its record says that it is there.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache

from harvest.corpus import list_corpus
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord, derived_record_path, movie_record_path
from harvest.dataset.schema import DERIVED_FILES, DERIVED_TABLES
from harvest.errors import CorpusError, DatasetError
from harvest.identity import source_exists

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


def lost_shards(dataset: Dataset) -> list[LostShard]:
    """All of them, by one listing, in the order of their paths. Raises DatasetError."""
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
    gone = _without_source(movies[each.movie_id] for each in found if not each.run)
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


def _without_source(movies: Iterable[MovieRecord]) -> set[str]:
    """Ids of those that cannot be harvested or imported again: not in their corpus any more, or their file is gone."""
    listed = cache(_listed)

    def is_there(movie: MovieRecord) -> bool:
        corpus, uri = movie.facts.corpus, movie.facts.uri
        found = uri if corpus is None else listed(corpus).get(movie.movie_id)
        with suppress(CorpusError):  # a bucket that does not answer: its movies stay
            return found is not None and source_exists(found)
        return False

    return {movie.movie_id for movie in movies if not is_there(movie)}


def _listed(corpus: str) -> dict[str, str]:
    """Where each movie of a corpus lies, by movie_id; of one that cannot be listed, none."""
    with suppress(CorpusError):
        return {movie.movie_id: movie.uri for movie in list_corpus(corpus)}
    return {}
