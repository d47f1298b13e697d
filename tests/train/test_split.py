"""Train and validation movies."""

import pytest

from train.split import split_movies

HASHED = {f"movie{number:03d}": None for number in range(400)}


def test_no_movie_is_on_both_sides_and_every_hashed_movie_is_on_one():
    split = split_movies(HASHED)
    assert not set(split.train) & set(split.validation)
    assert sorted(split.train + split.validation) == sorted(HASHED)
    assert 0.2 < len(split.validation) / 400 < 0.3


def test_a_movie_keeps_its_side_when_the_corpus_grows():
    small = split_movies(dict.fromkeys(list(HASHED)[:50]))
    assert set(small.validation) <= set(split_movies(HASHED).validation)


CASES = {
    "the corpus's own column decides": ({"a": "train", "b": "validation", "c": "train"}, ("a", "c"), ("b",)),
    "a movie of another part is on neither side": ({"a": "train", "b": "test", "c": "validation"}, ("a",), ("c",)),
    "a column that names no validation movie is kept": ({"a": "train", "b": "train"}, ("a", "b"), ()),
    "no movie, no side": ({}, (), ()),
}


@pytest.mark.parametrize(("movies", "train", "validation"), CASES.values(), ids=CASES.keys())
def test_split(movies, train, validation):
    split = split_movies(movies)
    assert (split.train, split.validation) == (train, validation)


@pytest.mark.parametrize("number", range(30))
def test_two_movies_always_give_one_to_each_side(number):
    split = split_movies({f"a{number}": None, f"b{number}": None})
    assert len(split.train) == len(split.validation) == 1
