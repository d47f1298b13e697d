"""Shards that a disk lost: found by one listing, and their records taken back, so that they are made again."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from harvest.dataset.lost_shards import LostShard, lost_shards, take_back
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.errors import DatasetError
from tests.harvest.small_dataset import MOVIE, SHOTS, TRACKS, _movie, make


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make(tmp_path / "dataset")


def none(movies: Iterable[MovieRecord]) -> set[str]:
    """All sources are there."""
    return set()


def repaired(dataset: Dataset) -> list[LostShard]:
    """What was lost, its records taken back."""
    lost = lost_shards(dataset, none)
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
    assert lost_shards(dataset, none) == []


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


def test_a_movie_that_nobody_can_harvest_again_keeps_its_record_and_what_is_left_of_it(dataset: Dataset) -> None:
    shard(dataset, "faces", movie_id="lonely").unlink()
    shard(dataset, "clusters", "hac", "lonely").unlink()
    shard(dataset, "clusters", "hac").unlink()
    asked: list[str] = []

    def without_source(movies: Iterable[MovieRecord]) -> set[str]:
        asked.extend(movie.movie_id for movie in movies)
        return {"lonely"}

    lost = lost_shards(dataset, without_source)
    assert asked == ["lonely"], "what was derived from a movie is made again without its source"
    take_back(dataset, lost)
    assert {(each.movie_id, each.stays) for each in lost} == {("lonely", True), (MOVIE, False)}
    assert dataset.record("lonely")
    assert dataset.derived_record("clusters", "hac", "lonely")
    assert dataset.derived_record("clusters", "hac", MOVIE) is None


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
    assert lost_shards(dataset, none) == []
