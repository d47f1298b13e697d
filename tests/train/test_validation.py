"""What a model gained on held-out movies, and when it is refused."""

from dataclasses import replace

import numpy as np
import pytest

from harvest.errors import TooLittleDataError
from tests.train.tracks import made_up_movie
from train.config import CalibrationConfig, TrainConfig
from train.mining import mine_movie
from train.subspace import Subspace
from train.validation import held_out_gains, measure_movie, refused_gains, total

CONFIG = TrainConfig(calibration=CalibrationConfig(pairs=50))


def measured(subspace=None):
    movies = [made_up_movie(seed, tracks=120) for seed in range(3)]
    parts = [
        measure_movie(mine_movie(movie.faces, movie.links).tracklets, movie.means, movie.links, CONFIG, subspace)
        for movie in movies
    ]
    return total(parts)


def test_the_identity_gains_nothing():
    before, after = measured(), measured(Subspace(V=np.eye(8), mean=np.zeros(8)))
    gains, worse = held_out_gains(before, after, CONFIG)
    assert not worse
    assert gains["rho"].after == pytest.approx(gains["rho"].before)
    assert gains["equal_error"].after == gains["equal_error"].before
    assert before.sums.movies == 3


def test_a_map_that_throws_away_what_tells_people_apart_is_refused():
    one_direction = Subspace(V=np.eye(8)[:, :2] * [1, 0.01], mean=np.zeros(8))
    with pytest.raises(TooLittleDataError, match="errs more than the base"):
        refused_gains(measured(), measured(one_direction), CONFIG)
    assert held_out_gains(measured(), measured(one_direction), CONFIG)[1].startswith("on the validation movies")


def test_too_few_pairs_to_tell_give_no_figure_rather_than_a_wrong_one():
    assert (
        "equal_error"
        not in held_out_gains(measured(), measured(), TrainConfig(calibration=CalibrationConfig(pairs=9999)))[0]
    )


def test_a_model_that_mines_other_pairs_is_compared_on_those_of_the_base():
    one_direction = Subspace(V=np.eye(8)[:, :2] * [1, 0.01], mean=np.zeros(8))
    base, poor = measured(), measured(one_direction)
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
