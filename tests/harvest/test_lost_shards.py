"""Shards that a disk lost: found by one listing, and their records taken back, so that they are made again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harvest.dataset.commit import put_movie_record
from harvest.dataset.lost_shards import LostShard, lost_shards, take_back
from harvest.dataset.read import Dataset
from harvest.errors import DatasetError
from tests.harvest.small_dataset import MOVIE, SHOTS, TRACKS, _movie, make


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """With the files that its movies were made from."""
    monkeypatch.chdir(tmp_path)
    for movie_id in (MOVIE, "lonely", "empty"):
        source(movie_id).parent.mkdir(exist_ok=True)
        source(movie_id).touch()
    return make(tmp_path / "dataset")


def source(movie_id: str) -> Path:
    return Path(f"{movie_id}.mp4")


def repaired(dataset: Dataset) -> list[LostShard]:
    """What was lost, its records taken back."""
    lost = lost_shards(dataset)
    take_back(dataset, lost)
    return lost


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def shard(dataset: Dataset, table: str, run: str = "", movie_id: str = MOVIE) -> Path:
    record = dataset.derived_record(table, run, movie_id) if run else dataset.record(movie_id)
    assert record
    return Path(dataset.root) / (record.shard if run else record.shards[table]).path  # type: ignore[union-attr]


@pytest.mark.parametrize("harm", [Path.unlink, cut], ids=["gone", "cut short"])
@pytest.mark.parametrize(("table", "run"), [("tracks", ""), ("faces", ""), ("clusters", "hac"), ("clusters", "old")])
def test_a_lost_shard_is_found_and_only_its_record_is_taken_back(
    dataset: Dataset, harm: Callable[[Path], None], table: str, run: str
) -> None:
    assert repaired(dataset) == []
    before = set(dataset.store.files("records"))
    harm(shard(dataset, table, run))
    (lost,) = repaired(dataset)
    assert (lost.movie_id, lost.table, lost.run, lost.stays) == (MOVIE, table, run, False)
    assert before - set(dataset.store.files("records")) == {lost.record}
    assert lost_shards(dataset) == []


def test_a_movie_of_which_one_shard_is_lost_keeps_what_was_derived_from_it_for_its_next_harvest(
    dataset: Dataset,
) -> None:
    before = dataset.snapshot()
    shard(dataset, "faces", movie_id="lonely").unlink()
    repaired(dataset)
    assert dataset.record("lonely") is None
    _movie(dataset, "lonely", "h2", [(0, 0, 20, "start")], [(0, 0, 3, 9, 70, 0)], [], {})
    after = dataset.snapshot()
    assert (after.shards, after.stale) == (before.shards, before.stale), "the same files under the same names"


def test_labels_are_not_taken_back_for_no_command_makes_them_again(dataset: Dataset) -> None:
    shard(dataset, "labels", "labels").unlink()
    assert [(lost.table, lost.stays) for lost in repaired(dataset)] == [("labels", True)]
    assert dataset.derived_record("labels", "labels", MOVIE)


@pytest.mark.parametrize("why", ["its file is gone", "its corpus has it no more", "its corpus is gone"])
def test_a_movie_that_nobody_can_harvest_again_keeps_its_record_and_what_is_left_of_it(
    dataset: Dataset, tmp_path: Path, why: str
) -> None:
    record = dataset.record("lonely")
    assert record
    corpus = tmp_path / "movies"
    if why == "its file is gone":
        source("lonely").unlink()
    else:
        put_movie_record(
            dataset.store, record.model_copy(update={"facts": record.facts.model_copy(update={"corpus": str(corpus)})})
        )
    if why == "its corpus has it no more":
        corpus.mkdir()
        (corpus / "another.mp4").touch()
    shard(dataset, "faces", movie_id="lonely").unlink()
    shard(dataset, "clusters", "hac", "lonely").unlink()
    shard(dataset, "clusters", "hac").unlink()
    assert {(lost.movie_id, lost.stays) for lost in repaired(dataset)} == {("lonely", True), (MOVIE, False)}
    assert dataset.record("lonely")
    assert dataset.derived_record("clusters", "hac", "lonely")
    assert dataset.derived_record("clusters", "hac", MOVIE) is None


def test_a_movie_of_a_corpus_is_taken_back_while_that_lists_it(dataset: Dataset, tmp_path: Path) -> None:
    corpus, record = tmp_path / "movies", dataset.record("lonely")
    assert record
    corpus.mkdir()
    source("lonely").rename(corpus / "lonely.mp4")
    facts = record.facts.model_copy(update={"corpus": str(corpus)})
    put_movie_record(dataset.store, record.model_copy(update={"facts": facts}))
    shard(dataset, "faces", movie_id="lonely").unlink()
    repaired(dataset)
    assert dataset.record("lonely") is None


def test_of_a_dataset_that_is_mostly_not_there_nothing_is_taken_back(dataset: Dataset) -> None:
    for file in list((Path(dataset.root) / "shards").rglob("*.parquet"))[1:]:
        file.unlink()
    records = set(dataset.store.files("records"))
    with pytest.raises(DatasetError, match="is all of the dataset mounted"):
        repaired(dataset)
    assert set(dataset.store.files("records")) == records


def test_what_a_reharvest_left_behind_is_not_lost(dataset: Dataset) -> None:
    shard(dataset, "tracks", movie_id="lonely").unlink()
    _movie(dataset, "lonely", "h9", SHOTS, TRACKS, [], {})
    assert lost_shards(dataset) == []
