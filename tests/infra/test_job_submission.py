"""`ray job submit` on a Ray of its own: the checkout travels, a real clip is harvested, the exit status comes back."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from harvest.dataset.read import Dataset
from tests.workflows.faults import wait_for

ROOT = Path(__file__).resolve().parents[2]
RAY = Path(sys.executable).with_name("ray")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Head:
    """A Ray head that takes jobs."""

    folder: Path
    environment: dict[str, str]

    def submit(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        script = [str(ROOT / "infra/ray/submit.sh"), *map(str, arguments)]
        return subprocess.run(script, env=self.environment, capture_output=True, text=True, timeout=300, check=False)

    def package(self) -> Path:
        """The checkout as the job had it."""
        (found,) = self.folder.glob("session_2*/runtime_resources/working_dir_files/_ray_pkg_*[!k]")
        return found


def free_ports(number: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """Started as an operator does, on ports of its own, in a folder of its own; ended by its own process ids."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # sockets have short paths only
    gcs, dashboard, client, agent, metrics = free_ports(5)
    ours = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")} | ours
    environment["PATH"] = f"{RAY.parent}:{environment['PATH']}"  # as in an image, or where the .venv is active
    environment["RAY_API_SERVER_ADDRESS"] = f"http://127.0.0.1:{dashboard}"
    options = {
        "port": gcs,
        "dashboard-port": dashboard,
        "ray-client-server-port": client,
        "dashboard-agent-listen-port": agent,
        "metrics-export-port": metrics,
        "min-worker-port": 0,
        "max-worker-port": 0,
        "num-cpus": 2,
        "object-store-memory": 150 * 2**20,
        "temp-dir": folder,
    }
    command = [str(RAY), "start", "--head", "--block", "--dashboard-host=127.0.0.1"]
    command += [f"--{name}={value}" for name, value in options.items()]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for(lambda: answers(dashboard) or process.poll() is not None)
        yield Head(folder, environment)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            for pid in of_this_ray(folder):
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def of_this_ray(folder: Path) -> list[int]:
    """Processes that name the Ray's own folder in their command line."""
    titles = {path.parent.name: path for path in Path("/proc").glob("[0-9]*/cmdline")}
    return [int(pid) for pid, path in titles.items() if str(folder) in _read(path)]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def test_a_submitted_harvest_gives_what_one_at_hand_does_and_a_broken_movie_fails_the_job(
    head: Head, clips: Path, pack_folder: Path, tmp_path: Path
) -> None:
    movies = tmp_path / "movies of $HOME"  # no shell on the way takes anything for its own
    movies.mkdir()
    shutil.copyfile(clips / "street.mp4", movies / "street.mp4")
    options = ("--models", pack_folder, "--workers", 1)
    ran = head.submit("harvest", movies / "*.mp4", "--dataset", tmp_path / "ds", *options)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 harvested" in ran.stdout
    (record,) = Dataset.open(tmp_path / "ds").records()
    assert record.rows("tracks") == 8, "as the README's table says"
    logs = head.folder.glob("session_2*/logs/worker-*.out")
    assert any(":actor_name:HarvestWorker" in log.read_text() for log in logs), "it found the Ray it was submitted to"

    package = head.package()
    held = [path for path in package.rglob("*") if path.is_file()]
    assert (package / "workflows/__main__.py").exists()
    assert not {"tests", ".git", ".venv"} & {path.relative_to(package).parts[0] for path in held if path.is_file()}
    assert sum(path.stat().st_size for path in held) < 2 * 2**20, "Ray takes 512 MiB; this should be next to nothing"

    (movies / "broken.mp4").write_bytes(b"no movie")
    ran = head.submit("harvest", movies, "--dataset", tmp_path / "ds", *options)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "failed: broken" in ran.stdout
    assert "1 unchanged, 1 failed" in ran.stdout

    ran = head.submit("harvest", movies, "--dataset", "ds", *options)
    assert ran.returncode == 1
    assert "a submitted job runs in a folder of its own, which Ray deletes afterwards; give a full path" in ran.stdout


def test_a_submitted_doctor_tells_how_many_workers_find_room(head: Head, pack_folder: Path) -> None:
    ran = head.submit("doctor", "--models", pack_folder, "--workers", 64)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "room for 2 of 64 now (a core, 2.0 GiB each)" in ran.stdout
    assert "all that is needed works" in ran.stdout
