"""Adapting through `castmine cluster --adapt`: done once for all methods, kept with its movie, on a real clip."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.adapt import ADAPTATIONS
from harvest.dataset.read import Dataset
from harvest.errors import ConfigError, DatasetError
from tests.train.test_registry import card
from tests.workflows.conftest import Harvested
from train.config import NetworkConfig, TrainConfig
from train.embedding import embedding_of
from train.networks import build_network
from train.registry import save_model
from workflows.cluster.request import ClusterRequest
from workflows.cluster.run import cluster
from workflows.cluster.task import cluster_one
from workflows.config import load_config
from workflows.forgetting import forget_movie
from workflows.ray_cluster import ray_cluster

SHORT = [
    "cluster.adapt.tsiam.epochs=3",
    "cluster.adapt.selfdistill.first_epochs=3",
    "cluster.adapt.selfdistill.later_epochs=1",
    "cluster.adapt.selfdistill.iterations=2",
    "cluster.adapt.selfdistill.faces_per_track=2",
]
CONFIG = load_config(overrides=SHORT)


@pytest.fixture(scope="module")
def root(harvested: Harvested, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(harvested.copy(tmp_path_factory.mktemp("adapted")))


@pytest.fixture
def _ray(ray_address: str) -> Iterator[None]:
    with ray_cluster(ray_address):
        yield


def files(root: str) -> dict[str, bytes]:
    """What was fitted, by path."""
    folder = Path(root) / "shards/adaptations"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.safetensors")}


@pytest.mark.usefixtures("_ray")
def test_a_movie_is_fitted_to_once_for_all_methods_and_again_with_the_same_bytes(root: str) -> None:
    summary = cluster(root, ClusterRequest("hac", k_from=4, adapt="tsiam"), CONFIG)
    assert summary.failed == {}
    assert (summary.run, summary.model) == ("hac-tsiam-4", "base+tsiam")
    assert summary.movies[0].adapt_seconds > 0
    assert summary.movies[0].violations == 0
    record = Dataset.open(root).derived_record("clusters", "hac-tsiam-4", "hamilton")
    assert record is not None
    assert len(record.notes["adaptation"]["curve"]) == 3
    first = files(root)
    assert len(first) == 1
    written = {path: path.stat().st_mtime_ns for path in Path(root).rglob("*.safetensors")}
    assert cluster(root, ClusterRequest("affinity", adapt="tsiam"), CONFIG).failed == {}
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert cluster(root, ClusterRequest("hac", k_from=4, adapt="tsiam", force=True), CONFIG).failed == {}
    assert files(root) == first


@pytest.mark.usefixtures("_ray")
@pytest.mark.parametrize("method", ["hac", "videoclusternet"])
def test_the_threshold_is_carried_into_the_adapted_space_and_the_teacher_is_used(root: str, method: str) -> None:
    summary = cluster(root, ClusterRequest(method, adapt="selfdistill"), CONFIG)
    assert summary.failed == {}
    record = Dataset.open(root).derived_record("clusters", f"{method}-selfdistill", "hamilton")
    assert record is not None
    notes = record.notes["adaptation"]
    assert notes["on"] == "stored embeddings"
    assert (notes["threshold"] or "").startswith("carried over") == (method == "hac")
    table = Dataset.open(root).derived("clusters", f"{method}-selfdistill", "hamilton")
    assert table is not None
    assert table["cluster_id"].to_pylist().count(-1) == notes["unknown"]


@pytest.mark.usefixtures("_ray")
def test_a_bcl_model_goes_on_learning_from_a_movie_and_keeps_its_radius(root: str, tmp_path: Path) -> None:
    (movie,) = Dataset.open(root).records()
    config = TrainConfig(network=NetworkConfig(name="bcl", scaled=True, unit=True))
    facts = {"pack_hash": movie.models_hash, "embedding_size": movie.embedding_size, "output_size": 64}
    facts |= {"train_movies": ("hamilton",), "train_identities": 4, "config": config.model_dump()}
    network = build_network(config.network, movie.embedding_size)
    for name, radius in (("bcl", 0.05), ("other", None)):
        save_model(tmp_path / name, embedding_of(network), card(squared_radius=radius, **facts))
    summary = cluster(root, ClusterRequest("ball", model=str(tmp_path / "bcl"), adapt="ball"), CONFIG)
    assert summary.failed == {}
    assert summary.run == "ball-bcl-ball"
    (done,) = summary.movies
    assert done.threshold == pytest.approx(0.1)
    assert (done.seen_in_training, done.labels_used) == (True, True)
    record = Dataset.open(root).derived_record("clusters", summary.run, "hamilton")
    assert record is not None
    assert "τ = 4b" in record.notes["adaptation"]["threshold"]
    with pytest.raises(ConfigError, match="no model of ball cluster learning"):
        cluster(root, ClusterRequest("ball", model=str(tmp_path / "other"), adapt="ball", k_from=3), CONFIG)


@pytest.mark.parametrize(("keep_every_s", "epochs"), [(1e-6, [1]), (1e6, [1, 2, 3])])
def test_of_a_movie_that_is_forgotten_while_it_is_adapted_nothing_stays_and_it_is_said_so(
    harvested: Harvested, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_every_s: float, epochs: list[int]
) -> None:
    """Whether its state is kept after each epoch, and is what finds the movie gone, or the commit is."""
    dataset = Dataset.open(harvested.copy(tmp_path))
    config = load_config(overrides=[*SHORT, f"cluster.adapt.keep_every_s={keep_every_s}"])
    job = replace(ClusterRequest(adapt="tsiam").job(dataset.root, config, None), movie_id="hamilton", threshold=0.7)
    fit, kept = ADAPTATIONS["tsiam"], list[int]()

    def meanwhile(faces, cannot_link, config, keeper, chips=None):
        forget_movie(dataset, "hamilton")

        def keep(state):
            kept.append(len(kept) + 1)
            keeper.keep(state)

        return fit(faces, cannot_link, config, replace(keeper, keep=keep), chips)

    monkeypatch.setitem(ADAPTATIONS, "tsiam", meanwhile)
    with pytest.raises(DatasetError, match="has no movie 'hamilton' any more"):
        cluster_one(job)
    assert kept == epochs
    assert not [path for path in dataset.store.files("") if "hamilton" in path]


@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
def test_the_network_itself_learns_from_the_stored_chips_of_a_clip(root: str, pack_folder: Path) -> None:
    overrides = [*SHORT, f"cluster.adapt.selfdistill.pack={pack_folder}", "cluster.adapt.selfdistill.iterations=1"]
    overrides += ["cluster.adapt.selfdistill.first_epochs=1", "cluster.adapt.selfdistill.heads_only_epochs=0"]
    asked = ClusterRequest("videoclusternet", adapt="selfdistill-network")
    summary = cluster(root, asked, load_config(overrides=overrides))
    assert summary.failed == {}
    record = Dataset.open(root).derived_record("clusters", summary.run, "hamilton")
    assert record is not None
    assert record.notes["adaptation"]["on"] == "the recognition network, 14 chips"


def test_an_unknown_adaptation_and_a_network_on_top_of_a_model_are_refused() -> None:
    with pytest.raises(ConfigError, match="no adaptation 'tsam'; there are: tsiam, ssiam, ball, selfdistill"):
        cluster("nowhere", ClusterRequest("hac", adapt="tsam"), CONFIG)
    with pytest.raises(ConfigError, match="leave out --model"):
        cluster("nowhere", ClusterRequest("hac", model="model", adapt="selfdistill-network"), CONFIG)
    with pytest.raises(ConfigError, match="name one with --model"):
        cluster("nowhere", ClusterRequest("ball", adapt="ball"), CONFIG)
