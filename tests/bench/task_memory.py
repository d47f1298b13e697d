"""What the tasks that read a movie's faces take at most, in bytes per number of a face: what they declare to Ray.

    python -m tests.bench.task_memory [--tracks 704] [--faces 63] [--size 512]

A made-up movie, by default of the mean size of the published corpus; each task in a process of its own, which has done
a tiny movie before.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from train.centring import CentringSums, FaceCentring, fit_centring
from train.registry import ModelCard, save_model
from train.subspace import Subspace
from workflows.cluster.job import CLUSTERED_FACE_BYTES, ClusterJob
from workflows.cluster.task import cluster_one
from workflows.cluster.thresholds import CALIBRATED_FACE_BYTES, link_distances
from workflows.config import load_config
from workflows.tracks_import import import_tracks
from workflows.train.memory import MINED_FACE_BYTES
from workflows.train.movies import MovieJob, measure_one
from workflows.verify.run import VerifyJob, verify_one

CONFIG = load_config()
TASKS = {
    "mine": MINED_FACE_BYTES,
    "measure a model that centres": MINED_FACE_BYTES,
    "verify a model that centres": MINED_FACE_BYTES,
    "calibrate a threshold": CALIBRATED_FACE_BYTES,
    "cluster faces": CLUSTERED_FACE_BYTES,
    "cluster faces through a model": CLUSTERED_FACE_BYTES,
}


def make(folder: Path, tracks: int, faces: int, size: int) -> None:
    """A dataset of the movie and a tiny one, and a model that centres faces."""
    films = [made_up("movie", tracks, faces, size), made_up("tiny", 20, 5, size)]
    pq.write_table(pa.concat_tables(films), folder / "tracks.parquet")
    import_tracks(folder / "tracks.parquet", str(folder / "dataset"))
    pack = f"imported-{size}"
    card = ModelCard(
        method="mvcorr-linear", pack=pack, pack_hash=pack, embedding_size=size, output_size=size, train_movies=(),
        validation_movies=(), train_tracks=1, validation_tracks=0, threshold=None, calibration="", held_out={},
        config={}, castmine_version="0", created="",
    )  # fmt: skip
    save_model(folder / "model", subspace(size), card)


def made_up(name: str, tracks: int, faces: int, size: int) -> pa.Table:
    """Tracks of which three at a time are seen together."""
    rng, track, start = np.random.default_rng(tracks), np.arange(tracks), 100 * (np.arange(tracks) // 3)
    numbers = rng.standard_normal((tracks, 1, size)) + rng.standard_normal((tracks, faces, size))
    rows = pa.ListArray.from_arrays(ends(tracks * faces, size), numbers.astype(np.float32).ravel())
    columns = {"movie_id": [name] * tracks, "track_id": track, "shot_id": track // 3, "start_frame": start}
    embeddings = pa.ListArray.from_arrays(ends(tracks, faces), rows)
    return pa.table(columns | {"end_frame": start + 50, "embeddings": embeddings})


def ends(lists: int, length: int) -> pa.Array:
    return pa.array(np.arange(lists + 1) * length, pa.int32())


def subspace(size: int) -> Subspace:
    rng = np.random.default_rng(0)
    return Subspace(np.eye(size), np.zeros(size), centring(rng.standard_normal((40, 9, size)) + 1))


def centring(tracks: np.ndarray) -> FaceCentring:
    fitted = fit_centring(CentringSums.of(list(tracks), 3))
    assert fitted is not None
    return fitted


def task(folder: Path, name: str) -> Callable[[str], object]:
    """The task of that name, which takes a movie."""
    root, model = str(folder / "dataset"), str(folder / "model")

    def clustering(movie: str, model: str | None = None) -> ClusterJob:
        job = ClusterJob(root, movie, "videoclusternet", model, 4, None, "bench", CONFIG, force=True)
        return replace(job, model_takes_faces=model is not None)

    size = json.loads((folder / "model/card.json").read_text())["embedding_size"]
    tasks: dict[str, Callable[[str], object]] = {
        "mine": lambda movie: measure_one(MovieJob(root, movie, CONFIG.train)),
        "measure a model that centres": lambda movie: measure_one(
            MovieJob(root, movie, CONFIG.train, embedding=subspace(size), held_out=True)
        ),
        "verify a model that centres": lambda movie: verify_one(VerifyJob(root, movie, (model,), CONFIG)),
        "calibrate a threshold": lambda movie: link_distances((root, movie, CONFIG.train)),
        "cluster faces": lambda movie: cluster_one(clustering(movie)),
        "cluster faces through a model": lambda movie: cluster_one(clustering(movie, model)),
    }
    return tasks[name]


def status_bytes(key: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[key].split()[0]) * 1024


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    for name, mean in (("tracks", 704), ("faces", 63), ("size", 512)):
        options.add_argument(f"--{name}", type=int, default=mean)
    options.add_argument("--task", nargs=2, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.task:
        folder, name = chosen.task
        run = task(Path(folder), name)
        run("tiny")
        before = status_bytes("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        run("movie")
        print(before, status_bytes("VmHWM") - before)
        return
    numbers = chosen.tracks * chosen.faces * chosen.size
    with tempfile.TemporaryDirectory(prefix="castmine-tasks-") as made:
        make(Path(made), chosen.tracks, chosen.faces, chosen.size)
        print(f"{'task':30} process, MB  more, MB  bytes a number  declared")
        for name, declared in TASKS.items():
            command = [sys.executable, "-m", "tests.bench.task_memory", "--task", made, name]
            before, more = map(int, subprocess.check_output(command).split())
            print(f"{name:30} {before / 1e6:11.0f} {more / 1e6:9.0f} {more / numbers:15.1f} {declared:9}")


if __name__ == "__main__":
    main()
