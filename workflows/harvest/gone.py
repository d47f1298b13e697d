"""What a dataset holds of a corpus that the corpus has no more: told by every harvest, removed only when asked."""

from collections.abc import Iterable

from harvest.corpus import Movie
from harvest.dataset.forget import Remains, forget
from harvest.dataset.read import Dataset
from harvest.identity import source_exists
from workflows.journal.records import strike_out


def gone(dataset: Dataset, movies: Iterable[Movie]) -> tuple[str, ...]:
    """Ids of movies that were harvested from this corpus and are not in it any more; of failures, whose file is gone.

    Movies of another corpus, and imported tracks, are nobody's to miss. Raises DatasetError, CorpusError.

    Args:
        movies: the whole corpus.
    """
    listed = {movie.movie_id: movie for movie in movies}
    corpora = {movie.corpus for movie in listed.values()}
    records = {record.movie_id: record for record in dataset.records()}
    missing = {name for name, record in records.items() if record.facts.corpus in corpora and name not in listed}
    for failure in dataset.failures():
        if failure.movie_id not in listed and failure.movie_id not in records and not source_exists(failure.uri):
            missing.add(failure.movie_id)
    return tuple(sorted(missing))


def forget_movie(dataset: Dataset, movie_id: str) -> Remains:
    """Remove every row and file of a movie, and its lines in the journals of runs. Raises DatasetError."""
    found = forget(dataset, movie_id)
    strike_out(dataset.store, movie_id)
    return found
