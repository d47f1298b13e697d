"""The threshold from links alone."""

import numpy as np
import pytest

from harvest.errors import TooLittleDataError
from train.calibration import LinkDistances, equal_error_threshold
from train.config import CalibrationConfig

FEW = CalibrationConfig(pairs=1)


def histograms(positive, negative, bins=2000):
    return LinkDistances(*(np.histogram(d, bins, (0, 2))[0] for d in (positive, negative)))


def test_where_the_two_kinds_do_not_overlap_the_middle_between_them_is_taken():
    threshold = equal_error_threshold(histograms([0.1, 0.2], [0.8, 0.9, 1.0]), FEW)
    assert threshold.value == pytest.approx(0.5, abs=1e-3)
    assert threshold.equal_error == 0


def test_where_they_overlap_both_errors_are_equal_and_as_expected():
    rng = np.random.default_rng(0)
    threshold = equal_error_threshold(histograms(rng.normal(0.5, 0.1, 40000), rng.normal(0.9, 0.1, 90000)), FEW)
    assert threshold.value == pytest.approx(0.7, abs=3e-3)
    assert threshold.equal_error == pytest.approx(0.02275, abs=2e-3)
    assert (threshold.positive_pairs, threshold.negative_pairs) == (40000, 90000)


def test_histograms_of_movies_add_up():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 3, 5))
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    links = [[0, 1], [30, 31], [58, 59]]
    whole = LinkDistances.of(rows, rows[:, 0], links)
    parts = LinkDistances.of(rows[:30], rows[:30, 0], links[:1]) + LinkDistances.of(
        rows[30:], rows[30:, 0], np.array(links[1:]) - 30
    )
    assert (whole.positive == parts.positive).all()
    assert (whole.negative == parts.negative).all()


def test_the_hardest_pair_of_a_track_counts_once_and_all_pairs_three_times():
    rows = np.stack([np.eye(4)[:3]] * 5)
    assert LinkDistances.of(rows, np.eye(4), [[0, 1]]).positive.sum() == 5
    assert LinkDistances.of(rows, np.eye(4), [[0, 1]], CalibrationConfig(positives="all")).positive.sum() == 15


def test_a_movie_without_tracks_has_no_distances():
    empty = LinkDistances.of(np.zeros((0, 3, 0)), np.zeros((0, 0)), np.zeros((0, 2)))
    assert empty.positive.sum() == empty.negative.sum() == 0


def test_too_few_pairs_are_refused_with_both_numbers():
    with pytest.raises(TooLittleDataError, match="3 pairs of tracklets and 2 cannot-link pairs are too few"):
        equal_error_threshold(histograms([0.1] * 3, [0.9] * 2))
