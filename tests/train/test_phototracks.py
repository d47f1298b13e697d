"""Shown on photographed faces (bench/phototracks): train part → closed form → dev part, people never seen in training.

The faces are real; tracks, light and continuity are simulated. Base at known K: V-measure 0.903 without constraints.
"""

from functools import reduce
from operator import add

import numpy as np
import pytest

from cluster.constraints import Stop
from cluster.metrics import score_corpus, score_movie
from cluster.movie import cluster_movie
from harvest.errors import TooLittleDataError
from tests.train.tracks import phototracks
from train.calibration import equal_error_threshold
from train.centring import CentringSums, fit_centring
from train.config import CentringConfig
from train.mining import mine_movie
from train.split import split_movies
from train.subspace import SubspaceSums, fit_subspace
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


def measure(movies, tracklets, names, subspace=None):
    return total(
        measure_movie(tracklets[name], movies[name].means, movies[name].links, embedding=subspace) for name in names
    )


@pytest.fixture(scope="module")
def trained(movies, tracklets):
    """The subspace, its own threshold, the base's, and the held-out gains."""
    split = split_movies(dict.fromkeys(movies))
    base = measure(movies, tracklets, split.train)
    subspace = fit_subspace(base.sums)
    gains = refused_gains(
        measure(movies, tracklets, split.validation), measure(movies, tracklets, split.validation, subspace)
    )
    own = equal_error_threshold(measure(movies, tracklets, split.train, subspace).distances)
    return subspace, own.value, equal_error_threshold(base.distances).value, gains


@pytest.fixture(scope="module")
def centred(movies):
    """What `castmine train` makes of the whole train part: how tracks are embedded, and the threshold."""
    centring = fit_centring(total_sums(movies))
    faces = {name: centring.apply_all(movie.faces) for name, movie in movies.items()}
    mined = {name: mine_movie(faces[name], movie.links, by_length=True).tracklets for name, movie in movies.items()}
    subspace = fit_subspace(reduce(add, (SubspaceSums.of(rows) for rows in mined.values())))
    means = {name: centring.track_means(movie.faces) for name, movie in movies.items()}
    measures = total(
        measure_movie(mined[name], means[name], movie.links, embedding=subspace) for name, movie in movies.items()
    )
    return lambda tracks: subspace.embed(centring.track_means(tracks)), equal_error_threshold(measures.distances).value


def total_sums(movies):
    return reduce(add, (CentringSums.of(movie.faces, CentringConfig().degree) for movie in movies.values()))


def score(dev, stop, embed=lambda means: means, of_faces=None):
    scores = []
    for movie in dev.values():
        rows = of_faces(movie.faces) if of_faces else embed(movie.means)
        cast = cluster_movie(rows, movie.links, stop(movie))
        scores.append(score_movie(cast.labels, movie.identities, movie.links))
    return score_corpus(scores)


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


def test_faces_centred_by_their_quality_remove_two_thirds_of_the_error_of_the_base(dev, trained, centred):
    """The figures of the README, of people that training has not seen."""
    embed, threshold = centred
    base, model = score(dev, known), score(dev, known, of_faces=embed)
    assert model.v_measure - base.v_measure >= 0.65 * (1 - base.v_measure)
    own, base_own = score(dev, lambda _: Stop(threshold=threshold), of_faces=embed), trained[2]
    base = score(dev, lambda _: Stop(threshold=base_own))
    assert own.v_measure - base.v_measure >= 0.65 * (1 - base.v_measure)
    assert 0.95 <= own.pcr <= 1.05
    assert own.violations == 0


def test_held_out_gains_are_measured(trained):
    gains = trained[3]
    assert gains["equal_error"].after < gains["equal_error"].before
    assert 0.5 < gains["rho"].after < 1


def test_tracks_of_one_movie_are_refused(movies, tracklets):
    with pytest.raises(TooLittleDataError, match="of 1 movies are too few"):
        fit_subspace(measure(movies, tracklets, ["train000"]).sums)


def test_a_clustering_of_shuffled_tracks_is_the_same(dev, trained):
    movie = next(iter(dev.values()))
    order = np.random.default_rng(0).permutation(len(movie.faces))
    rank = np.argsort(order)
    embedded = trained[0].embed(movie.means)
    plain = cluster_movie(embedded, movie.links, known(movie)).labels
    shuffled = cluster_movie(embedded[order], rank[movie.links], known(movie)).labels[rank]
    assert len(set(zip(plain.tolist(), shuffled.tolist(), strict=True))) == len(set(plain.tolist()))
