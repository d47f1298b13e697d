"""Validation by identity: who is kept back, and how a clustering of them is scored."""

import numpy as np
import pytest

from harvest.errors import TooLittleDataError
from train.config import SplitConfig
from train.identities import clustering_score, held_back, person

NAMES = [f"person {number}" for number in range(100)]


def test_five_percent_are_kept_back_the_same_ones_in_any_order() -> None:
    kept = held_back(NAMES * 3)
    assert len(kept) == 5
    assert kept == held_back(NAMES[::-1])
    assert len(held_back(NAMES, SplitConfig(identity_share=0.2))) == 20


@pytest.mark.parametrize("name", ["unknown_e03_10", "Unknown", "label 3"])
def test_a_name_that_says_nobody_joins_no_two_movies(name: str) -> None:
    assert person(name, "bbt_s01e03") != person(name, "buffy_s05e03")
    assert person(name, "bbt_s01e03") == person(name, "bbt_s01e03")


@pytest.mark.parametrize("name", ["sheldon", "3", "the unknown soldier", "label 3 of bbt"])
def test_any_other_name_is_one_person_in_all_movies(name: str) -> None:
    assert person(name, "bbt_s01e03") == person(name, "bbt_s01e04") == name


def test_of_few_identities_two_are_kept_back_and_of_three_nobody_could_learn() -> None:
    assert len(held_back("abcd")) == 2
    with pytest.raises(TooLittleDataError, match="have 3 identities and the method needs at least 4, 2 of them"):
        held_back("abc")


@pytest.mark.parametrize(
    ("squared_radius", "score"),
    [(None, 1.0), (0.04, 1.0), (10.0, 0.0)],
    ids=["K is known", "balls of four radii separate them", "one ball holds all"],
)
def test_a_clustering_is_scored_as_the_paper_stops_it(squared_radius: float | None, score: float) -> None:
    rows = np.repeat(np.eye(3), 4, axis=0) + np.linspace(0, 0.05, 12)[:, None]
    assert clustering_score(rows, list("aaaabbbbcccc"), squared_radius) == pytest.approx(score)
