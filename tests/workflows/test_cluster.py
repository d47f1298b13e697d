"""`castmine cluster` on a real clip: where K comes from, what is scored, what is refused and what stays visible."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from cluster.config import KFrom
from harvest.dataset.cards import get_card, put_card
from harvest.dataset.commit import note_failure, put_movie_record
from harvest.dataset.forget import forget
from harvest.dataset.read import Dataset
from harvest.dataset.store import Store
from harvest.dataset.views import connect
from harvest.errors import CastmineError, ConfigError, DatasetError, TooLittleDataError
from harvest.tracks import count_embedded, read_face_embeddings
from tests.infra.commands import commands, parse
from tests.workflows.conftest import Castmine, Harvested
from workflows.cluster.job import ClusteredMovie, ClusterJob, memory_gb
from workflows.cluster.request import ClusterRequest
from workflows.cluster.retry import retry_command
from workflows.cluster.run import _chosen, cluster
from workflows.cluster.task import cluster_one
from workflows.cluster.thresholds import link_distances
from workflows.config import load_config
from workflows.journal.failures import read_failures
from workflows.labels import import_labels
from workflows.ray_cluster import ray_cluster
from workflows.report.current import sheet_sources
from workflows.report.write import read_sheet
from workflows.sql.select import run_query

CONFIG = load_config()


@pytest.fixture(scope="module", autouse=True)
def _ray(ray_address: str) -> Iterator[None]:
    with ray_cluster(ray_address):
        yield


@pytest.fixture
def root(harvested: Harvested, tmp_path: Path) -> str:
    return str(harvested.copy(tmp_path))


def label(root: str, movie: str = "hamilton") -> int:
    """Name every track after itself; returns how many there are."""
    dataset, file = Dataset.open(root), Path(root).parent / "labels.csv"
    ids = dataset.table("tracks", movie)["track_id"].to_pylist()
    file.write_text("movie_id,track_id,identity\n" + "".join(f"{movie},{track},p{track}\n" for track in ids))
    import_labels(file, dataset)
    return len(ids)


def add_movie_with_cast_size_and_labels(root: str) -> None:
    """Another movie beside hamilton, of whose tables each is a copy under its name."""
    dataset = Dataset.open(root)
    record = dataset.record("hamilton")
    assert record
    facts = record.facts.model_copy(update={"cast_size": 4})
    put_movie_record(dataset.store, record.model_copy(update={"movie_id": "another", "facts": facts}))
    label(root, "another")


def test_every_track_gets_a_character_and_no_cannot_link_is_broken(root: str) -> None:
    (movie,) = cluster(root, ClusterRequest("hac", k_from=3), CONFIG).movies
    assert movie.asked == 3
    assert movie.clusters >= 3
    assert movie.violations == 0
    assert movie.metrics is None, "nobody has labelled anything"
    assert cluster(root, ClusterRequest(k_from=3), CONFIG).method == "hac", "with nothing learned, what needs nothing"
    table = Dataset.open(root).derived("clusters", "hac-3", "hamilton")
    assert table is not None
    assert table["track_id"].to_pylist() == list(range(movie.tracks))
    assert set(table["cluster_id"].to_pylist()) == set(range(1, movie.clusters + 1))


def test_characters_are_numbered_as_the_cast_sheet_and_their_screen_time_show_them(root: str) -> None:
    run = cluster(root, ClusterRequest("hac", k_from=3), CONFIG).run
    dataset = Dataset.open(root)
    (source,) = sheet_sources(dataset, run, CONFIG.report)
    names = [person.name for person in read_sheet(dataset, source).cast(CONFIG.report).characters]
    assert names == [f"Character {number}" for number in range(1, len(names) + 1)]
    shown = run_query(dataset.snapshot(), "screen-time")["cluster_id"].to_pylist()
    assert shown == list(range(1, len(names) + 1))


def test_k_comes_from_labels_and_the_clustering_is_scored(root: str) -> None:
    people = label(root)
    summary = cluster(root, ClusterRequest("hac", k_from="labels", run="scored"), CONFIG)
    (movie,) = summary.movies
    assert movie.clusters == people
    assert movie.metrics
    assert movie.metrics.v_measure == pytest.approx(1), "each track its own person"
    assert (movie.labels_used, movie.seen_in_training) == (True, False)
    assert summary.overall


def test_k_comes_from_the_corpus(root: str) -> None:
    dataset = Dataset.open(root)
    record = dataset.record("hamilton")
    assert record
    facts = record.facts.model_copy(update={"cast_size": 4})
    put_movie_record(dataset.store, record.model_copy(update={"facts": facts}))
    assert cluster(root, ClusterRequest("hac", k_from="corpus"), CONFIG).movies[0].asked == 4


@pytest.mark.parametrize(
    ("k_from", "said"),
    [
        ("corpus", "no movie has a cast_size to take K from; harvest them"),
        ("labels", "no movie has labels to take K from; castmine labels import FILE"),
    ],
)
def test_where_no_movie_has_what_k_is_to_be_taken_from_nothing_is_begun(root: str, k_from: KFrom, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        cluster(root, ClusterRequest("hac", k_from=k_from), CONFIG, start=lambda: pytest.fail("Ray was started"))
    assert Dataset.open(root).failures() == []


def test_a_threshold_of_the_config_needs_no_calibration_and_a_wider_one_joins_more(root: str) -> None:
    counts = []
    for threshold in (0.01, 0.5, 1.9):
        summary = cluster(root, ClusterRequest("hac"), load_config(None, [f"cluster.threshold={threshold}"]))
        assert summary.threshold_source == "cluster.threshold in the config"
        counts.append(summary.movies[0].clusters)
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


@pytest.mark.parametrize("k_from", ["labels", "corpus"])
def test_a_movie_that_lacks_what_k_is_taken_from_is_a_failure_with_a_remedy(root: str, k_from: KFrom) -> None:
    add_movie_with_cast_size_and_labels(root)
    summary = cluster(root, ClusterRequest("hac", k_from=k_from), CONFIG)
    assert [movie.movie_id for movie in summary.movies] == ["another"]
    said = {"labels": "has no labels to take K from", "corpus": "the corpus gives no cast_size"}[str(k_from)]
    assert summary.failed["hamilton"].startswith(said), "which movie it is stands before it wherever it is shown"
    (failure,) = Dataset.open(root).failures()
    assert (failure.stage, failure.run, failure.error) == ("cluster", f"hac-{k_from}", "DatasetError")
    again = f"castmine cluster --dataset {root} --method hac --k-from {k_from} --run hac-{k_from} --movies hamilton"
    assert read_failures(root).retry == {"cluster": (again,)}
    cluster(root, ClusterRequest("hac", k_from=3), CONFIG)
    assert [failure.where for failure in Dataset.open(root).failures()] == [f"cluster, hac-{k_from}"]
    cluster(root, ClusterRequest("hac", k_from=3, run=f"hac-{k_from}"), CONFIG)
    assert Dataset.open(root).failures() == []


def test_a_movie_whose_id_has_a_comma_is_named_by_itself_and_tried_again(root: str) -> None:
    opened = Dataset.open(root)
    movie = opened.record("hamilton")
    assert movie
    for name in ("Yes, Minister", "another"):
        put_movie_record(opened.store, movie.model_copy(update={"movie_id": name}))
    chosen = [record.movie_id for record in _chosen(opened, ["Yes, Minister", "hamilton,another", "another"])]
    assert chosen == ["Yes, Minister", "hamilton", "another"]
    with pytest.raises(DatasetError, match="has no movie 'Yes'"):
        _chosen(opened, ["Yes,Minister"])
    for name in chosen:
        note_failure(
            opened.store, name, "m.mp4", "cluster", "DatasetError", "no", 1, run="hac", retry="castmine cluster"
        )
    (again,) = read_failures(root).retry["cluster"]
    assert again == "castmine cluster --movies another,hamilton --movies 'Yes, Minister'"


def test_each_clustering_that_fails_has_its_own_command_that_tries_again(root: str) -> None:
    add_movie_with_cast_size_and_labels(root)
    for method in ("hac", "ball"):
        cluster(root, ClusterRequest(method, k_from="labels"), CONFIG)
    commands_again = read_failures(root).retry["cluster"]
    assert [command.partition(" --run ")[2] for command in commands_again] == [
        "ball-labels --movies hamilton",
        "hac-labels --movies hamilton",
    ]


def test_one_short_clip_is_too_little_to_calibrate_on_so_the_shipped_threshold_counts(root: str) -> None:
    summary = cluster(root, ClusterRequest("hac"), CONFIG)
    record = Dataset.open(root).records()[0]
    card = get_card(Dataset.open(root).store, record.models_hash)
    assert card
    assert card.threshold is None
    assert summary.movies[0].threshold == card.shipped_threshold
    assert "as shipped for scrfd25_mbf" in summary.threshold_source
    assert "too few to calibrate a threshold" in summary.threshold_source


def test_a_movie_whose_faces_are_lost_is_left_out_of_the_calibration_and_its_name_off_the_card(root: str) -> None:
    dataset = Dataset.open(root)
    record = dataset.records()[0]
    faces = record.shards["faces"].model_copy(update={"path": "shards/faces/movie_id=another/gone.parquet"})
    lost = record.model_copy(update={"movie_id": "another", "shards": record.shards | {"faces": faces}})
    put_movie_record(dataset.store, lost)
    summary = cluster(root, ClusterRequest("hac", movies=["hamilton"]), CONFIG)
    assert [movie.movie_id for movie in summary.movies] == ["hamilton"]
    assert "(without another: " in summary.threshold_source
    card = get_card(dataset.store, record.models_hash)
    assert card
    assert "another" not in card.to_json().decode()
    assert card.calibrated_on == "", "the next run tries again"


@pytest.mark.parametrize("here", [True, False], ids=["few faces", "many faces"])
def test_where_calibrating_anew_changes_nothing_and_is_quick_no_ray_is_started(
    root: str, here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a movie was forgotten, whose links the threshold was calibrated on too."""
    dataset = Dataset.open(root)
    record = dataset.records()[0]
    put_movie_record(dataset.store, record.model_copy(update={"movie_id": "another"}))
    cluster(root, ClusterRequest("hac"), CONFIG)
    forget(dataset, "another")
    if not here:
        monkeypatch.setattr("workflows.cluster.thresholds.SOON_FACES", count_embedded(dataset, record) - 1)
    started = Mock(return_value=1)
    (movie,) = cluster(root, ClusterRequest("hac"), CONFIG, start=started).movies
    assert movie.unchanged
    assert started.called is not here


