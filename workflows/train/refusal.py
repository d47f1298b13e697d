"""What can be told of a corpus from its records and labels alone: that it is too small to learn from.

Told before Ray is started for it; what only mined tracks tell is refused later (`train.subspace.refuse_too_little`).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.errors import TooLittleDataError
from train.config import SplitConfig, SubspaceConfig, TrainConfig
from train.split import Split
from train.subspace import refuse_few_tracks, tracks_needed
from workflows.console import counted
from workflows.labels import identities


def refuse_small(dataset: Dataset, records: list[MovieRecord], split: Split, config: TrainConfig, named: bool) -> None:
    """Raise TooLittleDataError where the training movies are too few, or what is to be learned from in them: people if
    `named`, else tracks that are seen together with another."""
    _refuse_few_movies(split, len(records), config.subspace)
    with telling_sides(split, len(records)):
        _refuse_few_within(dataset, records, split, config, named)


@contextmanager
def telling_sides(split: Split, movies: int) -> Iterator[None]:
    """Add to a TooLittleDataError how the dataset's `movies` are split: what is counted there is of one side."""
    try:
        yield
    except TooLittleDataError as error:
        raise TooLittleDataError(f"{error} (the dataset has {_sides(split, movies)})") from error


def _refuse_few_within(
    dataset: Dataset, records: list[MovieRecord], split: Split, config: TrainConfig, named: bool
) -> None:
    if named:
        from train.identities import person

        people = {person(name, movie) for movie in split.train for name in identities(dataset, movie).values()}
        kept_back(people, config.split)
        return
    linked = [record for record in records if record.movie_id in split.train and record.rows("links")]
    most = sum(min(record.rows("tracks"), 2 * record.rows("links")) for record in linked)  # a link is of two tracks
    size = records[0].embedding_size
    if most < tracks_needed(size, config.subspace) or len(linked) < config.subspace.movies:
        together = sum(_seen_together(dataset, record) for record in linked)
        refuse_few_tracks(together, len(linked), size, config.subspace)


def kept_back(people: Iterable[str], config: SplitConfig) -> frozenset[str]:
    """The people among those of the training movies that validate. Raises TooLittleDataError where they are too few."""
    from train.identities import held_back

    names = set(people)
    if not names:
        raise TooLittleDataError(
            "no track of the training movies has a label, and this method learns from identities; castmine labels "
            "import FILE.csv brings them in, multiface-mvcorr and mvcorr-linear need none"
        )
    return held_back(names, config)


def _seen_together(dataset: Dataset, movie: MovieRecord) -> int:
    """Its tracks that are seen together with another."""
    links = dataset.read_shard(movie.shards["links"], ["track_a", "track_b"])
    return len({*links["track_a"].to_pylist(), *links["track_b"].to_pylist()})


def _refuse_few_movies(split: Split, movies: int, config: SubspaceConfig) -> None:
    least = config.movies
    if len(split.train) < least:
        raise TooLittleDataError(
            f"the dataset has {_sides(split, movies)}; it takes at least {least} to learn from, since one movie's cast "
            "and light are no corpus: harvest more movies"
        )


def _sides(split: Split, movies: int) -> str:
    """3 movies: 1 to learn from, 1 held out to check the model, 1 of another split."""
    neither = movies - len(split.train) - len(split.validation)
    unused = f", {neither} of another split" if neither else ""
    sides = f"{len(split.train)} to learn from, {len(split.validation)} held out to check the model"
    return f"{counted(movies, 'movie')}: {sides}{unused}"
