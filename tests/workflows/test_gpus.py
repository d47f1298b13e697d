"""Shares of a GPU as Ray gives them, and the GPU-seconds that a harvest says it held: Ray's own scheduler, a declared
GPU, and workers that hold it without computing on it."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from harvest.corpus import Movie
from harvest.dataset.read import Dataset
from harvest.segments import Segment
from tests.bench.driver_memory import QuickWorker
from workflows.config import load_config
from workflows.corpus.figures import harvest_figures
from workflows.harvest.run import HarvestSummary, harvest
from workflows.harvest.worker import Probe, SegmentReport
from workflows.journal.records import latest_journal

HELD_S = 3.0


class HoldingWorker(QuickWorker):
    """Notes beside the corpus when it was at a movie, and on which GPU."""

    def harvest(self, movie: Movie, probe: Probe, segment: Segment) -> SegmentReport:
        began = time.time()
        time.sleep(HELD_S)
        note = {"began": began, "ended": time.time(), "gpus": ray.get_gpu_ids(), "process": os.getpid()}
        Path(movie.uri).with_suffix(".json").write_text(json.dumps(note))
        return super().harvest(movie, probe, segment)


@pytest.fixture(scope="module")
def head() -> Iterator[Cluster]:
    """A machine of four cores and one GPU, as far as Ray is told."""
    declared = {"num_cpus": 4, "num_gpus": 1, "include_dashboard": False, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=declared)
    try:
        yield cluster
    finally:
        cluster.shutdown()


def harvested(
    head: Cluster, folder: Path, models: Path, share: float, monkeypatch: pytest.MonkeyPatch
) -> tuple[HarvestSummary, list[dict[str, Any]], float]:
    """Two movies, two workers wanted: the summary, what the workers noted, in their order, and the seconds it took."""
    monkeypatch.setattr("workflows.harvest.jobs.HarvestWorker", HoldingWorker)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "movies").mkdir(parents=True)
    for name in ("a", "b"):
        (folder / f"movies/{name}.mp4").write_text(name)
    settings = ["run.workers=2", "run.device=cuda", f"run.gpus_per_worker={share}", "run.memory_gb=0.2"]
    began = time.monotonic()
    config = load_config(None, [*settings, "run.segment_minutes=30"])
    summary = harvest(str(folder / "movies"), str(folder / "dataset"), str(models), config, head.address)
    notes = [json.loads(path.read_text()) for path in (folder / "movies").glob("*.json")]
    return summary, sorted(notes, key=lambda note: note["began"]), time.monotonic() - began


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_workers_share_a_gpu_and_the_seconds_that_they_held_it_are_told(
    head: Cluster, pack_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    summary, notes, wall_s = harvested(head, tmp_path / "run", pack_folder, share, monkeypatch)
    assert summary.count("done") == 2
    assert [note["gpus"] for note in notes] == [[0], [0]]
    (first, second), usage = notes, summary.usage
    together = second["began"] < first["ended"]
    assert together == (share == 0.5), "two halves fit, two wholes do not"
    assert usage.gpu_s == pytest.approx(usage.worker_s * share)
    assert 2 * HELD_S * share <= usage.gpu_s <= wall_s, "there is one GPU"
    journal = latest_journal(Dataset.open(tmp_path / "run/dataset").store)
    assert journal
    assert harvest_figures(journal)["gpu_s"] == pytest.approx(usage.gpu_s, abs=0.001), "as report.json has it"
