"""What the pool does with workers that are lost, hung, slow to come or wrong, on a real Ray with tiny actors."""

import importlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from harvest.errors import VideoDecodeError
from workflows.lost import WorkerLostError
from workflows.pool import Pool, Pulse
from workflows.ray_cluster import ray_cluster
from workflows.work import Job, Limits

STALL_S = 2.0
MEMORY_BYTES = 2**28


class Worker:
    """Notes in a file that it began a job, then does what its name says."""

    def __init__(self, notes: str, refuse: bool = False) -> None:
        if refuse:
            raise RuntimeError("this worker never starts")
        self._notes, self._units, self._held = Path(notes), 0.0, 0

    def progress(self) -> Pulse:
        return Pulse(self._units, self._held)

    def process(self, name: str) -> int:
        self._note(name)
        return os.getpid()

    def swell(self, name: str) -> str:
        """Take more memory than is allowed, and go on."""
        self._note(name)
        self._held = 2 * MEMORY_BYTES
        time.sleep(3600)
        return name

    def succeed(self, name: str) -> str:
        self._note(name)
        return name

    def fail(self, name: str) -> str:
        self._note(name)
        raise VideoDecodeError(f"{name}.mp4: not a video")

    def die(self, name: str) -> str:
        """End as a worker does that the system kills."""
        self._note(name)
        os._exit(9)

    def die_once(self, name: str) -> str:
        if self._note(name) == 1:
            os._exit(9)
        return name

    def hang(self, name: str) -> str:
        self._note(name)
        time.sleep(3600)
        return name

    def work_slowly(self, name: str) -> str:
        """Longer than the patience of the pool, but with progress."""
        self._note(name)
        for _ in range(12):
            time.sleep(STALL_S / 8)
            self._units += 1
        return name

    def _note(self, name: str) -> int:
        with self._notes.open("a") as file:
            file.write(f"{name}\n")
        return self._notes.read_text().split().count(name)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


@pytest.fixture(scope="module", autouse=True)
def _ray(ray_address: str) -> Iterator[None]:
    with ray_cluster(ray_address):
        yield


def run(
    jobs: list[Job],
    notes: Path,
    workers: int = 1,
    refuse: bool = False,
    jobs_each: int | None = None,
    start_s: float = 60,
    attempts: int = 3,
    worker: type = Worker,
    **needs: float,
) -> dict[str, Any]:
    """Result or error by name of the job."""
    options = {"num_cpus": 1, "max_restarts": 0, "max_task_retries": 0, "max_concurrency": 2} | needs
    actor = ray.remote(worker).options(**options)
    limits = Limits(attempts, STALL_S, start_s, MEMORY_BYTES, jobs_each)
    ended: dict[str, Any] = {}

    def on_end(job: Job, result: Any) -> list[Job]:
        assert job.key not in ended, "a job ends once"
        ended[job.key] = result
        return []

    Pool(lambda: actor.remote(str(notes), refuse), workers, limits).run(jobs, on_end)
    return ended


def begun(notes: Path) -> list[str]:
    return notes.read_text().split()


def job(method: str, name: str | None = None, weight: float = 0.0) -> Job:
    return Job(name or method, method, (name or method,), weight)


def test_the_heaviest_job_goes_first_and_equal_ones_in_their_order(notes: Path) -> None:
    jobs = [job("succeed", name, weight) for name, weight in (("a", 1), ("b", 3), ("c", 2), ("d", 3))]
    assert run(jobs, notes) == {name: name for name in "abcd"}
    assert begun(notes) == ["b", "d", "c", "a"]


def test_an_error_of_the_work_itself_is_final_and_keeps_its_type(notes: Path) -> None:
    ended = run([job("fail"), job("succeed")], notes)
    assert isinstance(ended["fail"], VideoDecodeError)
    assert str(ended["fail"]) == "fail.mp4: not a video"
    assert ended["succeed"] == "succeed"
    assert begun(notes).count("fail") == 1


def test_a_job_whose_worker_is_killed_is_tried_again_on_a_new_one(notes: Path) -> None:
    assert run([job("die_once"), job("succeed")], notes) == {"die_once": "die_once", "succeed": "succeed"}
    assert begun(notes).count("die_once") == 2


