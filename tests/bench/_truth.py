"""Movies whose every face is known, and the benchmark's own scorer."""

import importlib.util
import json
from functools import cache
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq

from tests.conftest import SHARED

MOVIES = SHARED / "bench/photomovies"
PACK = SHARED / "models/scrfd25_mbf"
MISSING = f"skipped: needs {MOVIES} and {PACK}"

Rows = list[dict[str, Any]]


def there() -> bool:
    return MOVIES.exists() and PACK.exists()


def score(movie: str, faces: Rows, links: Rows | None = None) -> dict[str, float]:
    """Recall, precision, purity and the rest, of harvested faces (frame, track_id, x1 … y2) and cannot-links."""
    truth = pq.read_table(MOVIES / f"{movie}.truth.parquet").to_pylist()
    starts = json.loads((MOVIES / f"{movie}.shots.json").read_text())["starts"]
    scored: dict[str, float] = _scorer().score(faces, truth, starts, links)
    return scored


@cache
def _scorer() -> ModuleType:
    path = SHARED / "bench/score_harvest.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
