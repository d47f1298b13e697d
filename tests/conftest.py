"""Fixtures every test may use: the shared models, clips and benchmarks; a clear skip where they are absent."""

from pathlib import Path

import pytest

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
