"""What a model gained on held-out movies, and when it is refused."""

from dataclasses import replace

import numpy as np
import pytest

from harvest.errors import TooLittleDataError
from tests.train.tracks import made_up_movie
from train.config import CalibrationConfig, RecognitionConfig, TrainConfig
from train.mining import mine_movie
from train.subspace import Subspace
from train.validation import held_out_gains, measure_movie, refused_gains, total

CONFIG = TrainConfig(calibration=CalibrationConfig(pairs=50))
ONE_DIRECTION = Subspace(V=np.eye(8)[:, :2] * [1, 0.01], mean=np.zeros(8))
"""A map that throws away what tells people apart."""


def measured(subspace=None, held_out=False):
    movies = [made_up_movie(seed, tracks=120) for seed in range(3)]
    mined = [(mine_movie(movie.faces, movie.links).tracklets, movie.means, movie.links) for movie in movies]
    return total(measure_movie(*rows, CONFIG, subspace, held_out) for rows in mined)


def test_the_identity_gains_nothing():
    before, after = measured(None, held_out=True), measured(Subspace(V=np.eye(8), mean=np.zeros(8)), held_out=True)
    gains, worse = held_out_gains(before, after, CONFIG)
    assert not worse
    assert gains["rho"].after == pytest.approx(gains["rho"].before)
    assert list(gains) == ["known_again", "equal_error", "rho"]
    assert gains["known_again"].after == gains["known_again"].before > 0
    assert gains["equal_error"].after == gains["equal_error"].before
    assert before.sums.movies == 3


def test_a_map_that_throws_away_what_tells_people_apart_is_refused():
    with pytest.raises(TooLittleDataError, match="errs more than the base"):
        refused_gains(measured(), measured(ONE_DIRECTION), CONFIG)
    assert held_out_gains(measured(), measured(ONE_DIRECTION), CONFIG)[1].startswith("on the validation movies")


def test_who_knows_people_again_less_often_is_refused_whatever_the_equal_error_says():
    base, poor = measured(None, held_out=True), measured(ONE_DIRECTION, held_out=True)
    flattered = replace(poor, distances=base.distances)
    with pytest.raises(TooLittleDataError, match="knows people again less often than the base"):
        refused_gains(base, flattered, CONFIG)


def test_an_equal_error_that_grew_refuses_only_whom_nobody_is_known_again_by_more_often():
    base, poor = measured(None, held_out=True), measured(ONE_DIRECTION, held_out=True)
    worse = replace(poor, thirds=base.thirds)
    with pytest.raises(TooLittleDataError, match="errs more than the base"):
        refused_gains(base, worse, CONFIG)
    known = replace(base.thirds, farther=np.zeros_like(base.thirds.farther))
    gains = refused_gains(base, replace(worse, thirds=known), CONFIG)
    assert gains["known_again"].after > gains["known_again"].before
    assert gains["equal_error"].after > gains["equal_error"].before


def test_too_few_known_again_to_tell_give_no_figure():
    few = TrainConfig(recognition=RecognitionConfig(pairs=10**6))
    assert "known_again" not in held_out_gains(measured(None, held_out=True), measured(None, held_out=True), few)[0]


def test_too_few_pairs_to_tell_give_no_figure_rather_than_a_wrong_one():
    assert (
        "equal_error"
        not in held_out_gains(measured(), measured(), TrainConfig(calibration=CalibrationConfig(pairs=9999)))[0]
    )


def test_a_model_that_mines_other_pairs_is_compared_on_those_of_the_base():
    base, poor = measured(), measured(ONE_DIRECTION)
    flattered = replace(base, same_pairs=poor)
    assert held_out_gains(base, flattered, CONFIG) == held_out_gains(base, poor, CONFIG)
    assert (flattered + flattered).same_pairs.sums.tracks == 2 * poor.sums.tracks


def test_no_movie_to_learn_from_is_refused():
    with pytest.raises(TooLittleDataError, match="no movie on this side of the split"):
        total([])


def test_a_movie_without_tracks_measures_nothing():
    empty = measure_movie(np.zeros((0, 3, 0)), np.zeros((0, 0)), np.zeros((0, 2)), CONFIG)
    assert (measured() + empty).sums.tracks == measured().sums.tracks
    mapped = measure_movie(np.zeros((0, 3, 8)), np.zeros((0, 8)), [], CONFIG, Subspace(np.eye(8), np.zeros(8)))
    assert mapped.sums.tracks == 0
