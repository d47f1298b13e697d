"""A harvest as it runs on Ray: which jobs follow from which, what failed, how far it is."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import ray

from harvest.corpus import Movie
from harvest.dataset.cards import PackCard, note_pack
from harvest.dataset.commit import note_failure
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieFacts
from harvest.errors import DatasetError, ModelsError, MovieOutOfReachError, VideoDecodeError
from harvest.faces import Pack
from harvest.segments import Segment, plan_segments
from harvest.video import check_decode_device
from workflows.config import Config
from workflows.console import Meter, counted, meter
from workflows.harvest.plan import HarvestPlan, segment_minutes
from workflows.harvest.quarantine import is_held_against
from workflows.harvest.worker import HarvestWorker, MovieReport, Probe, SegmentReport
from workflows.journal.records import Usage
from workflows.metrics import count_failure
from workflows.pool import Pool
from workflows.ray_cluster import check_gpus, places, ray_cluster
from workflows.work import Job, Limits

FINISH_WEIGHT = 1e12
"""A movie whose segments are all there is committed before anything else is begun."""
PROBE_WEIGHT = 1e11
"""All movies are opened before the first is harvested: the longest goes first, and the ETA knows all."""
WHOLE_WEIGHT = 1e10
"""A movie that cannot be split goes before those that can: begun late, it would be what everybody waits for."""

Watch = Callable[[dict[str, float], Usage], None]
"""Is told, about twice a second, the frames done of each running job and what the workers hold."""


def unwatched(units: dict[str, float], usage: Usage) -> None:
    """Of a run that keeps no journal."""


class HarvestRun:
    """The jobs of a run and what follows from each: probe → segments → finish, or once more as one segment."""

    def __init__(
        self, dataset: Dataset, pack: Pack, config: Config, plan: HarvestPlan, watch: Watch = unwatched
    ) -> None:
        self._dataset, self._pack, self._config, self._states = dataset, pack, config, plan.states
        self._force, self._watch, self._peak_bytes = plan.force, watch, 0
        self._probes: dict[str, Probe] = {}
        self._segments: dict[str, list[Segment]] = {}
        self._out: Counter[str] = Counter()
        """Segments of a movie that are still to come back."""
        self._workers, self._todo = config.run.workers or 1, len(plan.todo)
        self._gpus = config.run.gpus_per_worker if config.run.device == "cuda" else 0.0
        """That a worker holds."""

    def run(self, address: str | None) -> None:
        """Do all jobs. Raises ModelsError where the models cannot run on the device that was asked for."""
        run = self._config.run
        check_decode_device(self._config.decode.device)
        with meter("harvest", "frames") as shown, ray_cluster(address, run.workers) as cores:
            options: dict[str, Any] = {"num_cpus": 1, "memory": int(run.memory_gb * 2**30), "max_concurrency": 2}
            options |= {"max_restarts": 0, "max_task_retries": 0}
            if self._gpus:
                check_gpus(address, self._gpus)
                options["num_gpus"] = self._gpus
            actor = ray.remote(HarvestWorker).options(**options)

            def start() -> Any:
                return actor.remote(self._dataset.root, self._pack, self._config, self._force)

            allowed = int(options["memory"] * run.memory_excess)
            limits = Limits(run.attempts, run.stall_s, run.start_s, allowed, run.segments_per_worker, run.losses)
            self._workers = run.workers or cores
            pool = Pool(start, self._workers, limits, partial(places, run.memory_gb, self._gpus))

            def progress(units: dict[str, float]) -> None:
                self._show(shown, units)
                self._watch(units, self._usage(self._workers, pool.worker_s))

            pool.run(self._first_jobs(), self._after, progress, self._wanted)

    def _first_jobs(self) -> list[Job]:
        todo = [state.movie for state in self._states.values() if state.state == "todo"]
        return [Job(f"{movie.movie_id}: open", "probe", (movie,), weight=PROBE_WEIGHT) for movie in todo]

    def _wanted(self, job: Job) -> bool:
        """Whether a job still serves its movie: that has not failed, nor been split anew since."""
        movie_id = job.arguments[0].movie_id
        current = job.method != "harvest" or job.arguments[2] in self._segments[movie_id]
        return current and self._states[movie_id].state == "todo"

    def _after(self, job: Job, result: Any) -> list[Job]:
        """What follows from the end of a job."""
        movie: Movie = job.arguments[0]
        if isinstance(result, ModelsError):
            raise result
        if not self._wanted(job):
            return []
        if _says_seeking_is_wrong(result) and len(self._segments.get(movie.movie_id, ())) > 1:
            return self._redo_whole(movie)
        if isinstance(result, FileNotFoundError) and job.method == "finish":  # another run has committed the same
            return self._planned(movie)
        if isinstance(result, BaseException):
            self._fail(movie, job, result)
            return []
        if isinstance(result, SegmentReport) and job.attempts > 1:  # this run's own, whose worker was lost after it
            result = replace(result, frames=result.frames + result.earlier, earlier=0)
        follow: dict[str, Callable[[Movie, Any], list[Job]]]
        follow = {"probe": self._probed, "harvest": self._harvested, "finish": self._finished}
        return follow[job.method](movie, result)

    def _probed(self, movie: Movie, probe: Probe) -> list[Job]:
        if not self._probes:
            pack = self._pack
            card = PackCard(
                name=pack.name,
                models_hash=pack.hash,
                embedding_size=probe.embedding_size,
                shipped_threshold=pack.threshold,
            )
            note_pack(self._dataset.store, card)
        self._probes[movie.movie_id] = probe
        state = self._states[movie.movie_id]
        state.total, state.duration_s = probe.facts.frames, probe.facts.duration_s
        state.seconds.update(probe.seconds)
        record = self._dataset.record(movie.movie_id)
        if record and record.harvest_id == probe.harvest_id and not self._force:  # moved or touched, but the same bytes
            return [self._finish_job(movie)]
        return self._planned(movie)

    def _planned(self, movie: Movie) -> list[Job]:
        """The jobs of a movie's segments, those that it was split into before where it was."""
        facts, context = self._probes[movie.movie_id].facts, self._config.harvest.shots.context
        known = self._segments.get(movie.movie_id)
        return self._segment_jobs(movie, known or plan_segments(facts.frames, facts.fps, self._minutes(facts), context))

    def _minutes(self, facts: MovieFacts) -> float | None:
        if not facts.seekable:
            return None
        return segment_minutes(facts.duration_s, self._todo, self._workers, self._config.run.segment_minutes)

    def _segment_jobs(self, movie: Movie, segments: list[Segment]) -> list[Job]:
        self._segments[movie.movie_id], self._out[movie.movie_id] = segments, len(segments)
        probe = self._probes[movie.movie_id]
        weight = probe.facts.frames + (0 if probe.facts.seekable else WHOLE_WEIGHT)
        return [
            Job(f"{movie.movie_id}: frames {part.start}-{part.stop}", "harvest", (movie, probe, part), weight)
            for part in segments
        ]

    def _redo_whole(self, movie: Movie) -> list[Job]:
        """Seeking proved wrong: the whole movie again, forward from frame 0."""
        probe = self._probes[movie.movie_id]
        facts = probe.facts.model_copy(update={"seekable": False})
        self._probes[movie.movie_id] = replace(probe, facts=facts)
        self._states[movie.movie_id].earlier = 0  # what an earlier run has done is of no use
        return self._segment_jobs(movie, [Segment(0, facts.frames)])

    def _harvested(self, movie: Movie, report: SegmentReport) -> list[Job]:
        state = self._states[movie.movie_id]
        state.frames += report.frames
        state.earlier += report.earlier
        state.seconds.update(report.seconds)
        self._peak_bytes = max(self._peak_bytes, report.peak_bytes)
        self._out[movie.movie_id] -= 1
        if self._out[movie.movie_id]:
            return []
        return [self._finish_job(movie)]

    def _finish_job(self, movie: Movie) -> Job:
        arguments = (movie, self._probes[movie.movie_id], self._segments.get(movie.movie_id, []))
        return Job(f"{movie.movie_id}: commit", "finish", arguments, weight=FINISH_WEIGHT)

    def _finished(self, movie: Movie, report: MovieReport | None) -> list[Job]:
        if report is None:
            return self._redo_whole(movie)
        state = self._states[movie.movie_id]
        state.state = "done" if self._segments.get(movie.movie_id) else "skipped"
        state.seconds.update(report.seconds)
        state.rows, state.drops, state.seekable = report.rows, report.drops, report.seekable
        return []

    def _fail(self, movie: Movie, job: Job, error: BaseException) -> None:
        state = self._states[movie.movie_id]
        state.state, state.message = "failed", str(error) or type(error).__name__
        count_failure(job.method, type(error).__name__)
        earlier = self._dataset.failure(movie.movie_id, "harvest")
        attempts = (earlier.attempts if earlier else 0) + job.attempts
        with suppress(DatasetError):  # a full disk must not end the run; the summary and the exit status name the movie
            note_failure(
                self._dataset.store,
                movie.movie_id,
                movie.uri,
                job.method,
                type(error).__name__,
                state.message,
                attempts,
                tried_with=state.tried_with if is_held_against(error, self._config) else "",
            )

    def _usage(self, workers: int, worker_s: float) -> Usage:
        return Usage(workers=workers, worker_s=worker_s, gpu_s=worker_s * self._gpus, peak_bytes=self._peak_bytes)

    def _show(self, shown: Meter, units: dict[str, float]) -> None:
        total = sum(probe.facts.frames for probe in self._probes.values())
        done = sum(state.frames + state.earlier for state in self._states.values()) + sum(units.values())
        ended = sum(state.state != "todo" for state in self._states.values())
        shown.update(min(done, total), total, f"{ended} of {counted(len(self._states), 'movie')}")


def _says_seeking_is_wrong(result: Any) -> bool:
    """A bucket or a disk that is out of reach says nothing of the movie: read forward it would be as far away."""
    return isinstance(result, VideoDecodeError) and not isinstance(result, MovieOutOfReachError)
