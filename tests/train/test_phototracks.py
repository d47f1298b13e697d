"""Shown on photographed faces (bench/phototracks): train part → closed form → dev part, people never seen in training.

The faces are real; tracks, light and continuity are simulated. Base at known K: V-measure 0.903 without constraints.
"""

from functools import reduce
from operator import add

import numpy as np
import pytest

from cluster.constraints import Stop
from cluster.movie import cluster_movie
from harvest.errors import TooLittleDataError
from tests.cluster.scored import scored, scored_corpus
from tests.train.fitted import as_trained, closed_form
from tests.train.fitted import base as base_of
from tests.train.tracks import phototracks
from train.calibration import equal_error_threshold
from train.config import SubspaceConfig
from train.mining import mine_movie
from train.recognition import ThirdTracks, recognition
from train.split import split_movies
from train.subspace import fit_subspace
from train.validation import measure_movie, refused_gains, total


@pytest.fixture(scope="module")
def movies(bench):
    return phototracks(bench / "phototracks/train.parquet")


@pytest.fixture(scope="module")
def dev(bench):
    return phototracks(bench / "phototracks/dev.parquet")


@pytest.fixture(scope="module")
def tracklets(movies):
    return {name: mine_movie(movie.faces, movie.links).tracklets for name, movie in movies.items()}


def measure(movies, tracklets, names, subspace=None, held_out=False):
    return total(
        measure_movie(tracklets[name], movies[name].means, movies[name].links, embedding=subspace, held_out=held_out)
        for name in names
    )


@pytest.fixture(scope="module")
def trained(movies, tracklets):
    """The subspace, its own threshold, the base's, and the held-out gains."""
    split = split_movies(dict.fromkeys(movies))
    base = measure(movies, tracklets, split.train)
    subspace = fit_subspace(base.sums)
    gains = refused_gains(
        *(measure(movies, tracklets, split.validation, fitted, held_out=True) for fitted in (None, subspace))
    )
    own = equal_error_threshold(measure(movies, tracklets, split.train, subspace).distances)
    return subspace, own.value, equal_error_threshold(base.distances).value, gains


def score(dev, stop, embed=lambda means: means, of_movie=None):
    scores = []
    for movie in dev.values():
        rows = of_movie(movie) if of_movie else embed(movie.means)
        cast = cluster_movie(rows, movie.links, stop(movie))
        scores.append(scored(cast.labels, movie.identities, movie.links))
    return scored_corpus(scores)


def known(movie):
    return Stop(clusters=len(set(movie.identities)))


def test_with_k_known_the_model_is_far_better_than_the_base(dev, trained):
    base, model = score(dev, known), score(dev, known, trained[0].embed)
    assert base.v_measure >= 0.903
    assert model.v_measure >= 0.955
    assert model.wcp > base.wcp
    assert base.violations == model.violations == 0
    assert base.pcr == model.pcr == 1


def test_with_its_own_threshold_k_comes_out_right_without_a_label(dev, trained):
    subspace, threshold, base_threshold, _ = trained
    base = score(dev, lambda _: Stop(threshold=base_threshold))
    model = score(dev, lambda _: Stop(threshold=threshold), subspace.embed)
    assert model.v_measure >= 0.96 > base.v_measure
    assert model.wcp >= 0.96
    assert 0.95 <= model.pcr <= 1.05
    assert model.violations == 0


@pytest.mark.parametrize(
    ("refit", "k_known", "by_threshold"), [(False, 0.62, 0.66), (True, 0.65, 0.66)], ids=["19 movies", "all 24"]
)
def test_the_error_of_the_base_that_centred_faces_remove(movies, dev, refit, k_known, by_threshold):
    """The figures of the README, of people that training has not seen; 0.65 where K is known is the goal.

    `castmine train` fits 19 of the 24 movies, checks itself on the other 5, and is then fitted to all.
    """
    learned = split_movies(dict.fromkeys(movies)).train
    fitted = as_trained(movies) if refit else closed_form(movies[name] for name in learned)
    base, model = score(dev, known), score(dev, known, of_movie=fitted.means)
    assert removed(base, model) >= k_known
    of_dev = base_of(dev.values()).threshold  # as `castmine cluster` calibrates a pack: on what it clusters
    base = score(dev, lambda _: Stop(threshold=of_dev))
    own = score(dev, lambda _: Stop(threshold=fitted.threshold), of_movie=fitted.means)
    assert removed(base, own) >= by_threshold
    assert 0.95 <= own.pcr <= 1.05
    assert own.violations == 0


def removed(base, model):
    return (model.v_measure - base.v_measure) / (1 - base.v_measure)


def test_held_out_gains_are_measured(trained):
    gains = trained[3]
    assert gains["equal_error"].after < gains["equal_error"].before
    assert gains["known_again"].after > gains["known_again"].before
    assert 0.5 < gains["rho"].after < 1


def test_what_one_movie_teaches_is_refused_on_the_movies_held_out(movies, tracklets):
    """By labels too it is worse than the base: TPR at 0.01 FPR 0.615 against 0.669, V-measure 0.888 against 0.910."""
    held_out = split_movies(dict.fromkeys(movies)).validation
    little = SubspaceConfig(movies=1, tracks_per_dimension=1).model_copy(update={"tracks_per_dimension": 0.1})
    one_movie = fit_subspace(measure(movies, tracklets, ["train000"]).sums, little)
    with pytest.raises(TooLittleDataError, match="knows people again less often"):
        refused_gains(*(measure(movies, tracklets, held_out, fitted, held_out=True) for fitted in (None, one_movie)))


def test_movies_held_out_show_without_a_label_what_centred_faces_gain(movies):
    """The equal error does not: it rises from 5.3 % of pairs to 5.5 %; by labels TPR at 0.01 FPR rises from 0.67 to
    0.82."""
    split = split_movies(dict.fromkeys(movies))
    held_out, fitted = [movies[name] for name in split.validation], closed_form(movies[name] for name in split.train)
    base, model = (
        recognition(reduce(add, (ThirdTracks.of(means(movie), movie.links) for movie in held_out))).share
        for means in (lambda movie: movie.means, fitted.means)
    )
    assert model > base + 0.005


def test_tracks_of_one_movie_are_refused(movies, tracklets):
    with pytest.raises(TooLittleDataError, match=r"of 1 training movies .* too few"):
        fit_subspace(measure(movies, tracklets, ["train000"]).sums)


def test_a_clustering_of_shuffled_tracks_is_the_same(dev, trained):
    movie = next(iter(dev.values()))
    order = np.random.default_rng(0).permutation(len(movie.faces))
    rank = np.argsort(order)
    embedded = trained[0].embed(movie.means)
    plain = cluster_movie(embedded, movie.links, known(movie)).labels
    shuffled = cluster_movie(embedded[order], rank[movie.links], known(movie)).labels[rank]
    assert len(set(zip(plain.tolist(), shuffled.tolist(), strict=True))) == len(set(plain.tolist()))
