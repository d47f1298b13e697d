"""Tasks on Ray: a lost worker's is tried again, its own error is final, and memory is declared; a caller that stops
ends them. What a lost machine does to them: test_lost.py."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray

from harvest.errors import ConfigError
from tests.workflows.faults import wait_for
from workflows.ray_cluster import TaskLostError, largest_node_gb, map_tasks, ray_cluster, share_gb


@pytest.fixture(scope="module", autouse=True)
def _ray(ray_address: str) -> Iterator[None]:
    with ray_cluster(ray_address):
        yield


def dies(job: tuple[str, int]) -> str:
    """Is killed in its first so many attempts."""
    folder, deaths = job
    tries = len(os.listdir(folder))
    Path(folder, str(tries)).touch()
    if tries < deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"done in attempt {tries + 1}"


def raises(tries: Path) -> None:
    (tries / str(len(os.listdir(tries)))).touch()
    raise ConfigError("as it was told")


def takes(seconds: float) -> None:
    time.sleep(seconds)


def memory_of_this_task(_: int) -> float:
    return float(ray.get_runtime_context().get_assigned_resources().get("memory", 0))


def test_a_task_whose_worker_is_killed_is_tried_again_as_often_as_allowed(tmp_path: Path) -> None:
    (tmp_path / "once").mkdir()
    (tmp_path / "always").mkdir()
    jobs = [(str(tmp_path / "once"), 1), (str(tmp_path / "always"), 99)]
    results = {Path(folder).name: result for (folder, _), result in map_tasks(dies, jobs, 2, attempts=2)}
    assert results["once"] == "done in attempt 2"
    assert isinstance(results["always"], TaskLostError)
    assert results["always"].attempts == 2
    assert len(list((tmp_path / "always").iterdir())) == 2


def test_an_error_of_its_own_is_final(tmp_path: Path) -> None:
    ((_, error),) = map_tasks(raises, [tmp_path], 1, attempts=3)
    assert isinstance(error, ConfigError)
    assert len(list(tmp_path.iterdir())) == 1


def test_tasks_are_ended_when_their_caller_raises() -> None:
    def stops() -> None:
        for _ in map_tasks(takes, [0.5, 600.0, 600.0], 3):  # of which two have a core, and one waits for it
            raise ConfigError("one is bad")

    with pytest.raises(ConfigError):
        stops()
    wait_for(lambda: ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"])


def test_memory_is_declared_to_ray() -> None:
    ((_, had),) = map_tasks(memory_of_this_task, [0], 1, lambda _: 0.25)
    assert had == pytest.approx(0.25e9)
    assert largest_node_gb() > 0.25
    assert share_gb(1) == largest_node_gb()
    assert share_gb(3) == pytest.approx(largest_node_gb() / 3)
