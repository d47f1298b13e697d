"""Every clustering method through `castmine cluster` on a real clip."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.methods import METHODS
from harvest.dataset.commit import commit_movie
from harvest.dataset.read import Dataset
from harvest.dataset.schema import HARVEST_TABLES, SCHEMAS
from harvest.errors import ConfigError
from tests.workflows.conftest import Harvested
from workflows.cluster.job import ClusterJob
from workflows.cluster.request import ClusterRequest
from workflows.cluster.run import cluster
from workflows.cluster.task import cluster_one
from workflows.config import load_config
from workflows.ray_cluster import ray_cluster
from workflows.tracks_import import import_tracks

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
    summary = cluster(root, ClusterRequest(method, k_from="threshold" if METHODS[method].finds_k else 4), CONFIG)
    (movie,) = summary.movies
    assert summary.failed == {}
    assert summary.run == (method if METHODS[method].finds_k else f"{method}-4")
    assert summary.k_from == ("method" if METHODS[method].finds_k else "4")
    assert movie.violations == 0
    table = Dataset.open(root).derived("clusters", summary.run, "hamilton")
    assert table is not None
    assert table["track_id"].to_pylist() == list(range(movie.tracks))
    assert set(table["cluster_id"].to_pylist()) - {-1} == set(range(1, movie.clusters + 1))


def test_a_method_that_finds_k_is_not_told_where_to_take_it_from(root: str) -> None:
    with pytest.raises(ConfigError, match="affinity finds the number of characters itself: leave out --k-from labels"):
        cluster(root, ClusterRequest("affinity", k_from="labels"), CONFIG)


SIZES = {"empty": [], "lonely": [0], "together": [0, 0, 0, 0]}
"""Movies by the shots of their tracks, which are as long as the shot."""


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Movies with no track, with one, and with tracks that are all seen together; each track has a label of its own."""
    folder = tmp_path_factory.mktemp("edges")
    rows = [
        {"movie_id": movie, "track_id": number, "shot_id": shot, "start_frame": 0, "end_frame": 30,
         "embeddings": np.random.default_rng(number).normal(size=(4, 8)).tolist(), "identity": f"p{number}"}
        for movie, shots in SIZES.items() for number, shot in enumerate(shots)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), folder / "tracks.parquet")
    import_tracks(folder / "tracks.parquet", str(folder / "dataset"))
    dataset = Dataset.open(str(folder / "dataset"))
    like = dataset.record("lonely")
    assert like
    tables = {name: SCHEMAS[name].empty_table() for name in HARVEST_TABLES}
    known = like.model_dump(exclude={"movie_id", "shards", "committed_at", "harvest_id", "schema_version"})
    commit_movie(dataset.store, tables, movie_id="empty", harvest_id="h0", **known)
    return str(folder / "dataset")


@pytest.mark.parametrize("movie_id", SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_no_track_one_track_and_tracks_that_are_all_seen_together_are_clustered(
    edges: str, method: str, movie_id: str
) -> None:
    tracks = len(SIZES[movie_id])
    for k_from, threshold in [("threshold", 0.9)] if METHODS[method].finds_k else [("threshold", 0.9), (2, None)]:
        job = ClusterJob(edges, movie_id, method, None, k_from, threshold, method, CONFIG, force=True)  # type: ignore[arg-type]
        movie = cluster_one(job)
        assert (movie.tracks, movie.violations) == (tracks, 0)
        assert movie.clusters == tracks or method == "hdbscan"
        assert (movie.metrics is None) == (movie_id == "empty")