def test_a_job_that_kills_every_worker_ends_and_the_others_are_done(notes: Path) -> None:
    ended = run([job("die", weight=1), job("succeed")], notes)
    assert isinstance(ended["die"], WorkerLostError)
    assert "die: its worker was lost" in str(ended["die"])
    assert "3 times" in str(ended["die"])
    assert begun(notes) == ["die", "die", "die", "succeed"]


def test_a_hung_worker_is_killed_but_one_that_makes_progress_is_not(notes: Path) -> None:
    ended = run([job("hang", weight=1), job("work_slowly")], notes, workers=2)
    assert isinstance(ended["hang"], WorkerLostError)
    assert ended["work_slowly"] == "work_slowly"
    assert "hang: no progress for 2 s (run.stall_s): is its file damaged? (tried 3 times)" in str(ended["hang"])
    assert sorted(begun(notes)) == ["hang", "hang", "hang", "work_slowly"]


def test_a_worker_that_takes_more_memory_than_it_may_is_killed_and_the_error_says_how_much(notes: Path) -> None:
    ended = run([job("swell", weight=1), job("succeed")], notes)
    assert isinstance(ended["swell"], WorkerLostError)
    assert "it took 0.5 GiB of memory and may take 0.2: raise run.memory_gb (tried 3 times)" in str(ended["swell"])
    assert ended["succeed"] == "succeed"
    assert begun(notes) == ["swell", "swell", "swell", "succeed"]


def test_a_worker_makes_room_for_a_new_one_after_its_share_of_work(notes: Path) -> None:
    ended = run([job("process", str(number)) for number in range(7)], notes, jobs_each=3)
    processes = [ended[str(number)] for number in range(7)]
    assert [processes.count(process) for process in dict.fromkeys(processes)] == [3, 3, 1]
    assert len(begun(notes)) == 7, "no work is done twice"


def test_a_worker_without_room_takes_no_job_while_another_works(notes: Path) -> None:
    memory = int(0.6 * ray.cluster_resources()["memory"])
    jobs = [job("succeed", str(number)) for number in range(5)]
    assert len(run(jobs, notes, workers=2, memory=memory)) == 5


def test_workers_that_cannot_be_started_end_the_run_with_their_reason(notes: Path) -> None:
    with pytest.raises(WorkerLostError, match=r"no worker could be started \(RuntimeError: this worker never starts\)"):
        run([job("succeed")], notes, refuse=True)


def test_workers_that_are_refused_until_the_time_is_over_are_not_told_of_as_without_room(notes: Path) -> None:
    with pytest.raises(WorkerLostError, match=r"no worker could be started \(RuntimeError: this worker never starts\)"):
        run([job("succeed")], notes, refuse=True, start_s=4, attempts=1000)


def test_workers_for_which_no_machine_has_room_end_the_run(notes: Path) -> None:
    with pytest.raises(WorkerLostError, match=r"within 4 s: no room for one \(machines: 1, cores: 2, GPUs: 0, memory"):
        run([job("succeed")], notes, start_s=4, num_gpus=1)


def test_machines_without_castmine_are_named_as_the_reason(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that the driver has and its workers have not."""
    (tmp_path / "only_here.py").write_text(
        "class Worker:\n    def __init__(self, *given): ...\n    def progress(self): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    worker = importlib.import_module("only_here").Worker
    with pytest.raises(
        WorkerLostError, match=r"No module named 'only_here'.*; every machine needs castmine and its pins"
    ):
        run([job("succeed")], notes, worker=worker)


def test_what_follows_from_a_job_is_done_and_what_is_not_wanted_any_more_is_dropped(notes: Path) -> None:
    actor = ray.remote(Worker).options(max_concurrency=2)

    def on_end(ended: Job, result: Any) -> list[Job]:
        return [job("succeed", "second"), job("succeed", "never")] if result == "first" else []

    pool = Pool(lambda: actor.remote(str(notes)), 1, Limits(3, STALL_S))
    pool.run([job("succeed", "first")], on_end, wanted=lambda each: each.key != "never")
    assert begun(notes) == ["first", "second"]
