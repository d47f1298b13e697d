"""Movies of a dataset that no command can make again, for their source is not there any more."""

from collections.abc import Iterable
from contextlib import suppress
from functools import cache, partial

from harvest.corpus import list_corpus
from harvest.dataset.records import MovieRecord
from harvest.errors import CorpusError
from harvest.identity import source_exists


def without_source(movies: Iterable[MovieRecord]) -> set[str]:
    """Ids of those that cannot be harvested or imported again: not in their corpus any more, or their file is gone."""
    movies = list(movies)
    listed = cache(partial(_listed, movies))

    def is_there(movie: MovieRecord) -> bool:
        corpus, uri = movie.facts.corpus, movie.facts.uri
        found = uri if corpus is None else listed(corpus).get(movie.movie_id)
        with suppress(CorpusError):  # a bucket that does not answer: its movies stay
            return found is not None and source_exists(found)
        return False

    return {movie.movie_id for movie in movies if not is_there(movie)}


def _listed(movies: list[MovieRecord], corpus: str) -> dict[str, str]:
    """Where each movie of a corpus lies, by movie_id; of one that cannot be listed, none."""
    with suppress(CorpusError):
        return {movie.movie_id: movie.uri for movie in list_corpus(corpus, movies)}
    return {}
