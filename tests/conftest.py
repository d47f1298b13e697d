"""Fixtures every test may use: the shared models, clips and benchmarks, a clear skip where they are absent; buckets."""

import os
import random
import secrets
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.s3.bucket import Bucket, wait_for_server


def _free_port() -> int:
    """One that nobody has now, nor is given while the tests run: Ray takes from 10002 on, systems from 32768 on."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


# Before anything starts a Ray, whose workers inherit them: all buckets of the tests are on one server, started when the
# first is asked for.
os.environ |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{_free_port()}", "AWS_DEFAULT_REGION": "us-east-1"}
os.environ |= {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"}

# Before anything imports ray, which reads them then. A token of our own: one that another Ray has left in the home lets
# nobody in.
os.environ.pop("RAY_ADDRESS", None)
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
# Ray's workers stand back behind everything else (15); tests that say how soon a worker must answer run beside others.
os.environ |= {"RAY_worker_niceness": "0"}

# Three test processes share two cores. Threads that wait for each other within one of them make it worse than one
# thread: what takes 3 s on one took 240 on two that others needed too.
os.environ["OMP_NUM_THREADS"] = "1"

STATUS = pytest.StashKey[int]()
"""How the tests ended."""

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared(relative: str) -> Path:
    """A file or folder of the shared test material, or a skip that names it."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"needs {path.relative_to(SHARED.parent)}, which is not on this machine")
    return path


@pytest.fixture(scope="session")
def pack_folder() -> Path:
    """A small real insightface pack: SCRFD-2.5G and MobileFaceNet (128-d)."""
    return shared("models/scrfd25_mbf")


@pytest.fixture(scope="session")
def clips() -> Path:
    """Real clips: hamilton.mp4, tears_of_steel.mp4, street.mp4."""
    return shared("clips")


@pytest.fixture(scope="session")
def bench() -> Path:
    """Benchmarks with truth: photomovies/, phototracks/, photos/, published/."""
    return shared("bench")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """moto's server, in a process of its own."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.s3.server", endpoint.rsplit(":", 1)[1]],
        cwd=Path(__file__).resolve().parents[1],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for_server(endpoint)
    yield endpoint
    process.kill()
    process.wait()


@pytest.fixture
def bucket(s3_endpoint: str) -> Bucket:
    """An empty bucket."""
    import fsspec

    made = Bucket(s3_endpoint, f"test-{uuid.uuid4().hex[:12]}")
    fsspec.filesystem("s3").mkdir(made.name)
    return made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first, so that processes which share them end at about the same time."""
    items.sort(key=lambda item: "workflows" not in item.path.parts)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End without the interpreter's own end, where Arrow's threads now and then abort (see workflows/__main__.py)."""
    if STATUS in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[STATUS])
