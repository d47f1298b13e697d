"""Workers that are killed or hang, and Ctrl-C: the work goes on where it was and ends with the same bytes."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harvest.corpus import list_corpus
from harvest.dataset.read import Dataset
from harvest.faces import find_pack
from harvest.video import VideoReader
from tests.workflows.conftest import Castmine, Harvested, digests
from workflows.config import Config, load_config
from workflows.harvest.jobs import HarvestRun
from workflows.harvest.plan import HarvestPlan, MovieState
from workflows.harvest.worker import HarvestWorker

SPLIT = ("--workers", 1, "--segment-minutes", 0.05)
"""Two segments of hamilton.mp4, one after the other."""


def wait_for(found: Callable[[], object], seconds: float = 120) -> object:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = found()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def workers() -> list[int]:
    """Process ids of the harvest workers of the Ray of these tests, whose ancestor is this process."""
    titles = {
        int(folder.name): _read(folder / "cmdline") for folder in Path("/proc").iterdir() if folder.name.isdigit()
    }
    found = [pid for pid, title in titles.items() if title.startswith("ray::HarvestWorker")]
    return [pid for pid in found if os.getpid() in _ancestors(pid)]


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        pid = int((_read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split() or [0, 0])[1])
        yield pid


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def staged(dataset: Path) -> list[Path]:
    return sorted((dataset / "_staging").rglob("segment.json"))


def harvest_command(harvested: Harvested, dataset: Path) -> tuple[object, ...]:
    return ("harvest", harvested.corpus, "-d", dataset, "--models", harvested.models, *SPLIT)


def test_a_worker_killed_in_mid_segment_is_replaced_and_the_bytes_are_the_same(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    dataset, out = tmp_path / "dataset", tmp_path / "out.json"
    process = castmine.start(*harvest_command(harvested, dataset), "--json", out)
    wait_for(lambda: staged(dataset))  # the first segment is done, so the worker is in the second
    time.sleep(0.5)
    (worker,) = workers()
    os.kill(worker, signal.SIGKILL)
    said, wrong = process.communicate(timeout=200)
    assert process.returncode == 0, wrong
    assert "Traceback" not in said + wrong
    assert digests(dataset) == digests(harvested.dataset)
    assert staged(dataset) == []
    assert json.loads(out.read_text())["done"] == 1


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [
        pytest.param(signal.SIGINT, True, id="Ctrl-C on a terminal"),
        pytest.param(signal.SIGTERM, False, id="SIGTERM by a scheduler", marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_harvest_goes_on_where_it_was(
    castmine: Castmine, harvested: Harvested, tmp_path: Path, number: signal.Signals, whole_group: bool
) -> None:
    corpus, dataset = tmp_path / "movies", tmp_path / "dataset"
    corpus.mkdir()
    for name in ("a", "b"):
        shutil.copyfile(harvested.corpus / "hamilton.mp4", corpus / f"{name}.mp4")
    command = ("harvest", corpus, "-d", dataset, "--models", harvested.models, *SPLIT)
    # a Ray of its own, as on a laptop: Ctrl-C reaches its processes too
    process = castmine.start(*command, RAY_ADDRESS="local")
    wait_for(lambda: len(staged(dataset)) == 1 and Dataset.open(dataset).records())  # one movie done, half of the other
    (os.killpg if whole_group else os.kill)(process.pid, number)
    said, wrong = process.communicate(timeout=100)
    assert process.returncode == 130, wrong
    assert "Traceback" not in said + wrong
    assert wrong.strip() == "stopped; what was committed stays, and the same command goes on from there"
    (first,) = Dataset.open(dataset).records()
    assert first.rows("tracks") >= 4
    (kept,) = staged(dataset)
    assert Dataset.open(dataset).failures() == []

    when = kept.stat().st_mtime_ns
    process = castmine.start(*command, "--json", tmp_path / "out.json")
    same = True
    while process.poll() is None:
        same &= not kept.exists() or kept.stat().st_mtime_ns == when
        time.sleep(0.05)
    assert process.returncode == 0
    assert same, "a segment that was there is not done again"
    states = {movie["movie_id"]: movie for movie in json.loads((tmp_path / "out.json").read_text())["movies"]}
    assert {name: movie["state"] for name, movie in states.items()} == {
        first.movie_id: "skipped",
        "ab".replace(first.movie_id, ""): "done",
    }
    assert sum(movie["decoded_frames"] for movie in states.values()) < 275
    one, other = ({**digests(dataset, name)} for name in "ab")
    assert one.keys() == other.keys()
    assert (
        Dataset.open(dataset).table("links", "a").num_rows
        == Dataset.open(harvested.dataset).table("links", "hamilton").num_rows
    )


class SleepyReader:
    """A decoder that stops answering in mid-movie."""

    def __init__(self, reader: VideoReader) -> None:
        self.facts, self._reader = reader.facts, reader

    def frames(self, start: int) -> Iterator[tuple[int, object]]:
        for index, image in self._reader.frames(start):
            if index == 100:
                time.sleep(3600)
            yield index, image


class SleepyWorker(HarvestWorker):
    """Hangs in movies whose name says so, each time or only in the first process that gets there."""

    def _open(self, movie, path):  # type: ignore[no-untyped-def]
        reader = super()._open(movie, path)
        marker = Path(movie.uri).with_suffix(".hung")
        if movie.movie_id == "always" or (movie.movie_id == "once" and not marker.exists()):
            marker.touch()
            return SleepyReader(reader)
        return reader


def test_a_hung_decoder_is_killed_and_tried_again_and_at_last_a_failure(
    ray_address: str, harvested: Harvested, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = tmp_path / "movies"
    corpus.mkdir()
    for name in ("always", "once"):
        shutil.copyfile(harvested.corpus / "hamilton.mp4", corpus / f"{name}.mp4")
    config = load_config(None, ["run.stall_s=12", "run.attempts=2", "run.workers=2"])
    monkeypatch.setattr("workflows.harvest.jobs.HarvestWorker", SleepyWorker)
    dataset = Dataset.create(tmp_path / "dataset")
    states = run(dataset, corpus, harvested, config, ray_address)
    assert (states["always"].state, states["once"].state) == ("failed", "done")
    assert "always: frames 0-275: no progress for 12 s" in states["always"].message
    (failure,) = dataset.failures()
    assert (failure.movie_id, failure.error, failure.attempts) == ("always", "WorkerLostError", 2)
    tables = Dataset.open(harvested.dataset)
    for name in ("tracks", "faces", "links"):
        assert dataset.table(name, "once").drop("movie_id") == tables.table(name, "hamilton").drop("movie_id")


def run(dataset: Dataset, corpus: Path, harvested: Harvested, config: Config, address: str) -> dict[str, MovieState]:
    states = {movie.movie_id: MovieState(movie) for movie in list_corpus(str(corpus))}
    HarvestRun(dataset, find_pack(str(harvested.models)), config, HarvestPlan(states)).run(address)
    return states


class BrokenSeekWorker(HarvestWorker):
    """Decodes rightly from frame 0 only: every seek is one frame off, or ends in an error."""

    def _open(self, movie, path):  # type: ignore[no-untyped-def]
        reader = super()._open(movie, path)
        right = reader.frames

        def frames(start: int) -> Iterator[tuple[int, object]]:
            if start and movie.movie_id == "error":
                from harvest.errors import VideoDecodeError

                raise VideoDecodeError(f"{movie.uri}: no frame {start}")
            shift = 1 if start else 0
            return ((index - shift, image) for index, image in right(start + shift))

        reader.frames = frames
        return reader


@pytest.mark.slow
def test_a_movie_in_which_seeks_are_wrong_is_done_again_as_one_segment_and_marked(
    ray_address: str, harvested: Harvested, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = tmp_path / "movies"
    corpus.mkdir()
    for name in ("shifted", "error"):
        shutil.copyfile(harvested.corpus / "hamilton.mp4", corpus / f"{name}.mp4")
    config = load_config(None, ["run.segment_minutes=0.05", "run.workers=2"])
    monkeypatch.setattr("workflows.harvest.jobs.HarvestWorker", BrokenSeekWorker)
    dataset = Dataset.create(tmp_path / "dataset")
    states = run(dataset, corpus, harvested, config, ray_address)
    tables = Dataset.open(harvested.dataset)
    for movie_id in ("shifted", "error"):
        assert states[movie_id].state == "done", states[movie_id].message
        assert not states[movie_id].seekable
        record = dataset.record(movie_id)
        assert record
        assert not record.facts.seekable
        for name in ("tracks", "faces", "links"):
            assert dataset.table(name, movie_id).drop("movie_id") == tables.table(name, "hamilton").drop("movie_id")
