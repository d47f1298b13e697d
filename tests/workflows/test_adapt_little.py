"""The task that adapts a movie: its stated results where there is little to learn from; a SIGKILL costs nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvest.dataset.forget import forget
from harvest.dataset.read import Dataset
from harvest.dataset.vacuum import vacuum
from harvest.errors import CastmineError
from workflows.cluster.job import ClusterJob
from workflows.cluster.task import cluster_one
from workflows.config import load_config
from workflows.tracks_import import import_tracks

SHORT = ["cluster.adapt.tsiam.epochs=2", "cluster.adapt.ssiam.epochs=2", "cluster.adapt.selfdistill.iterations=1"]
CONFIG = load_config(overrides=[*SHORT, "cluster.adapt.selfdistill.first_epochs=2"])

MOVIES = {"one track": (1, 5), "no links": (12, 4), "one face each": (12, 1), "constant": (6, 4)}
"""Tracks and faces a track."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder, rng = tmp_path_factory.mktemp("little"), np.random.default_rng(0)
    rows = []
    for movie, (tracks, faces) in MOVIES.items():
        for track in range(tracks):
            look = np.ones(16) if movie == "constant" else 3 * np.eye(16)[track % 3] + rng.normal(size=(faces, 16)) / 2
            place = {"shot_id": track, "start_frame": 50 * track, "end_frame": 50 * track + 40}
            embeddings = np.broadcast_to(look, (faces, 16)).tolist()
            rows.append(
                {"movie_id": movie, "track_id": track, **place, "identity": str(track % 3), "embeddings": embeddings}
            )
    pq.write_table(pa.Table.from_pylist(rows), folder / "tracks.parquet")
    import_tracks(folder / "tracks.parquet", str(folder / "dataset"))
    return str(folder / "dataset")


def job(root: str, movie: str, adapt: str) -> ClusterJob:
    return ClusterJob(root, movie, "hac", None, "threshold", 0.6, f"run-{adapt}", CONFIG, adapt=adapt)


@pytest.mark.parametrize("adapt", ["tsiam", "ssiam", "selfdistill"])
@pytest.mark.parametrize("movie", MOVIES)
def test_every_movie_gets_a_cast_and_the_notes_say_what_was_not_done(root: str, movie: str, adapt: str) -> None:
    answer = cluster_one(job(root, movie, adapt))
    record = Dataset.open(root).derived_record("clusters", f"run-{adapt}", movie)
    assert record is not None
    notes = record.notes["adaptation"]
    assert answer.tracks == MOVIES[movie][0]
    assert 1 <= answer.clusters <= answer.tracks
    as_it_came = {"one track"} | {"tsiam": {"one face each"}, "ssiam": set(), "selfdistill": {"constant"}}[adapt]
    assert ("not_adapted" in notes) == (movie in as_it_came)
    if movie == "constant":
        assert answer.clusters == 1
    if "not_adapted" in notes and movie != "one track":
        assert (answer.threshold, notes["threshold"]) == (0.6, "the base's own: the movie was not adapted")


def test_vacuum_keeps_what_records_name_and_forget_leaves_nothing_of_it(root: str, tmp_path: Path) -> None:
    dataset = Dataset.open(str(shutil.copytree(root, tmp_path / "kept")))
    cluster_one(job(dataset.store.root, "no links", "ssiam"))
    far = datetime(2999, 1, 1, tzinfo=UTC)
    assert vacuum(dataset, far, timedelta(0)) == []
    assert fitted(tmp_path / "kept")
    forget(dataset, "no links")
    assert not any("no links" in path for path in fitted(tmp_path / "kept"))


def test_imported_tracks_have_no_chips_to_train_a_network_on(root: str, pack_folder: Path) -> None:
    named = load_config(overrides=[f"cluster.adapt.selfdistill.pack={pack_folder}"])
    for config in (CONFIG, named):
        with pytest.raises(CastmineError, match=r"imported-16|another pack"):
            cluster_one(replace(job(root, "no links", "selfdistill-network"), config=config))


TASK = """
import sys
from workflows.cluster.job import ClusterJob
from workflows.cluster.task import cluster_one
from workflows.config import load_config
config = load_config(overrides=sys.argv[2:])
cluster_one(ClusterJob(sys.argv[1], "no links", "hac", None, 3, None, "run", config, adapt="selfdistill"))
"""


def fitted(root: Path) -> dict[str, bytes]:
    """Files of what was fitted, by path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("shards/adaptations/*/*")}


@pytest.mark.slow
def test_a_killed_task_goes_on_and_ends_with_the_bytes_of_an_undisturbed_one(root: str, tmp_path: Path) -> None:
    long = ["cluster.adapt.selfdistill.first_epochs=80", "cluster.adapt.keep_every_s=0.2", *SHORT]
    shutil.rmtree(Path(root) / "shards/adaptations", ignore_errors=True)
    ended = {}
    for name in ("undisturbed", "killed"):
        folder = shutil.copytree(root, tmp_path / name)
        command, staged = [sys.executable, "-c", TASK, str(folder), *long], folder / "_staging/no links"
        if name == "killed":
            task = subprocess.Popen(command)
            while not list(staged.glob("adapt-*.safetensors")) and task.poll() is None:
                time.sleep(0.01)
            os.kill(task.pid, signal.SIGKILL)
            assert task.wait() == -signal.SIGKILL
            assert fitted(folder) == {}
            assert list(staged.glob("adapt-*.safetensors"))
        subprocess.run(command, check=True)
        assert not list(staged.glob("adapt-*"))
        ended[name] = fitted(folder)
    assert ended["killed"] == ended["undisturbed"]
    assert len(ended["killed"]) == 1
