"""What a dataset holds of a corpus that the corpus has no more: told by every harvest, removed only when asked."""

from collections.abc import Collection, Iterable

from harvest.corpus import Movie
from harvest.dataset.read import Dataset
from harvest.identity import source_exists
from workflows.console import counted
from workflows.forgetting import forget_movie


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


def prune(dataset: Dataset, movies: Iterable[Movie], missing: Collection[str], most: float) -> str:
    """Remove what `gone` found. Returns why nothing was removed, or nothing. Raises DatasetError.

    Args:
        movies: the whole corpus.
        most: largest share that may go of the movies that were harvested from this corpus. Of more, the corpus itself
            is likely to be missing, as a folder of which a part is not mounted; movies of other corpora do not count.
    """
    corpora = {movie.corpus for movie in movies}
    held = {record.movie_id for record in dataset.records() if record.facts.corpus in corpora}
    leaving = held & set(missing)  # of the others nothing but a failure is known
    if held and len(leaving) / len(held) > most:
        return (
            f"{len(leaving)} of the {counted(len(held), 'movie')} harvested from this corpus are no longer in it, more "
            f"than corpus.shrunk allows ({most:.0%}): nothing was removed; is all of the corpus mounted? "
            "If they are really gone, say --prune-all, or castmine forget for each"
        )
    for movie_id in missing:
        forget_movie(dataset, movie_id)
    return ""
