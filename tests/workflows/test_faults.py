"""Workers, drivers and decoders that are killed, hang or swell: the work goes on and ends with the same bytes."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harvest.corpus import list_corpus
from harvest.dataset.read import Dataset
from harvest.errors import VideoDecodeError
from harvest.faces import find_pack
from harvest.video import VideoReader
from tests.workflows.conftest import Castmine, Harvested
from tests.workflows.faults import Undisturbed, kill_at_random, staged, wait_for
from workflows.config import Config, load_config
from workflows.harvest.jobs import HarvestRun
from workflows.harvest.plan import MovieState, Selection, plan_harvest
from workflows.harvest.worker import HarvestWorker

TABLES = ("tracks", "faces", "links")


def test_workers_and_drivers_killed_at_random_instants_cost_time_and_no_byte(
    castmine: Castmine, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """As many as 50 and 10 are killed by tests/soak/kills.py."""
    tally = kill_at_random(castmine, undisturbed, tmp_path, seed=5, victims={"worker": 5, "driver": 2})
    assert tally.killed.total() == 7
    assert sum(number for what, number in tally.killed.items() if what.startswith("driver")) == 2
    assert tally.datasets >= 1


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [
        pytest.param(signal.SIGINT, True, id="Ctrl-C on a terminal"),
        pytest.param(signal.SIGTERM, False, id="SIGTERM by a scheduler", marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_harvest_goes_on_where_it_was(
    castmine: Castmine, undisturbed: Undisturbed, tmp_path: Path, number: signal.Signals, whole_group: bool
) -> None:
    dataset, out = tmp_path / "dataset", tmp_path / "out.json"
    command = undisturbed.command(dataset)
    # a Ray of its own, as on a laptop: Ctrl-C reaches its processes too
    process = castmine.start(*command, RAY_ADDRESS="local")
    wait_for(lambda: len(staged(dataset)) == 1 and Dataset.open(dataset).records())  # one movie done, half of the other
    (os.killpg if whole_group else os.kill)(process.pid, number)
    said, wrong = process.communicate(timeout=100)
    assert process.returncode == 130, wrong
    assert "Traceback" not in said + wrong
    assert wrong.splitlines()[-1] == "stopped; what was committed stays, and the same command goes on from there"
    (first,) = Dataset.open(dataset).records()
    (kept,) = staged(dataset)
    undisturbed.assert_readable(dataset)

    when = kept.stat().st_mtime_ns
    process = castmine.start(*command, "--json", out)
    same = True
    while process.poll() is None:
        same &= not kept.exists() or kept.stat().st_mtime_ns == when
        time.sleep(0.05)
    assert process.returncode == 0
    assert same, "a segment that was there is not done again"
    movies = {movie["movie_id"]: movie for movie in json.loads(out.read_text())["movies"]}
    assert movies.pop(first.movie_id)["state"] == "skipped"
    ((_, other),) = movies.items()
    assert other["state"] == "done"
    assert other["decoded_frames"] < 275
    undisturbed.assert_same(dataset)


def copies(movie: Path, folder: Path, *names: str) -> Path:
    """A corpus of one movie under several names."""
    (folder / "movies").mkdir()
    for name in names:
        shutil.copyfile(movie, folder / "movies" / f"{name}.mp4")
    return folder / "movies"


def run(dataset: Dataset, corpus: Path, harvested: Harvested, config: Config, address: str) -> dict[str, MovieState]:
    pack = find_pack(str(harvested.models))
    plan = plan_harvest(list_corpus(str(corpus)), dataset, pack, config, Selection())
    HarvestRun(dataset, pack, config, plan).run(address)
    return plan.states


def assert_harvested_alike(dataset: Dataset, movie_id: str, harvested: Harvested) -> None:
    whole = Dataset.open(harvested.dataset)
    for name in TABLES:
        assert dataset.table(name, movie_id).drop("movie_id") == whole.table(name, "hamilton").drop("movie_id")


class FaultyReader:
    """A decoder that in mid-movie stops answering, or takes 0.75 GiB and does not give it back."""

    def __init__(self, reader: VideoReader, fault: str) -> None:
        self.facts, self._reader, self._fault = reader.facts, reader, fault

    def frames(self, start: int) -> Iterator[tuple[int, np.ndarray]]:
        for index, image in self._reader.frames(start):
            if index == 100:
                self._leak = np.ones(3 * 2**25) if self._fault == "swells" else None
                time.sleep(3600)
            yield index, image


class FaultyWorker(HarvestWorker):
    """Fails in movies whose name says so, each time or only in the first process that gets there."""

    def _open(self, path: str) -> VideoReader:
        reader = super()._open(path)
        fault, _, when = Path(path).stem.partition("-")
        marker = Path(path).with_suffix(".failed")
        if when == "always" or not marker.exists():
            marker.touch()
            return FaultyReader(reader, fault)
        return reader


def test_a_decoder_that_hangs_or_swells_is_killed_and_tried_again_and_at_last_a_failure(
    ray_address: str, harvested: Harvested, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie = harvested.corpus / "hamilton.mp4"
    corpus = copies(
        movie, tmp_path, *(f"{fault}-{when}" for fault in ("hangs", "swells") for when in ("always", "once"))
    )
    # a worker takes 0.6 GiB for this movie
    limits = ("stall_s=15", "attempts=2", "workers=2", "memory_gb=1", "memory_excess=1")
    config = load_config(None, [f"run.{key}" for key in limits])
    monkeypatch.setattr("workflows.harvest.jobs.HarvestWorker", FaultyWorker)
    dataset = Dataset.create(tmp_path / "dataset")
    states = run(dataset, corpus, harvested, config, ray_address)
    assert {name: state.state for name, state in states.items()} == {
        "hangs-always": "failed",
        "hangs-once": "done",
        "swells-always": "failed",
        "swells-once": "done",
    }
    hung, swollen = dataset.failures()
    assert "hangs-always: frames 0-275: no progress for 15 s (run.stall_s)" in hung.message
    assert "of memory and may take 1.0: raise run.memory_gb (tried 2 times)" in swollen.message
    for failure in (hung, swollen):
        assert (failure.error, failure.attempts) == ("WorkerLostError", 2)
    pack = find_pack(str(harvested.models))
    again = plan_harvest(list_corpus(str(corpus)), dataset, pack, config, Selection())
    assert again.todo == [], "what is done is done, and what cost its workers is not tried every night"
    assert again.states["hangs-always"].message.startswith("quarantined: --retry-failed takes it again; hangs-always")
    for name in ("hangs-once", "swells-once"):
        assert_harvested_alike(dataset, name, harvested)


class BrokenSeekReader:
    """Decodes rightly from frame 0 only: every seek is one frame off, or ends in an error."""

    def __init__(self, reader: VideoReader, path: Path) -> None:
        self.facts, self._reader, self._path = reader.facts, reader, path

    def frames(self, start: int) -> Iterator[tuple[int, np.ndarray]]:
        if start and self._path.stem == "error":
            raise VideoDecodeError(f"{self._path}: no frame {start}")
        shift = 1 if start else 0
        return ((index - shift, image) for index, image in self._reader.frames(start + shift))


class BrokenSeekWorker(HarvestWorker):
    """Reads so."""

    def _open(self, path: str) -> VideoReader:
        return BrokenSeekReader(super()._open(path), Path(path))


@pytest.mark.slow
def test_a_movie_in_which_seeks_are_wrong_is_done_again_as_one_segment_and_marked(
    ray_address: str, harvested: Harvested, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = copies(harvested.corpus / "hamilton.mp4", tmp_path, "shifted", "error")
    config = load_config(None, ["run.segment_minutes=0.05", "run.workers=2"])
    monkeypatch.setattr("workflows.harvest.jobs.HarvestWorker", BrokenSeekWorker)
    dataset = Dataset.create(tmp_path / "dataset")
    states = run(dataset, corpus, harvested, config, ray_address)
    for movie_id in ("shifted", "error"):
        assert states[movie_id].state == "done", states[movie_id].message
        assert not states[movie_id].seekable
        record = dataset.record(movie_id)
        assert record
        assert not record.facts.seekable
        assert_harvested_alike(dataset, movie_id, harvested)


def test_to_be_asked_how_it_goes_is_no_sign_of_life(harvested: Harvested, tmp_path: Path) -> None:
    """Each question makes the process read a little; so may not count, or a hung decoder would seem to work."""
    dataset = Dataset.create(tmp_path)
    worker = HarvestWorker(dataset.root, find_pack(str(harvested.models)), load_config())
    assert len({worker.progress().units for _ in range(1000)}) == 1
