"""A supervised pool of Ray actors: lost, hung, overfed and worn workers are replaced and their work is tried again.

The driver sees only what the actors return: ids and counts.
"""

import heapq
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

import ray
from ray.exceptions import RayError

from workflows.lost import (
    LOST,
    MachineLostError,
    WorkerLostError,
    first_line,
    is_machines_fault,
    machine_of,
    why_unborn,
)
from workflows.metrics import show_queue
from workflows.ray_cluster import cause, room
from workflows.work import Job, Limits

POLL_S = 0.5


class Pulse(NamedTuple):
    """What a worker answers when it is asked how it goes."""

    units: float
    """A number that grows while it works."""
    memory_bytes: int = 0
    """Memory that it holds and shares with nobody."""


@dataclass
class _Worker:
    actor: Any
    result: Any
    """What is being waited for: the end of its job; at first, that it is up, and the machine where."""
    machine: str = ""
    """Ray's id of it."""
    up: bool = False
    job: Job | None = None
    pulse: Any = None
    """The answer to `progress` that is being waited for."""
    units: float = 0.0
    heard: float = field(default_factory=time.monotonic)
    jobs: int = 0
    """How many it has ended."""
    verdict: str = ""
    """Why it was killed."""


class Pool:
    """Runs jobs, one at a time each, on actors that have, besides their methods, `progress() -> Pulse`.

    Args:
        start: makes an actor (max_restarts=0, max_task_retries=0, max_concurrency=2).
        places: how many of them find room on the machines there are now; None: all.
    """

    def __init__(
        self, start: Callable[[], Any], workers: int, limits: Limits, places: Callable[[], int] | None = None
    ) -> None:
        self._start, self._size, self._limits, self._places = start, workers, limits, places
        self._queue: list[tuple[float, int, Job]] = []
        self._order = count()
        self._workers: list[_Worker] = []
        self._unborn, self._idle_since = 0, time.monotonic()
        self._refusal: RayError | None = None
        """Why the last worker could not be started, where none has been since."""
        self.worker_s = 0.0
        """Seconds that workers were held so far, summed over them; one for which there is no room holds nothing."""

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
                held, units = self._held(), {worker.job.key: worker.units for worker in self._workers if worker.job}
                self.worker_s += held * (time.monotonic() - began)
                show_queue(len(self._queue), len(units), held)
                on_progress(units)
        finally:
            for worker in self._workers:
                ray.kill(worker.actor)
            show_queue(0, 0, 0)  # or the last figures stand for ever

    def _add(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            heapq.heappush(self._queue, (-job.weight, next(self._order), job))

    def _hand_out(self, wanted: Callable[[Job], bool]) -> None:
        self._queue = [entry for entry in self._queue if wanted(entry[2])]
        heapq.heapify(self._queue)
        busy = sum(worker.job is not None for worker in self._workers)
        while len(self._workers) < min(self._size, busy + len(self._queue)):
            actor = self._start()
            self._workers.append(_Worker(actor, actor.__ray_call__.remote(machine_of)))
        for worker in self._workers:
            if worker.up and worker.job is None and self._queue:
                worker.job = heapq.heappop(self._queue)[2]
                worker.job.attempts += 1
                worker.result = getattr(worker.actor, worker.job.method).remote(*worker.job.arguments)
                worker.units, worker.heard, worker.pulse = 0.0, time.monotonic(), None

    def _held(self) -> int:
        """Workers that have their cores: those that are up, and those that start while there is room for them."""
        up = sum(worker.up for worker in self._workers)
        if self._places is None or up == len(self._workers):
            return len(self._workers)
        return min(len(self._workers), max(up, self._places()))

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
                ended += self._lost(worker, job, error)
                continue
            except RayError as error:
                ended.append((job, cause(error)))
            worker.jobs += 1
            worn = self._limits.jobs and worker.jobs >= self._limits.jobs
            if worn or worker.verdict:  # killed in the moment in which it was done
                self._dismiss(worker)
        return ended

    def _welcome(self, worker: _Worker) -> None:
        """A new worker is up, or could not be started: then another one is, as often as a job is tried."""
        try:
            worker.machine = ray.get(worker.result)
            worker.up, self._unborn, self._refusal = True, 0, None
        except RayError as error:
            self._dismiss(worker)
            self._refusal = error
            blameless = is_machines_fault(error, worker.machine, weighed=True)
            self._unborn += not blameless  # another may serve: `start_s` ends that
            if self._unborn >= self._limits.attempts:
                raise WorkerLostError(why_unborn(error)) from error

    def _check_room(self) -> None:
        """Where no worker at all comes up, say so: those that wait for room while others work cost nothing."""
        if any(worker.up for worker in self._workers):
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > self._limits.start_s:
            if self._refusal is not None:
                raise WorkerLostError(why_unborn(self._refusal)) from self._refusal
            raise WorkerLostError(
                f"no worker was started within {self._limits.start_s:.0f} s: no room for one ({room()}); see "
                "run.memory_gb and run.gpus_per_worker, and run.start_s where machines start on demand"
            )

    def _listen(self) -> None:
        """Ask each busy worker how it goes; kill those that stand still or hold too much. Then they are found lost."""
        for worker in self._workers:
            if worker.job is None or worker.verdict:
                continue
            if worker.pulse is None:
                worker.pulse = worker.actor.progress.remote()
            elif ray.wait([worker.pulse], timeout=0)[0]:
                with suppress(RayError):
                    self._hear(worker, ray.get(worker.pulse))
                worker.pulse = None
            if time.monotonic() - worker.heard > self._limits.stall_s:
                worker.verdict = f"no progress for {self._limits.stall_s:.0f} s (run.stall_s): is its file damaged?"
            if worker.verdict:
                ray.kill(worker.actor)

    def _hear(self, worker: _Worker, pulse: Pulse) -> None:
        if pulse.units != worker.units:
            worker.units, worker.heard = pulse.units, time.monotonic()
        allowed = self._limits.memory_bytes
        if allowed and pulse.memory_bytes > allowed:
            held, most = (size / 2**30 for size in (pulse.memory_bytes, allowed))
            worker.verdict = f"it took {held:.1f} GiB of memory and may take {most:.1f}: raise run.memory_gb"

    def _lost(self, worker: _Worker, job: Job, error: BaseException) -> list[tuple[Job, Any]]:
        self._dismiss(worker)
        blameless = is_machines_fault(error, worker.machine, weighed=True)
        job.losses += blameless
        if job.losses > self._limits.losses:
            said = f"its machine was lost or had no memory left ({first_line(error)})"
            return [
                (job, MachineLostError(f"{job.key}: {said}; nothing is wrong with it (tried {job.attempts} times)"))
            ]
        if blameless or job.attempts - job.losses < self._limits.attempts:
            self._add([job])
            return []
        reason = worker.verdict or f"its worker was lost ({first_line(error)}): see the memory of the machine"
        return [(job, WorkerLostError(f"{job.key}: {reason} (tried {job.attempts - job.losses} times)"))]

    def _dismiss(self, worker: _Worker) -> None:
        """Let a worker go, for good: one that is only out of reach must not keep its core."""
        self._workers.remove(worker)
        ray.kill(worker.actor)
