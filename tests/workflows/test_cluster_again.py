"""`castmine cluster` where an earlier run has left nothing to do."""

from pathlib import Path

from tests.workflows.conftest import Castmine, Harvested
from tests.workflows.test_harvest import run_lightly


def test_a_clustering_with_nothing_to_do_starts_no_ray_and_loads_nothing_that_learns(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    root = harvested.copy(tmp_path)
    castmine("cluster", "-d", root)
    said = run_lightly("cluster", "-d", root, besides=("scipy",))
    assert "1 movies, 1 of them unchanged" in said