def test_a_pack_of_which_nobody_knows_a_threshold_is_refused_with_a_remedy(root: str) -> None:
    dataset = Dataset.open(root)
    card = get_card(dataset.store, dataset.records()[0].models_hash)
    assert card
    put_card(dataset.store, card.model_copy(update={"shipped_threshold": None}))
    with pytest.raises(TooLittleDataError, match=r"no threshold is known for this pack .* give --k-from N"):
        cluster(root, ClusterRequest("hac"), CONFIG)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"method": "kmeans"}, ConfigError, "no clustering method 'kmeans'; there are: .*hac"),
        ({"movies": ["other"]}, DatasetError, "has no movie 'other'; it has: hamilton"),
        ({"model": "nowhere"}, CastmineError, "nowhere"),
    ],
)
def test_what_could_not_begin_is_refused(
    root: str, options: dict[str, object], error: type[Exception], said: str
) -> None:
    asked = replace(ClusterRequest("hac"), **options)  # type: ignore[arg-type]
    with pytest.raises(error, match=said):
        cluster(root, asked, CONFIG)


def test_runs_stand_beside_each_other_and_go_stale_with_their_harvest(root: str) -> None:
    for k in (2, 4):
        cluster(root, ClusterRequest("hac", k_from=k, run=f"k{k}"), CONFIG)
    dataset = Dataset.open(root)
    assert dataset.runs() == ["k2", "k4"]
    record = dataset.record("hamilton")
    assert record
    put_movie_record(dataset.store, record.model_copy(update={"harvest_id": "another"}))
    connection = connect(Dataset.open(root).snapshot())
    assert connection.sql("SELECT count(*) FROM clusters").fetchall() == [(0,)]
    assert connection.sql("SELECT count(DISTINCT run) FROM clusters_stale").fetchall() == [(2,)]


