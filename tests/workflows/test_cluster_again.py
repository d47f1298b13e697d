"""`castmine cluster` where an earlier run has left nothing to do, or only to score by new labels."""

from pathlib import Path

import pytest

from tests.workflows.conftest import Castmine, Harvested
from tests.workflows.test_harvest import run_lightly
from workflows.cluster.request import ClusterRequest
from workflows.cluster.run import cluster
from workflows.config import Config
from workflows.console import Meter


def test_the_bar_counts_what_is_unchanged(
    castmine: Castmine, harvested: Harvested, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, shown = harvested.copy(tmp_path), list[tuple[float, float, str]]()
    castmine("cluster", "-d", root)
    monkeypatch.setattr(Meter, "update", lambda self, *said: shown.append(said))
    cluster(str(root), ClusterRequest(), Config())
    assert shown == [(1, 1, "1 unchanged")]


def test_a_clustering_with_nothing_to_cluster_starts_no_ray_and_loads_no_torch(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    root = harvested.copy(tmp_path)
    castmine("cluster", "-d", root)
    said = run_lightly("cluster", "-d", root, besides=("scipy",))
    assert "1 movie, 1 of them unchanged" in said
    names = tmp_path / "labels.csv"
    names.write_text("movie_id,track_id,identity\nhamilton,0,Ann\nhamilton,1,Bob\n")
    castmine("labels", "import", names, "-d", root)
    said = run_lightly("cluster", "-d", root, besides=("scipy", "sklearn"))
    assert "scores count the 2 labelled tracks" in said
    assert "1 movie, 1 of them unchanged" in said
