"""Every clustering method through `castmine cluster` on a real clip."""

from collections.abc import Iterator

import pytest

from cluster.methods import METHODS
from harvest.dataset.read import Dataset
from harvest.errors import ConfigError
from tests.workflows.conftest import Harvested
from workflows.cluster.run import cluster
from workflows.config import load_config
from workflows.ray_cluster import ray_cluster

CONFIG = load_config()


@pytest.fixture(scope="module", autouse=True)
def _ray(ray_address: str) -> Iterator[None]:
    with ray_cluster(ray_address):
        yield


@pytest.fixture(scope="module")
def root(harvested: Harvested, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(harvested.copy(tmp_path_factory.mktemp("methods")))


@pytest.mark.parametrize("method", METHODS)
def test_a_method_leaves_a_run_of_its_name_without_violations(root: str, method: str) -> None:
    summary = cluster(root, method, CONFIG, k_from="threshold" if METHODS[method].finds_k else 4)
    (movie,) = summary.movies
    assert summary.failed == {}
    assert summary.run == method
    assert summary.k_from == ("method" if METHODS[method].finds_k else "4")
    assert movie.violations == 0
    table = Dataset.open(root).derived("clusters", method, "hamilton")
    assert table is not None
    assert table["track_id"].to_pylist() == list(range(movie.tracks))
    assert set(table["cluster_id"].to_pylist()) - {-1} == set(range(movie.clusters))


def test_a_method_that_finds_k_is_not_told_where_to_take_it_from(root: str) -> None:
    with pytest.raises(ConfigError, match="affinity finds the number of characters itself: leave out --k-from labels"):
        cluster(root, "affinity", CONFIG, k_from="labels")
