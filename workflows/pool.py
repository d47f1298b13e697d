"""A supervised pool of Ray actors: lost, hung and overfed workers are replaced and their work is tried again.

The driver sees only what the actors return: ids and counts.
"""

import heapq
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, WorkerCrashedError

from harvest.errors import CastmineError
from workflows.ray_cluster import cause

POLL_S = 0.5
START_S = 120.0
"""Time within which at least one worker must come up, imports and a crowded machine included."""
LOST = (RayActorError, OutOfMemoryError, WorkerCrashedError)


@dataclass
class Job:
    """A call of one method of a worker."""

    key: str
    method: str
    arguments: tuple[Any, ...]
    weight: float = 0.0
    """Seconds or frames it takes: the heaviest goes first, so that none is the tail."""
    attempts: int = 0


class WorkerLostError(CastmineError):
    """A worker was killed, hung or ran out of memory as often as was allowed."""


@dataclass
class _Worker:
    actor: Any
    result: Any
    """What is being waited for: the end of its job; at first, that it is up."""
    up: bool = False
    job: Job | None = None
    pulse: Any = None
    """The answer to `progress` that is being waited for."""
    units: float = 0.0
    heard: float = field(default_factory=time.monotonic)


class Pool:
    """Runs jobs on actors that have, besides their methods, `progress() -> float`: a number that grows while they work.

    Args:
        start: makes an actor (max_restarts=0, max_task_retries=0, max_concurrency=2).
        attempts: how often a job is tried whose worker is lost. An error that the worker raises is final at once.
        stall_s: seconds without progress after which a worker is killed.
        start_s: seconds without any worker after which the pool gives up.
    """

    def __init__(
        self, start: Callable[[], Any], workers: int, attempts: int, stall_s: float, start_s: float = START_S
    ) -> None:
        self._start, self._size, self._attempts = start, workers, attempts
        self._stall_s, self._start_s = stall_s, start_s
        self._queue: list[tuple[float, int, Job]] = []
        self._order = count()
        self._workers: list[_Worker] = []
        self._unborn, self._idle_since = 0, time.monotonic()
        self.worker_s = 0.0
        """Seconds that workers were held so far, summed over them."""

    def run(
        self,
        jobs: Iterable[Job],
        on_end: Callable[[Job, Any], Iterable[Job]],
        on_progress: Callable[[dict[str, float]], None] = lambda units: None,
        wanted: Callable[[Job], bool] = lambda job: True,
    ) -> None:
        """Run jobs and those that follow from them, until there are none.

        Args:
            on_end: given a job and its result or error; returns the jobs that follow.
            on_progress: given the units done of each running job, about twice a second.
            wanted: asked before a job is begun; one that is not wanted any more is dropped.

        Raises:
            WorkerLostError: no worker could be started at all.
        """
        self._add(jobs)
        try:
            while self._queue or any(worker.job for worker in self._workers):
                began = time.monotonic()
                self._hand_out(wanted)
                for job, result in self._collect():
                    self._add(on_end(job, result))
                self._listen()
                self._check_room()
                self.worker_s += len(self._workers) * (time.monotonic() - began)
                on_progress({worker.job.key: worker.units for worker in self._workers if worker.job})
        finally:
            for worker in self._workers:
                ray.kill(worker.actor)

    def _add(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            heapq.heappush(self._queue, (-job.weight, next(self._order), job))

    def _hand_out(self, wanted: Callable[[Job], bool]) -> None:
        self._queue = [entry for entry in self._queue if wanted(entry[2])]
        heapq.heapify(self._queue)
        busy = sum(worker.job is not None for worker in self._workers)
        while len(self._workers) < min(self._size, busy + len(self._queue)):
            actor = self._start()
            self._workers.append(_Worker(actor, actor.progress.remote()))
        for worker in self._workers:
            if worker.up and worker.job is None and self._queue:
                worker.job = heapq.heappop(self._queue)[2]
                worker.job.attempts += 1
                worker.result = getattr(worker.actor, worker.job.method).remote(*worker.job.arguments)
                worker.units, worker.heard, worker.pulse = 0.0, time.monotonic(), None

    def _collect(self) -> list[tuple[Job, Any]]:
        running = {worker.result: worker for worker in self._workers if worker.job or not worker.up}
        ended: list[tuple[Job, Any]] = []
        for reference in ray.wait(list(running), num_returns=1, timeout=POLL_S)[0] if running else []:
            worker = running[reference]
            job, worker.job = worker.job, None
            if job is None:
                self._welcome(worker)
                continue
            try:
                ended.append((job, ray.get(reference)))
            except LOST as error:
                ended += self._lost(worker, job, f"its worker was lost ({_first_line(error)})")
            except RayError as error:
                ended.append((job, cause(error)))
        return ended

    def _welcome(self, worker: _Worker) -> None:
        """A new worker is up, or could not be started: then another one is, as often as a job is tried."""
        try:
            ray.get(worker.result)
            worker.up, self._unborn = True, 0
        except RayError as error:
            self._workers.remove(worker)
            self._unborn += 1
            if self._unborn >= self._attempts:
                reason = str(error).strip().splitlines() or [type(error).__name__]
                raise WorkerLostError(f"no worker could be started ({reason[-1]})") from error  # its own error is last

    def _check_room(self) -> None:
        """Where no worker at all comes up, say so: those that wait for room while others work cost nothing."""
        if any(worker.up for worker in self._workers):
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > self._start_s:
            raise WorkerLostError(
                f"no worker was started within {self._start_s:.0f} s: the machines have no room for one; "
                "see run.memory_gb and run.gpus_per_worker in: castmine config"
            )

    def _listen(self) -> None:
        """Ask each busy worker how far it is; kill those that stand still. `_collect` then finds them lost."""
        for worker in self._workers:
            if worker.job is None:
                continue
            if worker.pulse is None:
                worker.pulse = worker.actor.progress.remote()
            elif ray.wait([worker.pulse], timeout=0)[0]:
                try:
                    units = ray.get(worker.pulse)
                except RayError:
                    units = worker.units
                if units != worker.units:
                    worker.units, worker.heard = units, time.monotonic()
                worker.pulse = None
            if time.monotonic() - worker.heard > self._stall_s:
                worker.heard = time.monotonic()
                ray.kill(worker.actor)

    def _lost(self, worker: _Worker, job: Job, reason: str) -> list[tuple[Job, Any]]:
        self._workers.remove(worker)
        if job.attempts < self._attempts:
            self._add([job])
            return []
        return [(job, WorkerLostError(f"{job.key}: {reason}, {job.attempts} times; see the memory of the machine"))]


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
