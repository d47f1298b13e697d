"""Ray: started on this machine, or joined where an address says so. The only settings castmine gives it stand here."""

import logging
import math
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from harvest.errors import CastmineError, ModelsError
from workflows.lost import first_line, is_machines_fault

Item = TypeVar("Item")
Result = TypeVar("Result")


class TaskLostError(CastmineError):
    """A task whose worker was killed, or ran out of memory, as often as was allowed."""

    def __init__(self, reason: BaseException, attempts: int) -> None:
        super().__init__(f"{reason} (tried {attempts} times)" if attempts > 1 else str(reason))
        self.attempts = attempts


REACH_S = 10.0
"""Seconds in which the head of a cluster must answer."""
END_S = 20.0
"""Seconds in which tasks that nobody waits for any more must have ended; Ray ends them itself with the command."""
OBJECT_STORE_BYTES = 150 * 2**20
"""Only ids and counts pass through Ray's object store; its default would take 30 % of the memory."""


@contextmanager
def ray_cluster(address: str | None = None, workers: int | None = None) -> Iterator[int]:
    """Join the cluster at `address` (or RAY_ADDRESS, as in a submitted job), else start a local one; yields its cores.

    Within another `ray_cluster`, or where the caller runs Ray already, that one is used and left running.

    Raises:
        CastmineError: no cluster answers at the address.
    """
    if ray.is_initialized():
        yield _cores()
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what Ray will do from its next version on
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    _refuse_unreachable(address)
    settings: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False, "ignore_reinit_error": True}
    if address == "local":
        settings |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        settings |= {"num_cpus": workers} if workers else {}  # else Ray counts them, minding a container's limit
    _init(address, settings)
    try:
        yield _cores()
    finally:
        ray.shutdown()


def _init(address: str, settings: dict[str, Any]) -> None:
    """Raise CastmineError where Ray cannot be joined or started; a start that a busy machine made too slow is tried
    again: Ray gives it 30 s, of which it lets nobody have more."""
    local = address == "local"
    for last in (not local, True):
        try:
            with _own_sigterm():
                ray.init(address=address, **settings)
            return
        except Exception as error:  # Ray raises that very class where its start takes too long
            ray.shutdown()
            if last:
                remedy = "" if local else "; the head must have the same Ray, Python and token (RAY_AUTH_TOKEN)"
                raise CastmineError(f"no Ray cluster could be used at {address}: {error}{remedy}") from error


def _refuse_unreachable(address: str) -> None:
    """Raise CastmineError where nobody listens: Ray itself waits a minute and then ends the process."""
    if "://" in address:
        raise CastmineError(
            f"{address}: not the address of a Ray head, which is HOST:6379 (or auto, on the head itself); "
            "an http address takes jobs: infra/ray/submit.sh"
        )
    host, _, port = address.rpartition(":")
    if port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()
        except OSError as error:
            raise CastmineError(
                f"no Ray answers at {address} ({error.strerror or error}): is its head up, and open to this machine?"
            ) from error


def check_gpus(address: str | None, share: float) -> None:
    """Raise ModelsError where a Ray of this machine has no GPU to give; a cluster may still start a node that has."""
    local = not (address or os.environ.get("RAY_ADDRESS"))
    if local and ray.cluster_resources().get("GPU", 0) < share:
        raise ModelsError("device cuda was asked for and Ray sees no GPU here; check nvidia-smi, or use --device cpu")


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Ray takes SIGTERM for itself when it starts, and aborts on it; a scheduler's SIGTERM is to end us in order."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _cores() -> int:
    """Cores of the cluster; one where it has none yet, for it may start machines once somebody asks for a core."""
    return max(1, int(ray.cluster_resources().get("CPU", 0)))


