"""A worker that goes with its machine: its work is done elsewhere, and nothing is held against it. On several machines,
as far as Ray can tell, that really go or really run out of memory."""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.train.v2._internal.execution.failure_handling.default import DefaultFailurePolicy
from ray.train.v2._internal.execution.failure_handling.failure_policy import FailureDecision
from ray.train.v2.api.exceptions import PreemptionError, WorkerGroupError
from ray.train.v2.api.preemption import PreemptionInfo

from tests.workflows.faults import wait_for
from tests.workflows.test_pool import STALL_S, Worker, job
from workflows.config import RunConfig
from workflows.lost import LOST, MachineLostError, WorkerLostError, first_line, is_machines_fault
from workflows.pool import Pool
from workflows.ray_cluster import TaskLostError, largest_node_gb, map_tasks, ray_cluster, share_gb
from workflows.train.workers import failures_allowed
from workflows.work import Job, Limits

MACHINE = {"object_store_memory": 100 * 2**20}


class Waiter(Worker):
    def wait_once(self, name: str) -> str:
        """Hang where it is begun first."""
        return self.hang(name) if not self._begun(name) else self.succeed(name)

    def _begun(self, name: str) -> bool:
        return self._notes.exists() and name in self._notes.read_text().split()


@pytest.fixture(scope="module")
def machines() -> Iterator[Cluster]:
    """A head that gives away no core, which the pool's driver has joined."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False} | MACHINE)
    try:
        with ray_cluster(cluster.address):
            yield cluster
    finally:
        cluster.shutdown()


def add(machines: Cluster, mark: str) -> Any:
    """A machine that `on` finds."""
    return machines.add_node(num_cpus=1, resources={mark: 1}, **MACHINE)


def on(mark: str, worker: type[Worker] = Worker) -> Any:
    """Starts workers on the machines with this mark only."""
    return ray.remote(worker).options(resources={mark: 1}, max_restarts=0, max_task_retries=0, max_concurrency=2)


def run(one: Job, notes: Path, mark: str, losses: int, meanwhile: Callable[[], None]) -> Any:
    """The end of a job that may cost no worker."""
    actor = on(mark, Waiter)
    ended: list[Any] = []
    limits = Limits(attempts=1, stall_s=30 * STALL_S, start_s=60, losses=losses)

    def take(_: Job, result: Any) -> list[Job]:
        ended.append(result)
        return []

    Pool(lambda: actor.remote(str(notes)), 1, limits).run(
        [one], take, lambda units: meanwhile() if notes.exists() else None
    )
    (end,) = ended
    return end


def test_only_machines_with_cores_share_out_memory(machines: Cluster) -> None:
    """The first of this file: the head is alone."""
    assert largest_node_gb() == share_gb(8) == math.inf, "what starts on demand may be of any size"
    added = [machines.add_node(num_cpus=2, memory=10**9 * size, **MACHINE) for size in (1, 2)]
    assert largest_node_gb() == pytest.approx(2)
    assert [share_gb(workers) for workers in (1, 2, 3, 8)] == pytest.approx([2, 2, 1, 0.5])
    for machine in added:
        machines.remove_node(machine, allow_graceful=True)
    wait_for(lambda: largest_node_gb() == math.inf)


@pytest.mark.parametrize("in_order", [False, True], ids=["power is cut", "called back"])
def test_work_whose_machine_goes_is_done_on_another_and_not_held_against_it(
    machines: Cluster, tmp_path: Path, in_order: bool
) -> None:
    one, mark = job("wait_once"), f"goes in order: {in_order}"
    left = [add(machines, mark)]

    def goes() -> None:
        if left:
            add(machines, mark)
            machines.remove_node(left.pop(), allow_graceful=in_order)

    assert run(one, tmp_path / "notes", mark, 1, goes) == "wait_once"
    assert (one.attempts, one.losses) == (2, 1)


def notes_its_machine(notes: Path) -> str:
    """Ends on any machine but the first."""
    machine = str(ray.get_runtime_context().get_node_id())
    if not notes.exists():
        notes.write_text(machine)
        time.sleep(600)
    return machine


@pytest.mark.parametrize("losses", [1, 0])
def test_a_task_whose_machine_goes_is_tried_again_beside_its_attempts(
    machines: Cluster, tmp_path: Path, losses: int
) -> None:
    notes = tmp_path / "notes"
    for _ in range(2):
        machines.add_node(num_cpus=1, **MACHINE)

    def goes() -> None:
        wait_for(lambda: notes.exists() and notes.read_text())
        first = next(node for node in machines.worker_nodes if node.node_id == notes.read_text())
        machines.remove_node(first, allow_graceful=False)

    with ThreadPoolExecutor(1) as aside:
        aside.submit(goes)
        ((_, end),) = map_tasks(notes_its_machine, [notes], 1, attempts=1, losses=losses)
    if losses:
        assert end in {node.node_id for node in machines.worker_nodes}
    else:
        assert isinstance(end, TaskLostError)


def test_work_whose_machines_go_too_often_ends_at_last_but_is_not_blamed(machines: Cluster, tmp_path: Path) -> None:
    left = [add(machines, "goes")]
    goes = lambda: machines.remove_node(left.pop()) if left else None  # noqa: E731
    error = run(job("hang"), tmp_path / "notes", "goes", 0, goes)
    assert isinstance(error, MachineLostError)
    assert not isinstance(error, WorkerLostError)
    assert "hang: its machine was lost" in str(error)
    assert "nothing is wrong with it (tried 1 times)" in str(error)


def test_a_machine_without_memory_left_is_to_blame_for_the_worker_that_ray_kills_there(
    machines: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_memory_usage_threshold", "0.001")  # as a machine that others have filled
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    add(machines, "full")
    worker = on("full").remote(str(tmp_path / "notes"))
    with pytest.raises(LOST) as killed:
        ray.get(worker.hang.remote("hang"), timeout=60)
    assert is_machines_fault(killed.value, weighed=True)
    assert not is_machines_fault(killed.value), "of a task nobody knows whether it has filled the machine"
    assert "memory" in first_line(killed.value)


def test_a_worker_that_ends_on_a_machine_that_stays_is_lost_over_its_work(machines: Cluster, tmp_path: Path) -> None:
    machine = add(machines, "stays")
    worker = on("stays").remote(str(tmp_path / "notes"))
    with pytest.raises(LOST) as killed:
        ray.get(worker.die.remote("die"), timeout=60)
    assert not is_machines_fault(killed.value, machine.node_id)
    machines.remove_node(machine, allow_graceful=True)
    wait_for(lambda: is_machines_fault(killed.value, machine.node_id))


def test_a_machine_that_is_called_back_is_not_held_against_a_training_of_several_workers() -> None:
    policy = DefaultFailurePolicy(failures_allowed(RunConfig(attempts=2, losses=3)))
    called_back = PreemptionError(PreemptionInfo(None, {"a machine": [0]}))
    lost = WorkerGroupError("a worker was lost", {0: RuntimeError()})
    decided = [policy.make_decision(error) for error in (called_back, called_back, lost, called_back)]
    assert decided == [FailureDecision.RETRY] * 4
    for error in (called_back, lost):
        assert policy.make_decision(error) == FailureDecision.RAISE, "once too often"
