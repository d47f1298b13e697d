"""`castmine harvest` on a real clip: any split gives the same bytes, and only what changed is done again."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from harvest.corpus import Movie, list_corpus
from harvest.dataset.commit import note_failure, put_movie_record
from harvest.dataset.read import Dataset
from harvest.dataset.records import staging_folder
from harvest.dataset.schema import COUNTED_AS
from harvest.faces import find_pack
from harvest.identity import source_stamp
from tests.workflows.conftest import Castmine, Harvested, digests
from workflows.config import load_config
from workflows.console import out
from workflows.harvest.plan import MovieState, Selection, plan_harvest
from workflows.harvest.printed import harvested as printed
from workflows.harvest.run import HarvestSummary

HEAVY = ("ray", "torch", "decord", "av", "onnxruntime", "boxmot", "insightface", "cv2", "sklearn", "scipy")
RUN_AND_LIST = f"""
import sys
from workflows.cli import main
try:
    main()
finally:
    print("loaded:", *(name for name in {HEAVY} if name in sys.modules))
"""


def run_lightly(*arguments: object, status: int = 0, besides: Collection[str] = ()) -> str:
    """Run a command that must end with this status without importing anything heavy; `besides`: what it may import."""
    command = [sys.executable, "-c", RUN_AND_LIST, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    said, _, loaded = done.stdout.rpartition("loaded:")
    assert set(loaded.split()) <= set(besides), loaded
    return said


def shards(dataset: Path) -> list[Path]:
    return sorted(dataset.rglob("*.parquet"))


def test_a_clip_is_harvested_and_counted(harvested: Harvested) -> None:
    (movie,) = harvested.summary["movies"]
    record = Dataset.open(harvested.dataset).record("hamilton")
    assert record
    assert (movie["state"], movie["shots"], movie["decoded_frames"]) == ("done", 4, 275)
    assert {told: movie[told] for told in COUNTED_AS.values()} == {
        COUNTED_AS[name]: shard.rows for name, shard in record.shards.items()
    }
    assert movie["tracks"] >= 4
    assert movie["links"] >= 4
    assert movie["drops"]["track: short"] > 0
    assert (harvested.summary["done"], harvested.summary["skipped"], harvested.summary["failed"]) == (1, 0, 0)
    assert {"decode", "detect", "track", "quality", "chips", "embed"} <= set(harvested.summary["stages"])
    assert not (harvested.dataset / staging_folder("hamilton")).exists(), "what waited is gone"


def test_what_is_told_as_dropped_are_detections_which_stand_beside_boxes() -> None:
    """Not those of a dropped track and the track once more."""
    drops = {"detection: small": 5, "detection: in a short track": 41, "track: short": 7}
    rows = {"shots": 4, "tracks": 7, "links": 7, "faces": 509}
    with out.capture() as said:
        printed(HarvestSummary([MovieState(Movie("hamilton", "h.mp4"), "done", rows=rows, drops=drops)], [], 1.0), "ds")
    head, _, line, *_ = (line.split() for line in said.get().splitlines() if line.strip())
    assert head[-3:] == ["boxes", "dropped", "detections"]
    assert line == ["hamilton", "4", "7", "7", "509", "46"]


def test_sql_finds_what_was_committed(castmine: Castmine, harvested: Harvested) -> None:
    query = "SELECT movie_id, frames, shots, seekable, models FROM movies"
    answered = castmine("sql", query, "--dataset", harvested.dataset, "--format", "csv").out.split()
    assert answered == ["movie_id,frames,shots,seekable,models", "hamilton,275,4,true,scrfd25_mbf"]


def test_where_faces_are_counted_they_are_detected_ones_and_boxes_the_interpolated_too(
    castmine: Castmine, harvested: Harvested
) -> None:
    counts = ("(SELECT sum(faces) FROM tracks)", "(SELECT count(*) FROM faces WHERE detected)", "boxes")
    query = f"SELECT {', '.join(counts)}, (SELECT count(*) FROM faces) FROM movies"
    answered = castmine("sql", query, "--dataset", harvested.dataset, "--format", "csv").out.splitlines()[-1]
    faces, detected, boxes, rows = map(int, answered.split(","))
    assert faces == detected < boxes == rows


def test_two_workers_and_many_segments_give_the_bytes_of_one(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    dataset, out = tmp_path / "dataset", tmp_path / "out.json"
    options = ("--workers", 2, "--segment-minutes", 0.05, "--json", out)
    castmine("harvest", harvested.corpus, "-d", dataset, "--models", harvested.models, *options)
    (movie,) = json.loads(out.read_text())["movies"]
    assert movie["decoded_frames"] > 275, "it really was split: both sides of a border are decoded twice"
    assert movie["seekable"]
    assert digests(dataset) == digests(harvested.dataset)


def test_nothing_to_do_is_found_without_loading_anything_heavy(harvested: Harvested) -> None:
    said = run_lightly("harvest", harvested.corpus, "-d", harvested.dataset, "--models", harvested.models)
    assert "1 unchanged" in said


def test_the_users_facts_are_taken_over_without_a_harvest(harvested: Harvested, tmp_path: Path) -> None:
    dataset, listing = harvested.copy(tmp_path), tmp_path / "corpus.csv"
    movie = harvested.corpus / "hamilton.mp4"
    listing.write_text(f"movie_id,uri,title,cast_size,year,split\nhamilton,{movie},Hamilton & Co,5,2016,train\n")
    before = Dataset.open(dataset).record("hamilton")
    assert before
    run_lightly("harvest", listing, "-d", dataset, "--models", harvested.models)
    after = Dataset.open(dataset).record("hamilton")
    assert after
    facts = after.facts
    assert (facts.title, facts.cast_size, facts.year, facts.split) == ("Hamilton & Co", 5, 2016, "train")
    assert (after.shards, after.committed_at) == (before.shards, before.committed_at)


def test_a_failure_of_an_earlier_try_ends_where_the_movie_is_up_to_date(harvested: Harvested, tmp_path: Path) -> None:
    dataset = Dataset.open(harvested.copy(tmp_path))
    command = ("harvest", harvested.corpus, "-d", dataset.store.root, "--models", harvested.models)
    for stage, left in (("harvest", 0), ("cluster", 1)):
        note_failure(dataset.store, "hamilton", "hamilton.mp4", stage, "VideoDecodeError", "with another config", 1)
        run_lightly(*command)
        assert len(dataset.failures()) == left, stage


def test_a_moved_and_touched_file_is_looked_at_but_not_harvested_again(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    dataset, corpus = harvested.copy(tmp_path), tmp_path / "elsewhere"
    corpus.mkdir()
    shutil.copyfile(harvested.corpus / "hamilton.mp4", corpus / "hamilton.mp4")
    command = ("harvest", corpus, "-d", dataset, "--models", harvested.models)
    before = Dataset.open(dataset).record("hamilton")
    assert before
    assert "1 unchanged" in castmine(*command).out
    after = Dataset.open(dataset).record("hamilton")
    assert after
    assert after.facts.uri == str(corpus / "hamilton.mp4")
    assert (after.shards, after.committed_at) == (before.shards, before.committed_at)
    assert "1 unchanged" in run_lightly(*command), "and not looked at again"


def _other_bytes(corpus: Path, models: Path) -> list[str]:
    (corpus / "hamilton.mp4").write_bytes(b"another film")
    return []


def _touched(corpus: Path, models: Path) -> list[str]:
    os.utime(corpus / "hamilton.mp4", (1, 1))
    return []


def _gone(corpus: Path, models: Path) -> list[str]:
    (corpus / "hamilton.mp4").rename(corpus / "later.mp4")
    return []


def _another_threshold(corpus: Path, models: Path) -> list[str]:
    (models / "card.json").write_text('{"threshold": 0.123}')
    return []


def _another_recogniser(corpus: Path, models: Path) -> list[str]:
    with (models / "mobilefacenet.onnx").open("ab") as file:
        file.write(b"\0")
    return []


@pytest.mark.parametrize(
    ("case", "change", "state"),
    [
        ("nothing", lambda corpus, models: [], "skipped"),
        ("how the work is spread", lambda corpus, models: ["run.workers=7", "run.segment_minutes=1"], "skipped"),
        ("the configuration of another stage", lambda corpus, models: ["cluster.threshold=0.5"], "skipped"),
        ("the stride", lambda corpus, models: ["harvest.stride=2"], "todo"),
        ("a threshold of quality", lambda corpus, models: ["harvest.quality.profile_yaw=30"], "todo"),
        ("the bytes of the movie", _other_bytes, "todo"),
        ("the time of the file", _touched, "todo"),
        ("the file, which is gone", _gone, "todo"),
        ("the threshold of the pack", _another_threshold, "todo"),
        ("a model of the pack", _another_recogniser, "todo"),
    ],
)
def test_a_movie_is_done_again_when_there_changed(
    harvested: Harvested, tmp_path: Path, case: str, change: object, state: str
) -> None:
    corpus, models = tmp_path / "movies", tmp_path / "scrfd25_mbf"
    shutil.copytree(harvested.corpus, corpus)
    models.mkdir()
    for file in harvested.models.iterdir():
        shutil.copyfile(file, models / file.name)
    dataset = Dataset.open(harvested.copy(tmp_path))
    (movie,) = list_corpus(str(corpus))
    _settle(dataset, movie)
    overrides = change(corpus, models)  # type: ignore[operator]
    pack, config = find_pack(str(models)), load_config(None, overrides)
    assert plan_harvest([movie], dataset, pack, config, Selection()).states[movie.movie_id].state == state, case


def _settle(dataset: Dataset, movie: Movie) -> None:
    """Let the dataset know the movie at its new place, as a harvest would."""
    record = dataset.record(movie.movie_id)
    assert record
    facts = record.facts.model_copy(update={"uri": movie.uri})
    put_movie_record(dataset.store, record.model_copy(update={"facts": facts, "stamp": source_stamp(movie.uri)}))


@pytest.mark.slow
def test_another_config_replaces_the_tables_and_the_first_ones_come_back_to_the_byte(
    castmine: Castmine, harvested: Harvested, tmp_path: Path
) -> None:
    dataset = harvested.copy(tmp_path)
    old, files = digests(dataset), shards(dataset)
    command = ("harvest", harvested.corpus, "-d", dataset, "--models", harvested.models, "--workers", 1)
    assert "1 harvested" in castmine(*command, "--set", "harvest.stride=5").out
    assert set(digests(dataset).values()).isdisjoint(set(old.values()) - {old["shots"]})
    assert set(files) < set(shards(dataset)), "files are only added; what no record names is not seen"
    answered = castmine(
        "sql", "SELECT DISTINCT frame % 5 AS rest FROM faces WHERE detected", "-d", dataset, "--format", "csv"
    )
    assert answered.out.split() == ["rest", "0"], "readers see the new faces alone"
    assert "1 harvested" in castmine(*command).out
    assert digests(dataset) == old


@pytest.mark.slow
def test_two_copies_of_one_file_are_two_movies(castmine: Castmine, harvested: Harvested, tmp_path: Path) -> None:
    movie, listing = harvested.corpus / "hamilton.mp4", tmp_path / "corpus.csv"
    listing.write_text(f"movie_id,uri\n../one's,{movie}\ntwo/ü,{movie}\n")
    command = ("harvest", listing, "-d", tmp_path / "dataset", "--models", harvested.models, "--workers", 2)
    assert "2 harvested" in castmine(*command).out
    dataset = Dataset.open(tmp_path / "dataset")
    for movie_id in ("../one's", "two/ü"):
        for name in ("shots", "tracks", "faces", "links"):
            assert set(dataset.table(name, movie_id)["movie_id"].to_pylist()) == {movie_id}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.csv", "dataset"]
