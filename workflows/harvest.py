"""`castmine harvest`: plan what is new, harvest it on Ray, commit movie by movie, name what failed.

Planning imports neither Ray nor torch nor a decoder: a run with nothing to do takes about a second.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harvest.corpus import Movie, list_corpus
from harvest.dataset.commit import note_failure, put_movie_record
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.errors import CastmineError, VideoDecodeError
from harvest.faces import Pack, find_pack
from harvest.identity import config_hash, harvest_id, source_stamp
from workflows.config import Config
from workflows.console import Meter, meter
from workflows.labels import LabelChange, attach_labels

if TYPE_CHECKING:
    from workflows.pool import Job
    from workflows.worker import MovieReport, Probe, SegmentReport


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
        failed = {failure.movie_id for failure in opened.failures()}
        movies = [movie for movie in movies if movie.movie_id in failed]
    states = {movie.movie_id: plan_movie(movie, opened, pack, config) for movie in movies}
    if any(state.state == "todo" for state in states.values()):
        HarvestRun(opened, dataset, pack, config, states).run(address)
    labels = attach_labels(opened)
    return HarvestSummary(list(states.values()), labels, time.monotonic() - began)


def plan_movie(movie: Movie, dataset: Dataset, pack: Pack, config: Config) -> MovieState:
    """Whether a movie is to be harvested. A file whose size and time are as recorded is not read again."""
    record = dataset.record(movie.movie_id)
    with suppress(VideoDecodeError):  # the worker finds it again, and it becomes a failure of this movie
        if record and record.facts.uri == movie.uri and record.stamp == source_stamp(movie.uri):
            wanted = harvest_id(record.content_hash, config_hash(config.harvest), pack.hash)
            if wanted == record.harvest_id:
                _refresh(dataset, record, movie)
                return MovieState(movie, "skipped", rows={name: shard.rows for name, shard in record.shards.items()})
    return MovieState(movie)


def _refresh(dataset: Dataset, record: MovieRecord, movie: Movie) -> None:
    """Take over what the user's listing now says of a movie whose tables need no change."""
    said = {"title": movie.title, "year": movie.year, "split": movie.split, "cast_size": movie.cast_size}
    facts = record.facts.model_copy(update=said)
    if facts != record.facts:
        put_movie_record(dataset.store, record.model_copy(update={"facts": facts}))


class HarvestRun:
    """The jobs of a run and what follows from each: probe → segments → finish, or once more as one segment."""

    def __init__(self, dataset: Dataset, root: str, pack: Pack, config: Config, states: dict[str, MovieState]) -> None:
        self._dataset, self._root, self._pack, self._config, self._states = dataset, root, pack, config, states
        self._probes: dict[str, Probe] = {}
        self._segments: dict[str, list[Segment]] = {}
        self._out: Counter[str] = Counter()
        """Segments of a movie that are still to come back."""

    def run(self, address: str | None) -> None:
        import ray

        from harvest.video import check_decode_device
        from workflows.pool import Pool
        from workflows.ray_cluster import ray_cluster
        from workflows.worker import HarvestWorker

        run = self._config.run
        check_decode_device(self._config.decode.device)
        with meter("harvest", "frames") as shown, ray_cluster(address, run.workers) as cores:
            options: dict[str, Any] = {"num_cpus": 1, "memory": int(run.memory_gb * 2**30), "max_concurrency": 2}
            options |= {"max_restarts": 0, "max_task_retries": 0}
            options |= {"num_gpus": run.gpus_per_worker} if run.device == "cuda" else {}
            actor = ray.remote(HarvestWorker).options(**options)

            def start() -> Any:
                return actor.remote(self._root, self._pack, self._config)

            def wanted(job: Job) -> bool:
                return self._states[job.arguments[0].movie_id].state == "todo"

            pool = Pool(start, run.workers or cores, run.attempts, run.stall_s)
            pool.run(self._first_jobs(), self._after, lambda units: self._show(shown, units), wanted)

    def _first_jobs(self) -> list[Job]:
        todo = [state.movie for state in self._states.values() if state.state == "todo"]
        return [Job(f"{movie.movie_id}: open", "probe", (movie,), weight=PROBE_WEIGHT) for movie in todo]

    def _after(self, job: Job, result: Any) -> list[Job]:
        """What follows from the end of a job."""
        movie: Movie = job.arguments[0]
        if isinstance(result, ModelsError):
            raise result
        if isinstance(result, VideoDecodeError) and len(self._segments.get(movie.movie_id, ())) > 1:
            return self._redo_whole(movie)
        if isinstance(result, BaseException):
            self._fail(movie, job, result)
            return []
        follow = {"probe": self._probed, "harvest": self._harvested, "finish": self._finished}
        return follow[job.method](movie, result)

    def _probed(self, movie: Movie, probe: Probe) -> list[Job]:
        self._probes[movie.movie_id] = probe
        minutes = self._config.run.segment_minutes if probe.facts.seekable else None
        facts, context = probe.facts, self._config.harvest.shots.context
        return self._segment_jobs(movie, plan_segments(facts.frames, facts.fps, minutes, context))

    def _segment_jobs(self, movie: Movie, segments: list[Segment]) -> list[Job]:
        self._segments[movie.movie_id], self._out[movie.movie_id] = segments, len(segments)
        probe = self._probes[movie.movie_id]
        return [
            Job(f"{movie.movie_id}: frames {part.start}-{part.stop}", "harvest", (movie, probe, part), probe.facts.frames)
            for part in segments
        ]

    def _redo_whole(self, movie: Movie) -> list[Job]:
        """Seeking proved wrong: the whole movie again, forward from frame 0."""
        probe = self._probes[movie.movie_id]
        facts = probe.facts.model_copy(update={"seekable": False})
        self._probes[movie.movie_id] = replace(probe, facts=facts)
        return self._segment_jobs(movie, [Segment(0, facts.frames)])

    def _harvested(self, movie: Movie, report: SegmentReport) -> list[Job]:
        state = self._states[movie.movie_id]
        state.frames += report.frames
        state.seconds.update(report.seconds)
        self._out[movie.movie_id] -= 1
        if self._out[movie.movie_id]:
            return []
        arguments = (movie, self._probes[movie.movie_id], self._segments[movie.movie_id])
        return [Job(f"{movie.movie_id}: commit", "finish", arguments, weight=FINISH_WEIGHT)]

    def _finished(self, movie: Movie, report: MovieReport | None) -> list[Job]:
        if report is None:
            return self._redo_whole(movie)
        state = self._states[movie.movie_id]
        state.state, state.rows, state.drops, state.seekable = "done", report.rows, report.drops, report.seekable
        return []

    def _fail(self, movie: Movie, job: Job, error: BaseException) -> None:
        state = self._states[movie.movie_id]
        state.state, state.message = "failed", str(error) or type(error).__name__
        earlier = {failure.movie_id: failure.attempts for failure in self._dataset.failures()}
        attempts = earlier.get(movie.movie_id, 0) + job.attempts
        with suppress(DatasetError):  # a full disk must not end the run; the summary and the exit status name the movie
            note_failure(
                self._dataset.store,
                movie.movie_id,
                movie.uri,
                job.method,
                type(error).__name__,
                state.message,
                attempts,
            )

    def _show(self, shown: Meter, units: dict[str, float]) -> None:
        total = sum(probe.facts.frames for probe in self._probes.values())
        done = sum(state.frames for state in self._states.values()) + sum(units.values())
        ended = sum(state.state in ("done", "failed") for state in self._states.values())
        shown.update(min(done, total), total, f"{ended} of {len(self._states)} movies")
