"""`castmine harvest`: plan what is new, harvest it on Ray, commit movie by movie, name what failed.

Planning imports neither Ray nor torch nor a decoder: a run with nothing to do takes about a second.
"""

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from harvest.corpus import Movie, list_corpus
from harvest.dataset.commit import put_movie_record
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord, failure_record_path
from harvest.errors import VideoDecodeError
from harvest.faces import Pack, find_pack
from harvest.identity import config_hash, harvest_id, source_stamp
from workflows.config import Config
from workflows.labels import LabelChange, attach_labels

STAGES = ("probe", "harvest", "finish")
"""Stages of a failure that belong to the harvest."""


@dataclass
class MovieState:
    """How a movie of this run stands."""

    movie: Movie
    state: str = "todo"
    """todo, skipped (nothing changed), done or failed."""
    seconds: Counter[str] = field(default_factory=Counter)
    """Worker seconds by stage."""
    frames: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    drops: dict[str, int] = field(default_factory=dict)
    seekable: bool = True
    message: str = ""


@dataclass
class HarvestSummary:
    """What a harvest did, as the command prints it and `--json` writes it."""

    movies: list[MovieState]
    labels: list[LabelChange]
    seconds: float

    def count(self, state: str) -> int:
        return sum(movie.state == state for movie in self.movies)

    def stages(self) -> dict[str, float]:
        """Worker seconds by stage, over all movies, the longest first."""
        total: Counter[str] = Counter()
        for movie in self.movies:
            total.update(movie.seconds)
        return {stage: round(seconds, 3) for stage, seconds in total.most_common()}


def harvest(
    corpus: str,
    dataset: str,
    models: str,
    config: Config,
    address: str | None = None,
    retry_failed: bool = False,
) -> HarvestSummary:
    """Harvest a corpus into a dataset: what is new or changed, and nothing else.

    Args:
        corpus: see `harvest.corpus.list_corpus`. models: a pack's name or folder. address: of a Ray cluster.
        retry_failed: only the movies that failed before.

    Raises:
        CastmineError: nothing could be begun: no corpus, no models, a dataset that cannot be written, a GPU that is not
            active. What goes wrong with one movie is in the summary and in the dataset's `failures` instead.
    """
    began = time.monotonic()
    movies = list_corpus(corpus)
    pack = find_pack(models)
    opened = Dataset.create(dataset)
    if retry_failed:
        failed = {failure.movie_id for failure in opened.failures() if failure.stage in STAGES}
        movies = [movie for movie in movies if movie.movie_id in failed]
    states = {movie.movie_id: plan_movie(movie, opened, pack, config) for movie in movies}
    try:
        if any(state.state == "todo" for state in states.values()):
            from workflows.harvest_run import HarvestRun  # Ray, torch and the decoders: only where there is work

            HarvestRun(opened, pack, config, states).run(address)
    finally:
        labels = attach_labels(opened)  # also of what an interrupted run has committed
    return HarvestSummary(list(states.values()), labels, time.monotonic() - began)


def plan_movie(movie: Movie, dataset: Dataset, pack: Pack, config: Config) -> MovieState:
    """Whether a movie is to be harvested. A file whose size and time are as recorded is not read again."""
    record = dataset.record(movie.movie_id)
    with suppress(VideoDecodeError):  # the worker finds it again, and it becomes a failure of this movie
        if record and record.facts.uri == movie.uri and record.stamp == source_stamp(movie.uri):
            wanted = harvest_id(record.content_hash, config_hash(config.harvest), pack.hash, pack.threshold)
            if wanted == record.harvest_id:
                _refresh(dataset, record, movie)
                _forgive(dataset, movie)
                return MovieState(movie, "skipped", rows={name: shard.rows for name, shard in record.shards.items()})
    return MovieState(movie)


def _forgive(dataset: Dataset, movie: Movie) -> None:
    """Forget that a movie failed whose file is again the one that was harvested, or whose commit was cut short."""
    failure = dataset.failure(movie.movie_id)
    if failure and failure.stage in STAGES:
        dataset.store.delete(failure_record_path(movie.movie_id))


def _refresh(dataset: Dataset, record: MovieRecord, movie: Movie) -> None:
    """Take over what the user's listing now says of a movie whose tables need no change."""
    said = {"title": movie.title, "year": movie.year, "split": movie.split, "cast_size": movie.cast_size}
    facts = record.facts.model_copy(update=said)
    if facts != record.facts:
        put_movie_record(dataset.store, record.model_copy(update={"facts": facts}))
