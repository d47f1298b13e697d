"""`castmine cluster`: one Ray task a movie groups its tracks into a cast; the assignments land in `clusters`."""

import time
from collections.abc import Collection
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from shlex import quote

from cluster.config import NEED_MODEL, KFrom
from cluster.methods import METHODS
from cluster.metrics import CorpusMetrics, score_corpus
from cluster.movie import or_thriftier
from harvest.dataset.commit import end_failure, note_failure
from harvest.dataset.index import share_records
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.errors import CastmineError, ConfigError, DatasetError
from harvest.tracks import count_embedded
from train.registry import Model, load_model
from workflows.cluster.earlier import is_clustered, nothing_to_do
from workflows.cluster.job import ClusteredMovie, ClusterJob, adapted_name, memory_gb, reads_faces, source_of_k
from workflows.cluster.request import ClusterRequest
from workflows.cluster.retry import retry_command
from workflows.cluster.task import cluster_one
from workflows.config import Config
from workflows.console import Meter, meter
from workflows.labels import RUN as LABELS
from workflows.on_demand import Cores, map_here, ray_on_demand

SOON_PAIRS = 4e7
"""Pairs of tracks of a movie, over all movies, that are scored sooner than Ray starts: each takes 0.07 (hac) to 0.14 µs
(hac-expanded), for the scores at every K are those of one more agglomeration; the scores at its own K take 3 ms."""


@dataclass(frozen=True)
class ClusterSummary:
    """What a clustering did, as the command prints it and `--json` writes it."""

    run: str
    method: str
    model: str
    k_from: str
    """`KFrom`, or "method" where the method finds K itself."""
    threshold_source: str
    movies: list[ClusteredMovie]
    failed: dict[str, str]
    """Message by movie_id."""
    overall: CorpusMetrics | None
    seconds: float


def cluster(
    root: str, asked: ClusterRequest, config: Config, address: str | None = None, start: Cores | None = None
) -> ClusterSummary:
    """Cluster the movies of a dataset that no earlier run of the name clustered just so.

    Args:
        address: of a Ray cluster. start: starts a Ray that outlives this clustering; None: it has its own.

    Raises:
        CastmineError: nothing could be begun: an empty dataset, an unknown movie or method, a model for another pack,
            no threshold, labels or cast size to be had. What goes wrong with one movie is in the summary and in
            `failures` instead.
    """
    from workflows.cluster.thresholds import thresholds_for

    began = time.monotonic()
    asked.check()
    dataset = Dataset.open(root)
    records = _chosen(dataset, asked.movies)
    _check_known_k(dataset, records, asked.k_from)
    model = _fitting_model(asked.model, records, asked.adapt) if asked.model else None
    every = asked.job(dataset.root, config, model)
    with meter("cluster", "movies") as shown, ExitStack() as stack:
        cores = start or ray_on_demand(stack, address, config.run.workers)
        wanted = asked.k_from == "threshold" and not METHODS[every.method].finds_k
        found = thresholds_for(dataset, records, every.method, model, config, cores, asked.kept) if wanted else ({}, "")
        thresholds, source = found
        movies = {record.movie_id: record for record in records}
        outcome = _Outcome(dataset, movies, shown, retry_command(every), _failed_before(dataset, every.run))
        jobs = [
            replace(every, movie_id=record.movie_id, threshold=thresholds.get(record.models_hash))
            for record in sorted(records, key=lambda record: -record.rows("tracks"))
        ]
        missing = [job for job in jobs if not outcome.is_done(job)]
        shown.update(len(outcome.done), len(jobs), f"{len(outcome.done)} unchanged")
        if missing:
            if outcome.are_soon_scored(missing):
                outcome.score(missing)
            else:
                outcome.work_on(missing, cores())
            share_records(dataset.store)
    return _summary(every, source, outcome, time.monotonic() - began)


def _summary(asked: ClusterJob, source: str, outcome: "_Outcome", seconds: float) -> ClusterSummary:
    """`source`: of the threshold."""
    done = sorted(outcome.done, key=lambda movie: movie.movie_id)
    if asked.adapt and source:
        source = f"each movie's own after {asked.adapt} ({asked.config.cluster.adapt.threshold}); before, {source}"
    return ClusterSummary(
        run=asked.run,
        method=asked.method,
        model=adapted_name(asked.model_name, asked.adapt),
        k_from=source_of_k(asked.method, asked.k_from),
        threshold_source=source,
        movies=done,
        failed=outcome.failed,
        overall=score_corpus([movie.metrics for movie in done if movie.metrics]),
        seconds=seconds,
    )


