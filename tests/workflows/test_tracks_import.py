"""`castmine import`: releases through the command, and what becomes of labels when tracks are imported again."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from harvest.dataset.read import Dataset
from harvest.errors import TooLittleDataError
from tests.harvest.test_releases import bcl, ssiam
from workflows.cli import app
from workflows.cluster.request import ClusterRequest
from workflows.cluster.run import cluster
from workflows.config import load_config
from workflows.labels import flags_in, identities, import_labels
from workflows.ray_cluster import ray_cluster
from workflows.tracks_import import ImportedCounts, import_tracks


def tracks(folder: Path, numbers: list[int], names: dict[int, str], seed: int = 0) -> Path:
    """A Parquet file of tracks."""
    rng = np.random.default_rng(seed)
    rows = [
        {"movie_id": "m", "track_id": number, "shot_id": number, "start_frame": 10 * number,
         "end_frame": 10 * number + 9, "embeddings": rng.normal(size=(3, 8)).tolist(), "identity": names.get(number)}
        for number in numbers
    ]  # fmt: skip
    schema = {"identity": pa.string()}
    table = pa.Table.from_pylist(rows)
    at = table.column_names.index("identity")
    table = table.set_column(at, "identity", table["identity"].cast(schema["identity"]))
    pq.write_table(table, folder / "tracks.parquet")
    return folder / "tracks.parquet"


def say(dataset: str, folder: Path, lines: str) -> None:
    (folder / "labels.csv").write_text("movie_id,track_id,identity,flags\n" + lines)
    import_labels(folder / "labels.csv", Dataset.open(dataset))


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "dataset")


def test_labels_of_a_person_stay_with_their_tracks_when_the_tracks_change(root: str, tmp_path: Path) -> None:
    import_tracks(tracks(tmp_path, [0, 1, 2], {}), root)
    say(root, tmp_path, "m,0,Ann,glasses\nm,1,Bob,\nm,2,Cyd,\n")
    (counts,) = import_tracks(tracks(tmp_path, [0, 1, 5], {}, seed=1), root)
    assert (counts.labels, counts.carried, counts.lost) == (2, 2, 1)
    assert identities(Dataset.open(root), "m") == {0: "Ann", 1: "Bob"}
    assert flags_in(Dataset.open(root).derived("labels", "labels", "m")) == {0: ("glasses",)}


def test_the_names_of_a_changed_file_win_and_those_it_lacks_are_carried_over(root: str, tmp_path: Path) -> None:
    import_tracks(tracks(tmp_path, [0, 1], {0: "Ann", 1: "Bob"}), root)
    say(root, tmp_path, "m,0,Anna,\nm,1,Bob,\n")
    (counts,) = import_tracks(tracks(tmp_path, [0, 1], {0: "Annie"}, seed=1), root)
    assert identities(Dataset.open(root), "m") == {0: "Annie", 1: "Bob"}
    assert counts == ImportedCounts("m", 2, 0, 2, carried=1, lost=0)


def test_the_same_file_again_leaves_what_a_person_has_said_since(root: str, tmp_path: Path) -> None:
    file = tracks(tmp_path, [0, 1], {0: "Ann", 1: "Bob"})
    import_tracks(file, root)
    say(root, tmp_path, "m,0,Anna,\n")
    (counts,) = import_tracks(file, root)
    assert identities(Dataset.open(root), "m") == {0: "Anna"}
    assert counts.labels == 1


def test_the_releases_are_imported_by_the_command_which_says_that_nothing_is_linked(root: str, tmp_path: Path) -> None:
    bcl(tmp_path / "bcl")
    ssiam(tmp_path / "ssiam")
    for form, models in (("bcl", "bcl-256"), ("ssiam", "ssiam-20")):
        ran = CliRunner().invoke(app, ["import", form, str(tmp_path / form), "-d", f"{root}-{form}"])
        assert ran.exit_code == 0, ran.output
        assert "no cannot-links" in ran.output
        (record,) = Dataset.open(f"{root}-{form}").records()
        assert (record.models, record.rows("tracks")) == (models, 3)


def test_without_cannot_links_no_threshold_is_found_and_a_known_k_clusters_all_the_same(
    root: str, tmp_path: Path, ray_address: str
) -> None:
    import_tracks(bcl(tmp_path / "bcl"), root, "bcl")
    config = load_config(None, ["run.workers=1"])
    with ray_cluster(ray_address):
        with pytest.raises(TooLittleDataError, match=r"0 cannot-link pairs are too few .* give --k-from N"):
            cluster(root, ClusterRequest("hac"), config)
        (movie,) = cluster(root, ClusterRequest("hac", k_from="labels"), config).movies
    assert (movie.clusters, movie.metrics and movie.metrics.tracks) == (2, 2)
