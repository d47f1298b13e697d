"""Workers that are lost: whether their work or their machine is to blame, and how that is said.

Ray tells a process that ended (a crash, or a SIGKILL of whoever's) from a machine that went; no more. So an end that
nobody explains is held against the work, which may have crashed its decoder; what the machine did is not.
"""

from typing import Any

import ray
from ray.exceptions import (
    ActorUnavailableError,
    NodeDiedError,
    OutOfMemoryError,
    RayActorError,
    WorkerCrashedError,
)

from harvest.errors import CastmineError

LOST = (RayActorError, NodeDiedError, OutOfMemoryError, WorkerCrashedError)
"""What Ray raises for work whose worker is no more."""


class WorkerLostError(CastmineError):
    """A worker crashed, hung or took too much memory over its work as often as was allowed."""


class MachineLostError(CastmineError):
    """Workers were lost with their machines as often as was allowed: nothing is known of their work."""


def machine_of(worker: Any) -> str:
    """Ray's id of the machine on which this runs; `worker` is the actor whose process it is."""
    return str(ray.get_runtime_context().get_node_id())


def is_machines_fault(error: BaseException, machine: str = "", weighed: bool = False) -> bool:
    """Whether a worker went because of its machine: gone, out of reach, called back, or out of memory.

    Ray's memory monitor (`OutOfMemoryError`) picks a worker of a machine that is nearly full, whoever filled it.

    Args:
        machine: as `machine_of` said; empty: a task's, or the worker was lost before it could.
        weighed: a worker that holds more than its own share is killed before, as a pool's is; of a task nobody knows
            whether it has filled the machine.
    """
    if isinstance(error, OutOfMemoryError):
        return weighed
    if isinstance(error, ActorUnavailableError | NodeDiedError):
        return True
    if isinstance(error, RayActorError) and error.preempted:
        return True
    return bool(machine) and machine not in {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def first_line(error: BaseException) -> str:
    """What an error says, in a line."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def last_line(error: BaseException) -> str:
    """The last line of what an error says, where Ray puts the worker's own."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def why_unborn(error: BaseException) -> str:
    """Why a worker could not be started; its machine may lack castmine, or have another one than the driver."""
    other = any(sign in str(error) for sign in ("ModuleNotFound", "Can't get attribute"))
    remedy = "; every machine needs castmine and its pins: infra/README.md" if other else ""
    return f"no worker could be started ({last_line(error)}){remedy}"
