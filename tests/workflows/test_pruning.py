"""What left the corpus is removed when asked, unless so much is missing that the corpus itself may be."""

from pathlib import Path

import pytest

from harvest.corpus import Movie
from harvest.dataset.commit import put_movie_record
from harvest.dataset.read import Dataset
from tests.harvest import small_dataset
from workflows.harvest.gone import gone, prune

HERE, ELSEWHERE = "/films", "/archive"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Four movies of HERE, and three that tests/harvest/small_dataset.py makes, of no corpus."""
    made = small_dataset.make(tmp_path / "dataset")
    copies(made, HERE, "a", "b", "c", "d")
    return made


def copies(dataset: Dataset, corpus: str, *names: str) -> None:
    record = dataset.record("empty")
    assert record
    facts = record.facts.model_copy(update={"corpus": corpus})
    for name in names:
        put_movie_record(dataset.store, record.model_copy(update={"movie_id": name, "facts": facts}))


def listed(*names: str) -> list[Movie]:
    return [Movie(name, f"{HERE}/{name}.mp4", corpus=HERE) for name in names]


@pytest.mark.parametrize("foreign", [0, 20], ids=["alone", "among many of another corpus"])
def test_of_a_corpus_that_is_mounted_in_part_nothing_is_removed_unless_all_is_asked(
    dataset: Dataset, foreign: int
) -> None:
    copies(dataset, ELSEWHERE, *(f"foreign{number}" for number in range(foreign)))
    movies, before = listed("a"), {record.movie_id for record in dataset.records()}
    missing = gone(dataset, movies)
    assert missing == ("b", "c", "d", "lost")
    refused = prune(dataset, movies, missing, 0.5)
    assert refused.startswith("3 of the 4 movies harvested from this corpus are no longer in it")
    assert "--prune-all" in refused
    assert {record.movie_id for record in dataset.records()} == before
    assert prune(dataset, movies, missing, 1) == ""
    assert {record.movie_id for record in dataset.records()} == before - {"b", "c", "d"}


def test_half_of_a_corpus_may_go(dataset: Dataset) -> None:
    movies = listed("a", "b")
    assert prune(dataset, movies, gone(dataset, movies), 0.5) == ""
    assert not dataset.record("c")
    assert dataset.failures() == []
    assert dataset.record("lonely"), "of no corpus"