def room() -> str:
    """What the cluster has to give, in words."""
    resources = ray.cluster_resources()
    cores, gpus = (int(resources.get(name, 0)) for name in ("CPU", "GPU"))
    machines = sum(bool(node["Alive"]) for node in ray.nodes())
    return f"machines: {machines}, cores: {cores}, GPUs: {gpus}, memory: {resources.get('memory', 0) / 2**30:.1f} GiB"


def cause(error: BaseException) -> BaseException:
    """The application's own error inside what Ray raises; what Ray itself says of a lost worker, in one line."""
    if isinstance(error, RayTaskError):
        return error.cause if isinstance(error.cause, Exception) else error
    if isinstance(error, RayError):
        return CastmineError(
            f"a worker was lost ({first_line(error)}); see the memory of the machine and run the command again"
        )
    return error


def map_tasks(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    in_flight: int,
    memory_gb: Callable[[Item], float] = lambda item: 0.0,
    attempts: int = 1,
    losses: int = 0,
) -> Iterable[tuple[Item, Result | BaseException]]:
    """One Ray task an item, at most `in_flight` of them queued; yields (item, result or error) as they end.

    A task declares its memory, so that Ray starts it only where that is free. One whose worker is lost is tried again,
    `attempts` times in all, and up to `losses` times more where its machine went: Ray's own retries are off, for with
    them out-of-memory kills repeat without end. How far a task is nobody asks: one that hangs is not ended. Where the
    caller stops before the end, what still runs is.
    """
    task = ray.remote(function)
    waiting, tries, gone = deque(range(len(items))), [0] * len(items), [0] * len(items)
    running: dict[Any, int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < in_flight:
                number = waiting.popleft()
                tries[number] += 1
                memory = int(memory_gb(items[number]) * 1e9) or None
                running[task.options(max_retries=0, num_cpus=1, memory=memory).remote(items[number])] = number
            done, _ = ray.wait(list(running), num_returns=1)
            for reference in done:
                number = running.pop(reference)
                try:
                    yield items[number], ray.get(reference)
                except RayTaskError as error:
                    yield items[number], cause(error)
                except RayError as error:
                    gone[number] += is_machines_fault(error) and gone[number] < losses
                    if tries[number] - gone[number] < attempts:
                        waiting.append(number)
                    else:
                        yield items[number], TaskLostError(cause(error), tries[number] - gone[number])
    finally:
        _end(list(running))


def _end(tasks: list[Any]) -> None:
    """Cancel tasks until they have ended, or `END_S` is over: Ray loses a cancel that comes while the task is on its
    way to a worker, and forgets it."""
    end = time.monotonic() + END_S
    while tasks and time.monotonic() < end:
        for task in tasks:
            ray.cancel(task, force=True)
        _, tasks = ray.wait(tasks, num_returns=len(tasks), timeout=1.0)


def _machines() -> list[dict[str, float]]:
    """What each machine has that can take a task: a head without cores cannot."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [resources for resources in alive if resources.get("CPU", 0) >= 1]


def largest_node_gb() -> float:
    """Memory of the largest machine of the cluster, as far as Ray may give it to tasks; without end while there is none
    with a core, for nothing is known of those that start on demand."""
    return max((resources.get("memory", 0.0) for resources in _machines()), default=math.inf) / 1e9


def places(memory_gb: float, gpus: float = 0.0) -> int:
    """Workers of a core, so many GiB and such a share of a GPU that find room at once on the machines there are now."""
    needs = {"CPU": 1.0, "memory": memory_gb * 2**30, "GPU": gpus}
    needed = {name: amount for name, amount in needs.items() if amount}
    every = [[has.get(name, 0) / amount for name, amount in needed.items()] for has in _machines()]
    return sum(int(min(fits) + 1e-9) for fits in every)  # 1 / 0.1 is 10


def share_gb(workers: int) -> float:
    """Memory that each of so many workers may declare so that all find a place at once, on machines of one size."""
    return largest_node_gb() / math.ceil(workers / max(1, len(_machines())))
