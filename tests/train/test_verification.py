"""Verification against definitions spelled out pair by pair, and on the benchmark of photographed faces."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import roc_auc_score

from harvest.errors import DatasetError, TooLittleDataError
from tests.train.tracks import made_up_movie, phototracks
from train.calibration import LinkDistances
from train.config import VerificationConfig
from train.mining import mine_movie
from train.normalise import Floats, l2_normalised, track_means
from train.verification import (
    HardPairs,
    MovieVerification,
    mean_verification,
    median_distance,
    roc_grid,
    verify_corpus,
    verify_movie,
    verify_pairs,
)

CONFIG = VerificationConfig(false_positive_rates=(0.5, 0.1, 0.05, 0.01))


def pair_by_pair(embeddings: Floats, identities: list[str | None]) -> tuple[list[float], list[float]]:
    """Cosine distances of the pairs of one person, and of two people."""
    same: list[float] = []
    different: list[float] = []
    for i, j in combinations([row for row, who in enumerate(identities) if who is not None], 2):
        cosine = embeddings[i] @ embeddings[j] / np.linalg.norm(embeddings[i]) / np.linalg.norm(embeddings[j])
        (same if identities[i] == identities[j] else different).append(1 - cosine)
    return same, different


def accepted(distances: list[float], threshold: float) -> float:
    return sum(distance <= threshold for distance in distances) / len(distances)


@pytest.mark.parametrize("seed", range(4))
def test_rates_are_those_of_the_best_threshold_found_by_trying_each(seed: int) -> None:
    movie = made_up_movie(seed)
    names: list[str | None] = [None if row % 7 == 0 else who for row, who in enumerate(movie.identities)]
    found = verify_pairs(movie.means, names, CONFIG)
    same, different = pair_by_pair(movie.means, names)
    tried = [(accepted(different, threshold), accepted(same, threshold)) for threshold in [-1.0, *same, *different]]
    for rate in CONFIG.false_positive_rates:
        assert found.true_positive_rates[rate] == pytest.approx(max(tpr for fpr, tpr in tried if fpr <= rate))
    assert (found.positive_pairs, found.negative_pairs) == (len(same), len(different))
    truth = [1] * len(same) + [0] * len(different)
    assert found.auc == pytest.approx(roc_auc_score(truth, [-distance for distance in same + different]))
    assert min(abs(fpr - (1 - tpr)) + abs(fpr - found.equal_error) for fpr, tpr in tried) < 0.02


def test_the_curve_rises_to_one_and_passes_through_the_rates_of_the_table() -> None:
    movie = made_up_movie(5)
    config = VerificationConfig()
    found, grid = verify_pairs(movie.means, movie.identities, config), roc_grid(config)
    assert grid[0] == 0
    assert grid[-1] == 1
    assert found.roc[-1] == 1
    assert (np.diff(found.roc) >= 0).all()
    for rate in config.false_positive_rates:
        assert found.roc[np.abs(grid - rate).argmin()] == pytest.approx(found.true_positive_rates[rate], abs=0.02)


def test_people_who_lie_apart_are_told_apart_without_an_error() -> None:
    found = verify_pairs(np.eye(3)[[0, 0, 1, 1, 2]], ["a", "a", "b", "b", "c"], CONFIG)
    assert (found.auc, found.equal_error) == (1.0, 0.0)
    assert set(found.true_positive_rates.values()) == {1.0}


def test_equal_embeddings_tell_nothing() -> None:
    found = verify_pairs(np.ones((6, 4)), list("aabbcc"), CONFIG)
    assert found.auc == 0.5
    assert found.equal_error == 0.5
    assert found.true_positive_rates[0.1] == 0.0


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([None] * 4, id="nobody is named"),
        pytest.param(["a", "a", "a", None], id="one person alone is named"),
        pytest.param(["a", "b", "c", "d"], id="nobody has two tracks"),
        pytest.param(["a", None, None, None], id="one track is named"),
    ],
)
def test_without_both_kinds_of_pairs_there_is_no_figure(names: list[str | None]) -> None:
    with pytest.raises(TooLittleDataError, match="needs both"):
        verify_pairs(np.eye(4), names, CONFIG)


def test_an_embedding_with_nan_is_an_error_not_a_figure() -> None:
    with pytest.raises(DatasetError, match="NaN"):
        verify_pairs(np.array([[1, 0], [np.nan, 1], [0, 1]]), ["a", "a", "b"], CONFIG)


def test_each_movie_has_the_same_weight_however_many_pairs_it_has() -> None:
    large = verify_pairs(np.eye(3)[[0, 0, 0, 0, 1, 1, 2]], list("aaaabbc"), CONFIG)
    small = verify_pairs(np.ones((3, 3)), list("aab"), CONFIG)
    mean = mean_verification([large, small])
    assert mean
    assert mean.auc == pytest.approx(0.75)
    assert mean.true_positive_rates[0.1] == pytest.approx(0.5)
    assert mean.positive_pairs == large.positive_pairs + 1
    assert mean_verification([]) is None


def test_hard_pairs_are_counted_from_the_anchor_and_add_up() -> None:
    tracklets = np.eye(4)[[[0, 0, 1], [0, 1, 1]]]
    pairs = HardPairs.of(tracklets, np.eye(4)[[1, 0]], bins=10)
    assert pairs.positive.tolist() == [1, 0, 0, 0, 0, 3, 0, 0, 0, 0]
    assert pairs.negative.tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert pairs.in_order == 1  # of the second track the negative is the anchor itself
    assert ((pairs + pairs).tracks, (pairs + pairs).in_order) == (4, 2)


@pytest.mark.parametrize(
    ("histogram", "median"), [([0, 4, 0, 0], 0.75), ([1, 0, 0, 1], 0.5), ([0, 0, 0, 0], None), ([2, 1, 1, 0], 0.5)]
)
def test_the_median_lies_within_its_bin(histogram: list[int], median: float | None) -> None:
    assert median_distance(np.array(histogram)) == median


class HalfTurned:
    """A model with an output size of its own."""

    takes_faces = False

    def embed_tracks(self, tracks: Sequence[npt.ArrayLike] | Floats) -> Floats:
        assert isinstance(tracks, np.ndarray)
        assert tracks.ndim == 2
        if not len(tracks):
            return np.zeros((0, 3))
        return l2_normalised(tracks[:, :3] + 0.01)


class HalfTurnedFaces:
    """The same from the raw faces of tracks."""

    takes_faces = True

    def embed_tracks(self, tracks: Sequence[npt.ArrayLike] | Floats) -> Floats:
        return HalfTurned().embed_tracks(track_means(list(tracks)))


def measured(seed: int, model: HalfTurned | HalfTurnedFaces | None = None) -> MovieVerification:
    movie = made_up_movie(seed)
    mined = mine_movie(movie.faces, movie.links)
    return verify_movie(movie.means, mined, movie.links, movie.identities, model, CONFIG, faces=movie.faces)


def test_a_model_that_takes_faces_is_asked_about_the_same_pairs() -> None:
    means, faces = measured(0, HalfTurned()), measured(0, HalfTurnedFaces())
    assert faces.named
    assert means.named
    assert faces.named.auc == means.named.auc
    assert (faces.hard.positive == means.hard.positive).all()
    assert (faces.hard.negative == means.hard.negative).all()
    assert (faces.links.positive == means.links.positive).all()


def test_a_model_is_asked_about_the_pairs_of_the_base() -> None:
    base, model = measured(0), measured(0, HalfTurned())
    assert base.named
    assert model.named
    assert base.hard.tracks == model.hard.tracks
    assert base.named.positive_pairs == model.named.positive_pairs
    assert model.named.auc < base.named.auc
    corpus = verify_corpus([base, measured(1), measured(2)])
    assert corpus.hard.tracks == sum(measured(seed).hard.tracks for seed in range(3))
    assert corpus.links.negative.sum() == sum(measured(seed).links.negative.sum() for seed in range(3))


@pytest.mark.parametrize("model", [None, HalfTurned()])
def test_a_movie_without_tracks_measures_nothing(model: HalfTurned | None) -> None:
    nobody = mine_movie([], np.zeros((0, 2)))
    empty = verify_movie(np.zeros((0, 8)), nobody, np.zeros((0, 2)), [], model, CONFIG)
    assert empty.named is None
    assert empty.hard.tracks == 0
    assert verify_corpus([empty, measured(0, model)]).hard.tracks == measured(0, model).hard.tracks


def test_the_base_figures_of_the_benchmark(bench: Path) -> None:
    """0.923 and 0.694: what the benchmark's description gives for its development part."""
    movies = phototracks(bench / "phototracks/dev.parquet").values()
    mean = mean_verification([verify_pairs(movie.means, movie.identities) for movie in movies])
    assert mean
    assert mean.true_positive_rates[0.1] == pytest.approx(0.923, abs=0.0005)
    assert mean.true_positive_rates[0.01] == pytest.approx(0.694, abs=0.0005)


def test_links_are_counted_as_calibration_counts_them() -> None:
    movie = made_up_movie(0)
    expected = LinkDistances.of(mine_movie(movie.faces, movie.links).tracklets, movie.means, movie.links)
    assert (measured(0).links.positive == expected.positive).all()
    assert (measured(0).links.negative == expected.negative).all()
