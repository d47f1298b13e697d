"""Keeping a dataset from the command line: what is gone from the corpus, forget, vacuum, and two harvests at once."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harvest.dataset.commit import note_failure, put_movie_record
from harvest.dataset.lease import LEASE
from harvest.dataset.read import Dataset
from tests.harvest import small_dataset
from tests.workflows.conftest import Castmine, Harvested
from tests.workflows.faults import Undisturbed, staged, wait_for


def test_what_is_gone_from_the_corpus_is_told_and_removed_only_when_asked(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    root, out = harvested.copy(tmp_path), tmp_path / "out.json"
    dataset, corpus = Dataset.open(root), harvested.corpus
    record = dataset.record("hamilton")
    assert record
    for movie_id, listed in (("imported", None), ("elsewhere", "/films"), ("gone", str(corpus))):
        facts = record.facts.model_copy(update={"corpus": listed})
        put_movie_record(dataset.store, record.model_copy(update={"movie_id": movie_id, "facts": facts}))
    note_failure(dataset.store, "lost", str(corpus / "lost.mp4"), "probe", "VideoDecodeError", "not a video", 1)
    command = ("harvest", corpus, "-d", root, "--models", harvested.models, "--json", out)
    told = castmine(*command).out
    assert "gone: is not in the corpus any more (the rows or failures of it are kept; --prune removes them)" in told
    assert "1 unchanged · 2 gone from the corpus" in told
    assert json.loads(out.read_text())["gone"] == ["gone", "lost"]
    assert dataset.record("gone")
    assert "gone: is not in the corpus any more (removed)" in castmine(*command, "--prune").out
    assert {record.movie_id for record in dataset.records()} == {"hamilton", "imported", "elsewhere"}
    assert dataset.failures() == []


def test_forget_asks_removes_and_says_what_is_left_to_do(castmine: Castmine, tmp_path: Path) -> None:
    root, out = tmp_path / "dataset", tmp_path / "out.json"
    small_dataset.make(root)
    (root / "_runs").mkdir()
    (root / "_runs" / "20260101T000000.json").write_text('{"movies": {"it')
    asked = [sys.executable, "-m", "workflows", "forget", small_dataset.MOVIE, "--dataset", str(root)]
    unanswered = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert (unanswered.returncode, "nobody answered" in unanswered.stderr) == (2, True)
    assert unanswered.stdout.endswith("[y/N]: \n"), "the error has a line of its own"
    declined = subprocess.run(asked, input="n\n", capture_output=True, text=True, timeout=60)
    assert (declined.returncode, "nothing was removed" in declined.stdout) == (130, True)
    assert Dataset.open(root).record(small_dataset.MOVIE)
    said = castmine("forget", small_dataset.MOVIE, "--dataset", root, "--yes", "--json", out).out
    assert "removed 5 records and" in said
    assert "the next harvest brings it back" in said
    assert "castmine report names the sheets" in said
    assert not [path for path in root.rglob("*") if "it%27s" in path.name]
    assert not list((root / "_runs").iterdir()), "a journal that cannot be read may name the movie"
    assert len(json.loads(out.read_text())["removed"]) > 5
    again = castmine("forget", small_dataset.MOVIE, "-d", root, "--yes", status=2).err
    assert "has nothing of a movie" in again
    assert f'castmine sql "SELECT movie_id FROM movies" --dataset {root}' in again
    said = castmine("forget", "lost", "-d", root, "--yes").out
    assert "removed 1 record and 0 files" in said
    assert "sheets" not in said, "it was never decoded"


def test_vacuum_tells_before_it_removes_and_keeps_to_its_grace_time(castmine: Castmine, tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    dataset = small_dataset.make(root)
    small_dataset._movie(dataset, "lonely", "h9", [], [], [], {})
    empty = ("vacuum", "--dataset", root, "--older-than", "0s", "--dry-run")
    assert "would remove 0 files" in castmine(*empty).out, "so young that its record may be about to be put"
    for path in (root / "shards").rglob("*.parquet"):
        os.utime(path, (time.time() - 660,) * 2)
    assert "removed 0 files" in castmine("vacuum", "--dataset", root).out
    assert "would remove 4 files" in castmine("vacuum", "--dataset", root, "--older-than", "0s", "--dry-run").out
    assert "removed 4 files" in castmine("vacuum", "--dataset", root, "--older-than", "0s").out
    assert "would remove 0 files" in castmine("vacuum", "--dataset", root, "--older-than", "0s", "--dry-run").out
    assert "write it as 90s, 30m, 24h or 7d" in castmine("vacuum", "-d", root, "--older-than", "soon", status=2).err


@pytest.mark.slow
def test_two_harvests_at_once_whose_lease_was_taken_away_commit_the_same_bytes(
    castmine: Castmine, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    dataset = tmp_path / "dataset"
    command = undisturbed.command(dataset)
    first = castmine.start(*command)
    wait_for(lambda: staged(dataset))
    (dataset / LEASE).unlink()
    second = castmine.start(*command)
    for process in (first, second):
        said, wrong = process.communicate(timeout=300)
        assert process.returncode == 0, said + wrong
        assert "Traceback" not in said + wrong
    undisturbed.assert_same(dataset)
    assert not (dataset / LEASE).exists()
