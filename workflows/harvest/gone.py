"""What a dataset holds of a corpus that the corpus has no more: told by every harvest, removed only when asked."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from harvest.corpus import Movie, list_corpus
from harvest.corpus_name import besides, same_ids
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.errors import CorpusError, NoMovieError
from harvest.identity import source_exists
from workflows.console import counted
from workflows.forgetting import forget_movie
from workflows.journal.records import journals_naming


def gone(dataset: Dataset, movies: list[Movie]) -> dict[str, str]:
    """Movies of this corpus that it lists no more, with the other corpus that still does; "": none, they may go.

    Of this corpus are those that it has listed once, and those whose file is not there any more and that a corpus of
    the same folder has listed (films, films/*.mp4): it may have been called so when they were harvested. Other movies,
    and imported tracks, are nobody's to miss. Besides, failures of movies that are not in the dataset and whose file
    is gone, unless the run that tells of it was of another corpus. Raises DatasetError, CorpusError.

    Args:
        movies: the whole corpus.
    """
    listed = {movie.movie_id for movie in movies}
    records = dataset.records()
    here = _LeftHere(movies, records)
    missing = {
        record.movie_id: here.kept_by(record)
        for record in records
        if record.movie_id not in listed and here.had(record)
    }
    known = listed | {record.movie_id for record in records}
    failed = {failure.movie_id: failure.uri for failure in dataset.failures() if failure.movie_id not in known}
    journals = journals_naming(dataset.store, failed)
    for movie_id, uri in failed.items():
        journal = journals.get(movie_id)
        if not source_exists(uri) and (journal is None or here.is_it(journal.corpus)):
            missing[movie_id] = ""
    return dict(sorted(missing.items()))


class _LeftHere:
    """What a movie was to this corpus, and is to others."""

    def __init__(self, movies: list[Movie], records: list[MovieRecord]) -> None:
        corpus = next((movie.corpus for movie in movies if movie.corpus), "")
        self._corpus = corpus
        known = {name for record in records for name in record.facts.corpora}
        self._others = set(besides(known, corpus))
        self._of_its_folder = {name for name in self._others if same_ids(name, corpus)}

        @cache
        def lists(corpus: str) -> dict[str, str] | None:
            try:
                return {movie.movie_id: movie.uri for movie in list_corpus(corpus, records)}
            except NoMovieError:
                return {}
            except CorpusError:  # a listing that is being edited, a bucket that does not answer: it may have them still
                return None

        self._lists = lists

    def is_it(self, corpus: str) -> bool:
        """Whether a corpus is this one, or one of the same folder."""
        return same_ids(corpus, self._corpus)

    def had(self, record: MovieRecord) -> bool:
        """Whether the movie was in the corpus, by this name or another."""
        corpora = record.facts.corpora
        if not corpora <= self._others:
            return True
        return not corpora.isdisjoint(self._of_its_folder) and not source_exists(record.facts.uri)

    def kept_by(self, record: MovieRecord) -> str:
        """Another corpus that lists the movie, and has its file."""
        for corpus in sorted(record.facts.corpora & self._others):
            listing = self._lists(corpus)
            if listing is None or (record.movie_id in listing and source_exists(listing[record.movie_id])):
                return corpus
        return ""


def prune(dataset: Dataset, movies: Iterable[Movie], missing: Mapping[str, str], most: float) -> str:
    """Remove what `gone` found and no other corpus has. Returns why nothing was removed, or nothing.

    Raises DatasetError.

    Args:
        movies: the whole corpus.
        most: largest share that may go of the movies that were harvested from this corpus. Of more, the corpus itself
            is likely to be missing, as a folder of which a part is not mounted; movies of other corpora do not count.
    """
    known = {record.movie_id for record in dataset.records()}
    held = known & (missing.keys() | {movie.movie_id for movie in movies})
    leaving = held & set(may_go(missing))  # of the others nothing but a failure is known
    if held and len(leaving) / len(held) > most:
        return (
            f"{len(leaving)} of the {counted(len(held), 'movie')} harvested from this corpus are no longer in it, more "
            f"than corpus.shrunk allows ({most:.0%}): nothing was removed; is all of the corpus mounted? "
            "If they are really gone, say --prune-all, or castmine forget for each"
        )
    for movie_id in may_go(missing):
        forget_movie(dataset, movie_id)
    return ""


def may_go(missing: Mapping[str, str]) -> tuple[str, ...]:
    """Those of `gone` that no other corpus has."""
    return tuple(movie_id for movie_id, kept_by in missing.items() if not kept_by)


def gone_json(missing: Mapping[str, str]) -> dict[str, Any]:
    """As every --json has it."""
    return {"gone": list(may_go(missing)), "kept_by": {name: corpus for name, corpus in missing.items() if corpus}}
