"""One Ray for all tests that need one: started once, on free ports, gone when the tests are, even when those crash."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harvest.dataset.read import Dataset
from tests.workflows.faults import Undisturbed, harvest_undisturbed

RAY_UNTIL_EOF = """
import sys, ray
from workflows.ray_cluster import ray_cluster
with ray_cluster("local", 2):
    print(ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.read()
"""


@contextmanager
def running_ray() -> Iterator[str]:
    """A Ray of two cores; yields its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", RAY_UNTIL_EOF],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    address = process.stdout.readline().strip()
    assert address, "Ray did not start"
    yield address
    process.stdin.close()
    process.wait(60)


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """The address of a Ray that lives as long as the tests."""
    with running_ray() as address:
        yield address


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str


class Castmine:
    """Runs the command line as a user does: in a process of its own."""

    def __init__(self, environment: dict[str, str], before: tuple[str, ...] = ()) -> None:
        self.environment = environment
        self.before = before
        """A command that runs it, such as setpriv."""

    def start(self, *arguments: object, **environment: str) -> "subprocess.Popen[str]":
        """A command that runs in a process group of its own, as a shell starts it."""
        return subprocess.Popen(
            [*self.before, sys.executable, "-m", "workflows", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment | environment,
            start_new_session=True,
        )

    def __call__(self, *arguments: object, status: int | None = 0, **environment: str) -> Ran:
        """Run a command to its end, which must have this exit status and never shows a traceback."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=300)
        assert "Traceback" not in out + err, err
        assert status is None or process.returncode == status, f"exit status {process.returncode}\n{out}\n{err}"
        return Ran(process.returncode, out, err)


@pytest.fixture(scope="session")
def castmine(ray_address: str) -> Castmine:
    """The command line, on the Ray of all tests."""
    return Castmine({**os.environ, "RAY_ADDRESS": ray_address})


@dataclass(frozen=True)
class Harvested:
    """hamilton.mp4 (275 frames, cuts at 20, 82 and 211), harvested with one worker as one segment."""

    corpus: Path
    """A folder with the movie."""
    dataset: Path
    models: Path
    summary: dict[str, Any]
    """What --json wrote."""

    def copy(self, to: Path) -> Path:
        """A dataset of its own for a test that changes it."""
        shutil.copytree(self.dataset, to / "dataset")
        return to / "dataset"


@pytest.fixture(scope="session")
def harvested(
    castmine: Castmine, clips: Path, pack_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Harvested:
    folder = tmp_path_factory.mktemp("harvested")
    corpus, dataset, out = folder / "movies", folder / "dataset", folder / "out.json"
    corpus.mkdir()
    shutil.copyfile(clips / "hamilton.mp4", corpus / "hamilton.mp4")
    castmine("harvest", corpus, "--dataset", dataset, "--models", pack_folder, "--workers", 1, "--json", out)
    return Harvested(corpus, dataset, pack_folder, json.loads(out.read_text()))


@pytest.fixture(scope="session")
def undisturbed(
    castmine: Castmine, clips: Path, pack_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    """What two movies give that are harvested whole, with nothing going wrong."""
    return harvest_undisturbed(castmine, clips / "hamilton.mp4", pack_folder, tmp_path_factory.mktemp("undisturbed"))


def digests(dataset: Path, movie_id: str = "hamilton") -> dict[str, str]:
    """Digest of each shard of a movie, by table."""
    record = Dataset.open(dataset).record(movie_id)
    assert record, f"{movie_id} is not committed"
    return {name: shard.digest for name, shard in record.shards.items()}