@dataclass
class _Outcome:
    """What came of each movie so far."""

    dataset: Dataset
    movies: dict[str, MovieRecord]
    shown: Meter
    retry: str
    """The command that tries failed movies again, but for their names."""
    failed_before: Collection[str]
    """Movies of which a failure of this run is noted."""
    done: list[ClusteredMovie] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def is_done(self, job: ClusterJob) -> bool:
        """Whether an earlier run has left nothing to do."""
        earlier = nothing_to_do(self.dataset, self.movies[job.movie_id], job)
        if earlier:
            self.done.append(earlier)
            if job.movie_id in self.failed_before:
                with suppress(DatasetError):  # of a dataset that cannot be written, what is done is still told
                    end_failure(self.dataset.store, job.movie_id, "cluster", job.run)
        return earlier is not None

    def are_soon_scored(self, jobs: list[ClusterJob]) -> bool:
        """Whether all that is left is to score what is clustered, and that takes no longer than Ray's start."""
        pairs = sum(self.movies[job.movie_id].rows("tracks") ** 2 for job in jobs)
        clustered = (is_clustered(self.dataset, self.movies[job.movie_id], job) for job in jobs)
        means = jobs[0].adapt is None and not jobs[0].model_takes_faces
        return means and pairs <= SOON_PAIRS and all(clustered)

    def score(self, jobs: list[ClusterJob]) -> None:
        """Score here, movie by movie, what is clustered."""
        for job, result in map_here(cluster_one, jobs):
            self._take(job, result)

    def work_on(self, jobs: list[ClusterJob], in_flight: int) -> None:
        """Run the tasks, in this order; what fits into no machine of the cluster is not begun."""
        from workflows.ray_cluster import TaskLostError, largest_node_gb, map_tasks

        run, room = jobs[0].config.run, largest_node_gb()
        allowed, needed = (run.attempts, run.losses), dict[str, float]()
        for job in jobs:
            try:
                needed[job.movie_id] = self._memory_gb(job, room)
            except CastmineError as error:  # too large, or of a file that is lost
                self._fail(job, error, 0)
        fitting = [job for job in jobs if job.movie_id in needed]
        for job, result in map_tasks(cluster_one, fitting, in_flight, lambda job: needed[job.movie_id], *allowed):
            self._take(job, result, result.attempts if isinstance(result, TaskLostError) else 1)

    def _take(self, job: ClusterJob, result: ClusteredMovie | BaseException, attempts: int = 1) -> None:
        """What came of a movie: its clustering, or the error after so many attempts."""
        if isinstance(result, ClusteredMovie):
            self.done.append(result)
        else:
            self._fail(job, result, attempts)
        self.shown.update(len(self.done) + len(self.failed), len(self.movies), job.movie_id)

    def _memory_gb(self, job: ClusterJob, room: float) -> float:
        """What a task takes. Raises ConfigError where no machine has that, DatasetError where nobody can say."""
        movie = self.movies[job.movie_id]
        needed = memory_gb(job, movie, count_embedded(self.dataset, movie) if reads_faces(job) else 0)
        if needed > room:
            raise ConfigError(_too_large(job, movie, needed, room))
        return needed

    def _fail(self, job: ClusterJob, error: BaseException, attempts: int) -> None:
        from workflows.metrics import count_failure

        uri, named = self.movies[job.movie_id].facts.uri, type(error).__name__
        message = (str(error) or named).removeprefix(f"{job.movie_id}: ")  # which is named wherever it is shown
        self.failed[job.movie_id] = message
        count_failure("cluster", named)
        kept = {"retry": self.retry, "run": job.run}
        with suppress(DatasetError):  # a full disk must not end the run; the summary and the exit status name the movie
            note_failure(self.dataset.store, job.movie_id, uri, "cluster", named, message, attempts, **kept)


def _failed_before(dataset: Dataset, run: str) -> set[str]:
    noted = (failure for failure in dataset.failures() if failure.kind == "cluster")
    return {failure.movie_id for failure in noted if failure.run in (run, "")}  # "": before they were kept by run


def _too_large(job: ClusterJob, movie: MovieRecord, needed: float, room: float) -> str:
    return (
        f"{job.movie_id}: {movie.rows('tracks')} tracks need {needed:.1f} GB to be clustered by {job.method}, the "
        f"largest machine has {room:.1f} GB for tasks; use a larger one{or_thriftier(job.method)}"
    )


def _fitting_model(model: str, records: list[MovieRecord], adapt: str | None) -> Model:
    """The model. Raises DatasetError where it was trained on the embeddings of another pack, ConfigError where it is of
    another kind than the adaptation goes on from."""
    loaded = load_model(model)
    others = {record.models for record in records if record.models_hash != loaded.card.pack_hash}
    if others:
        raise DatasetError(
            f"{model}: was trained on embeddings of {loaded.card.pack}, and the movies were harvested with "
            f"{', '.join(sorted(others))}; harvest them with that pack, or train a model on this dataset"
        )
    if adapt in NEED_MODEL and loaded.card.squared_radius is None:
        raise ConfigError(f"{model}: no model of ball cluster learning, which {adapt} fine-tunes; train one as bcl")
    return loaded


def _check_known_k(dataset: Dataset, records: list[MovieRecord], k_from: KFrom) -> None:
    """Raise DatasetError where K is to be taken from what no movie with more than one track has."""
    several = {record.movie_id: record for record in records if record.rows("tracks") > 1}
    if k_from == "corpus":
        known = any(record.facts.cast_size for record in several.values())
        lacking, remedy = "a cast_size", "harvest them (at no cost) from a CSV with movie_id, uri, cast_size"
    elif k_from == "labels":
        given = {(label.movie_id, label.harvest_id) for label in dataset.derived_records(LABELS) if label.shard.rows}
        known = any((movie_id, record.harvest_id) in given for movie_id, record in several.items())
        lacking, remedy = "labels", f"castmine labels import FILE --dataset {quote(dataset.root)}"
    else:
        return
    if several and not known:
        message = f"no movie has {lacking} to take K from; {remedy}, or leave out --k-from {k_from}"
        raise DatasetError(f"{dataset.root}: {message}")


def _chosen(dataset: Dataset, movies: Collection[str]) -> list[MovieRecord]:
    records = {record.movie_id: record for record in dataset.records()}
    if not records:
        raise DatasetError(f"{dataset.root}: holds no movie yet; harvest or import some first")
    named = [movie for given in movies for movie in ([given] if given in records else given.split(","))]
    unknown = [movie for movie in filter(None, named) if movie not in records]
    if unknown:
        raise DatasetError(f"{dataset.root}: has no movie {unknown[0]!r}; it has: {', '.join(list(records)[:10])}")
    return [records[movie] for movie in dict.fromkeys(filter(None, named))] or list(records.values())
