"""What a harvest's worker makes of a movie that changes under it, and what it tells while it works."""

import os
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from harvest.corpus import Movie
from harvest.dataset.read import Dataset
from harvest.dataset.store import Store
from harvest.errors import MovieOutOfReachError
from harvest.faces import find_pack
from harvest.segments import Segment, plan_segments
from harvest.video import VideoReader
from tests.conftest import shared
from workflows.config import load_config
from workflows.harvest import worker as module
from workflows.harvest.worker import HarvestWorker, Probe


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "dataset")


@pytest.fixture
def worker(dataset: Dataset) -> HarvestWorker:
    return HarvestWorker(dataset.root, find_pack(str(shared("models/scrfd25_mbf"))), load_config())


@pytest.fixture
def movie(tmp_path: Path) -> Movie:
    path = shutil.copyfile(shared("clips/hamilton.mp4"), tmp_path / "a.mp4")
    return Movie("a", str(path))


def split(probe: Probe) -> list[Segment]:
    return plan_segments(probe.facts.frames, probe.facts.fps, 0.05, 32)


def test_a_movie_that_is_replaced_during_its_harvest_leaves_no_segment(
    dataset: Dataset, worker: HarvestWorker, movie: Movie
) -> None:
    """What is staged counts for the content of the file as it was when it was opened."""
    probe = worker.probe(movie)
    opened = worker._open

    def opened_and_replaced(path: str) -> VideoReader:
        reader = opened(path)
        shutil.copyfile(shared("clips/street.mp4"), f"{path}.new")
        os.replace(f"{path}.new", path)
        return reader

    worker._open = opened_and_replaced  # type: ignore[method-assign]
    for _ in ("replaced while it is read", "replaced before"):
        with pytest.raises(MovieOutOfReachError, match="has changed since this run opened it"):
            worker.harvest(movie, probe, split(probe)[0])
    assert not dataset.store.files("_staging")


def test_a_commit_tells_that_it_lives_and_all_stages_are_counted(
    dataset: Dataset, worker: HarvestWorker, movie: Movie, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    put_file, spent = Store.put_file, Counter[str]()

    def put_and_ask(store: Store, relative: str, *rest: object) -> None:
        told.append(worker.progress().units)
        put_file(store, relative, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "count_stages", lambda seconds: spent.update(seconds))
    monkeypatch.setattr(worker._vitals, "mebibytes_read", lambda: 0)
    probe = worker.probe(movie)
    for segment in split(probe):
        worker.harvest(movie, probe, segment)
    monkeypatch.setattr(Store, "put_file", put_and_ask)
    report = worker.finish(movie, probe, split(probe))
    assert report
    assert len(told) == 4
    assert all(one < other for one, other in pairwise([2**-30, *told])), "signs of life before each table that is put"
    assert set(spent) == {"load", "open", "decode", "shots", "detect", "track", "quality", "chips", "embed", "write"}
    assert spent["write"] > report.seconds["write"], "of the segments and of the commit"