def test_what_a_run_has_clustered_just_so_is_left_alone_and_needs_no_ray(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = cluster(root, ClusterRequest("hac", k_from=3), CONFIG).movies
    before = Dataset.open(root).derived_record("clusters", "hac-3", "hamilton")
    with monkeypatch.context() as patched:
        patched.setattr("workflows.ray_cluster.ray_cluster", lambda *_: pytest.fail("Ray was started"))
        (again,) = cluster(root, ClusterRequest("hac", k_from=3), CONFIG).movies
    assert again == replace(first, unchanged=True)
    assert before
    assert Dataset.open(root).derived_record("clusters", "hac-3", "hamilton") == before
    (forced,) = cluster(root, ClusterRequest("hac", k_from=3, force=True), CONFIG).movies
    assert not forced.unchanged


@pytest.mark.parametrize(
    ("change", "settings"), [({"k_from": 4}, []), ({"method": "hac-complete"}, []), ({}, ["cluster.curve_points=9"])]
)
def test_anything_that_may_change_the_cast_clusters_anew(
    root: str, change: dict[str, Any], settings: list[str]
) -> None:
    asked = ClusterRequest("hac", k_from=3, run="one")
    cluster(root, asked, CONFIG)
    (movie,) = cluster(root, replace(asked, **change), load_config(None, settings)).movies
    assert not movie.unchanged


def test_what_another_method_reads_clusters_nothing_anew(root: str) -> None:
    cluster(root, ClusterRequest("hac", k_from=3), CONFIG)
    other = load_config(None, ["cluster.hdbscan.cluster=4", "cluster.memory_gb=3", "cluster.adapt.seed=9"])
    (movie,) = cluster(root, ClusterRequest("hac", k_from=3), other).movies
    assert movie.unchanged


@pytest.mark.parametrize("here", [True, False], ids=["few tracks", "many tracks"])
def test_new_labels_score_an_old_clustering_without_clustering_again_and_here_where_that_is_quick(
    root: str, here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = cluster(root, ClusterRequest("hac", k_from=3), CONFIG).movies
    assert before.metrics is None
    label(root)
    started = Mock(return_value=1)
    if not here:
        monkeypatch.setattr("workflows.cluster.run.SOON_PAIRS", before.tracks**2 - 1)
    (after,) = cluster(root, ClusterRequest("hac", k_from=3), CONFIG, start=started).movies
    assert started.called is not here
    assert after.metrics
    assert after == replace(before, metrics=after.metrics, unchanged=True)
    record = Dataset.open(root).derived_record("clusters", "hac-3", "hamilton")
    assert record
    curve = record.notes["k_curve"]
    assert curve["clusters"][0] == after.tracks, "each track its own person, each in its own cluster"
    assert curve["nmi"][0] == pytest.approx(1)


def test_what_cannot_be_scored_is_a_failure_of_its_movie(root: str) -> None:
    cluster(root, ClusterRequest("hac", k_from=3), CONFIG)
    label(root)
    dataset = Dataset.open(root)
    record = dataset.derived_record("clusters", "hac-3", "hamilton")
    assert record
    Path(root, record.shard.path).unlink()
    summary = cluster(root, ClusterRequest("hac", k_from=3), CONFIG, start=lambda: pytest.fail("Ray was started"))
    assert record.shard.path in summary.failed["hamilton"]
    assert [failure.error for failure in dataset.failures()] == ["DatasetError"]


def test_a_failure_that_a_result_has_outlived_is_noted_no_longer(root: str) -> None:
    """As of a forced clustering whose worker was lost: the plain command finds what it had, and is content."""
    asked, dataset = ClusterRequest("hac", k_from=3, run="one"), Dataset.open(root)
    cluster(root, asked, CONFIG)
    for run in ("one", "", "two"):
        note_failure(dataset.store, "hamilton", "hamilton.mp4", "cluster", "TaskLostError", "was lost", 3, run=run)
    (movie,) = cluster(root, asked, CONFIG).movies
    assert movie.unchanged
    assert [failure.run for failure in dataset.failures()] == ["two"]


def test_a_movie_that_is_forgotten_while_it_is_clustered_leaves_nothing(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster(root, ClusterRequest("hac", k_from=3), CONFIG)
    label(root)

    def forgotten_meanwhile(job: ClusterJob) -> ClusteredMovie:
        forget(Dataset.open(root), job.movie_id)
        return cluster_one(job)

    monkeypatch.setattr("workflows.cluster.run.cluster_one", forgotten_meanwhile)
    summary = cluster(root, ClusterRequest("hac", k_from=3), CONFIG)
    assert "has no movie 'hamilton' any more" in summary.failed["hamilton"]
    with pytest.raises(DatasetError, match="has no movie 'hamilton' any more"):
        link_distances((root, "hamilton", CONFIG.train))
    assert not [path for path in Dataset.open(root).store.files("records") if "hamilton" in path]


def test_an_error_without_a_word_on_a_full_disk_ends_no_run_and_is_told_by_its_name(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster(root, ClusterRequest("hac", k_from=3), CONFIG)
    label(root)

    def fails(_: ClusterJob) -> ClusteredMovie:
        monkeypatch.setattr(Store, "put", full)
        raise MemoryError

    def full(*_: object) -> None:
        raise DatasetError("no space left on device")

    monkeypatch.setattr("workflows.cluster.run.cluster_one", fails)
    assert cluster(root, ClusterRequest("hac", k_from=3), CONFIG).failed == {"hamilton": "MemoryError"}


def test_a_movie_whose_faces_are_lost_fails_alone(root: str) -> None:
    movie = Dataset.open(root).record("hamilton")
    assert movie
    Path(root, movie.shards["faces"].path).unlink()
    summary = cluster(root, ClusterRequest("hac", adapt="tsiam", k_from=3), CONFIG)
    assert "is lost, though a record names it" in summary.failed["hamilton"]


def test_the_command_that_tries_again_makes_the_same_choices(root: str) -> None:
    config = load_config(None, ["cluster.threshold=0.4", "cluster.ball.squared_radius=0.3", "run.workers=1"])
    asked = ClusterJob("a b", "", "ball", "m", "corpus", None, "the run", config, adapt="tsiam")
    command = retry_command(asked)
    (arguments,) = commands(command + " --movies x")
    assert arguments[:5] == ["cluster", "--dataset", "a b", "--method", "ball"]
    assert parse(arguments) == config


def test_a_movie_that_fits_no_machine_is_refused_by_its_size_and_the_others_are_done(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.ray_cluster.largest_node_gb", lambda: 0.1)
    summary = cluster(root, ClusterRequest("affinity"), CONFIG)
    assert re.search(r"tracks need 0\.5 GB .* largest machine has 0\.1 GB .* choose hac", summary.failed["hamilton"])
    (failure,) = Dataset.open(root).failures()
    assert (failure.stage, failure.error, failure.attempts) == ("cluster", "ConfigError", 0)


def test_the_memory_of_a_task_counts_the_faces_that_it_looks_at(root: str) -> None:
    dataset = Dataset.open(root)
    movie = dataset.records()[0]
    embedded = count_embedded(dataset, movie)
    assert embedded == sum(map(len, read_face_embeddings(dataset, movie))) < movie.rows("faces")
    job = ClusterJob(root, "hamilton", "hac", None, 4, None, "hac", CONFIG)
    plain, many = memory_gb(job, movie, embedded), replace(job, model_takes_faces=True)
    assert memory_gb(many, movie, embedded) - plain == pytest.approx(embedded * movie.embedding_size * 24 / 1e9)
    adapted = replace(job, adapt="ssiam", k_from="threshold")
    more = memory_gb(replace(adapted, threshold=0.5), movie, embedded) - memory_gb(adapted, movie, embedded)
    assert more == pytest.approx(3 * 8 * movie.rows("tracks") ** 2 / 1e9)


def test_the_command_ends_with_the_status_that_scripts_count_on(castmine: Castmine, root: str) -> None:
    assert "no movie has labels" in castmine("cluster", "-d", root, "--k-from", "labels", status=2).err
    add_movie_with_cast_size_and_labels(root)
    castmine("cluster", "-d", root, "--k-from", "labels", status=1)
    castmine("cluster", "-d", root, "--k-from", 3)
    assert (
        "--k-from none: give threshold, labels, corpus"
        in castmine("cluster", "-d", root, "--k-from", "none", status=2).err
    )
