"""Ray: started on this machine, or joined where an address says so. The only settings castmine gives it stand here."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from harvest.errors import CastmineError, ModelsError

Item = TypeVar("Item")
Result = TypeVar("Result")

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
    local = address == "local"
    settings: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False, "ignore_reinit_error": True}
    if local:
        settings |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        settings |= {"num_cpus": workers} if workers else {}  # else Ray counts them, minding a container's limit
    try:
        with _own_sigterm():
            ray.init(address=address, **settings)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise CastmineError(f"no Ray cluster could be used at {address}: {error}") from error
    try:
        yield _cores()
    finally:
        ray.shutdown()


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
    return int(ray.cluster_resources().get("CPU", 1))


def cause(error: BaseException) -> BaseException:
    """The application's own error inside what Ray raises; what Ray itself says of a lost worker, in one line."""
    if isinstance(error, RayTaskError):
        return error.cause if isinstance(error.cause, Exception) else error
    if isinstance(error, RayError):
        said = str(error).strip().splitlines() or [type(error).__name__]
        return CastmineError(f"a worker was lost ({said[0]}); see the memory of the machine and run the command again")
    return error


def map_tasks(
    function: Callable[[Item], Result], items: Sequence[Item], in_flight: int
) -> Iterable[tuple[Item, Result | BaseException]]:
    """One Ray task an item, at most `in_flight` of them queued; yields (item, result or error) as they end.

    Ray's own retries are off: with them, out-of-memory kills repeat without end.
    """
    task = ray.remote(function).options(max_retries=0, num_cpus=1)
    waiting = list(items)
    running: dict[Any, Item] = {}
    while waiting or running:
        while waiting and len(running) < in_flight:
            item = waiting.pop(0)
            running[task.remote(item)] = item
        done, _ = ray.wait(list(running), num_returns=1)
        for reference in done:
            item = running.pop(reference)
            try:
                yield item, ray.get(reference)
            except RayError as error:
                yield item, cause(error)
