"""The closed form: sums that add up, the eigenproblem, and what it refuses."""

import numpy as np
import pytest
import scipy.linalg

from harvest.errors import DatasetError, TooLittleDataError
from train.config import SubspaceConfig
from train.subspace import SubspaceSums, fit_subspace, view_correlation

ANY_SIZE = SubspaceConfig(tracks_per_dimension=1, movies=1)


def tracklets(seed, tracks=300, views=3, size=6):
    """Views of one track share a part; the first dimensions share most."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(tracks, 1, size)) * np.linspace(2, 0.2, size)
    rows = shared + rng.normal(size=(tracks, views, size)) + np.arange(views)[:, None] * 0.3
    return rows / np.linalg.norm(rows, axis=2, keepdims=True)


def direct(rows):
    """R_B and R_W as the paper writes them."""
    views = [rows[:, view].T - rows[:, view].mean(axis=0)[:, None] for view in range(rows.shape[1])]
    within = sum(X @ X.T for X in views)
    between = sum(X @ Y.T for X in views for Y in views if X is not Y)
    return between, within


def test_sums_of_movies_add_up_to_the_scatters_of_all_tracks():
    rows = tracklets(0)
    sums = SubspaceSums.of(rows[:100]) + SubspaceSums.of(rows[100:120]) + SubspaceSums.of(rows[120:])
    for had, wanted in zip(sums.centred, direct(rows), strict=True):
        np.testing.assert_allclose(had, wanted, atol=1e-10)
    np.testing.assert_allclose(sums.mean, rows.reshape(-1, 6).mean(axis=0), atol=1e-14)
    assert (sums.tracks, sums.movies) == (300, 3)


def test_a_movie_without_tracks_adds_nothing():
    sums = SubspaceSums.of(tracklets(0))
    empty = SubspaceSums.of(np.zeros((0, 3, 0)))
    assert (sums + empty) is sums
    assert (empty + sums) is sums


def test_the_columns_solve_the_generalised_eigenproblem_and_carry_the_root_of_their_eigenvalue():
    sums = SubspaceSums.of(tracklets(1))
    V = fit_subspace(sums, ANY_SIZE).V
    R_B, R_W = direct(tracklets(1))
    ridged = R_W + 1e-2 * np.trace(R_W) / 6 * np.eye(6)
    eigenvalues = np.einsum("dk,de,ek->k", V, ridged, V)
    np.testing.assert_allclose(R_B / 2 @ V, ridged @ V * eigenvalues, atol=1e-9)
    assert (np.diff(eigenvalues) <= 0).all()
    np.testing.assert_allclose(
        eigenvalues,
        scipy.linalg.eigvals(R_B / 2, ridged).real.clip(0)[np.argsort(-scipy.linalg.eigvals(R_B / 2, ridged).real)],
        atol=1e-9,
    )
    assert (V[np.abs(V).argmax(axis=0), np.arange(6)] >= 0).all()


def test_embedding_is_centred_mapped_and_unit():
    subspace = fit_subspace(SubspaceSums.of(tracklets(1)), ANY_SIZE)
    means = tracklets(2)[:, 0]
    mapped = (means - subspace.mean) @ subspace.V
    np.testing.assert_allclose(subspace.embed(means), mapped / np.linalg.norm(mapped, axis=1, keepdims=True))
    assert subspace.embed(tracklets(2)).shape == (300, 3, 6)
    with pytest.raises(DatasetError, match="a model for 6-d embeddings on a 5-d dataset"):
        subspace.embed(means[:, :5])


def test_rho_is_one_for_identical_views_and_about_zero_for_unrelated_ones():
    rng = np.random.default_rng(5)
    same = np.repeat(rng.normal(size=(4000, 1, 6)), 3, axis=1)
    assert view_correlation(SubspaceSums.of(same)) == pytest.approx(1)
    assert abs(view_correlation(SubspaceSums.of(rng.normal(size=(4000, 3, 6))))) < 0.02


def test_rho_is_the_trace_of_the_paper_and_no_invertible_map_changes_it():
    rows, turn = tracklets(6), np.random.default_rng(7).normal(size=(6, 6))
    R_B, R_W = direct(rows)
    expected = np.trace(np.linalg.solve(R_W, R_B)) / 12
    assert view_correlation(SubspaceSums.of(rows)) == pytest.approx(expected)
    assert view_correlation(SubspaceSums.of(rows @ turn)) == pytest.approx(expected)


def test_two_fits_of_the_same_sums_are_equal_to_the_bit():
    first, second = (fit_subspace(SubspaceSums.of(tracklets(1)), ANY_SIZE) for _ in range(2))
    assert first.V.tobytes() == second.V.tobytes()


CONSTANT = np.full((300, 3, 6), 1 / np.sqrt(6))
REFUSED = {
    "fewer tracks than four a dimension are refused with the number needed": (
        [tracklets(0, tracks=10), tracklets(1, tracks=10)],
        SubspaceConfig(),
        "20 tracks of 2 training movies .* at least 24 such tracks",
    ),
    "one movie is refused however many tracks it has": (
        [tracklets(0)],
        SubspaceConfig(),
        "300 tracks of 1 training movies",
    ),
    "no mined track at all is refused": ([tracklets(0)[:0]], SubspaceConfig(), "0 tracks of 0"),
    "constant embeddings are refused": ([CONSTANT, CONSTANT], SubspaceConfig(), "the same vector"),
    "views that contradict each other everywhere are refused": (
        [np.stack([rows, -rows], axis=1) for rows in (tracklets(0)[:, 0], tracklets(1)[:, 0])],
        SubspaceConfig(),
        "not correlated in any direction",
    ),
}


@pytest.mark.parametrize(("movies", "config", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_too_little_to_learn_from(movies, config, message):
    sums = SubspaceSums.of(movies[0])
    for movie in movies[1:]:
        sums = sums + SubspaceSums.of(movie)
    with pytest.raises(TooLittleDataError, match=message):
        fit_subspace(sums, config)


def test_rho_is_refused_where_it_would_be_noise():
    with pytest.raises(TooLittleDataError, match="from 6 tracks"):
        view_correlation(SubspaceSums.of(tracklets(0, tracks=6)))
    with pytest.raises(TooLittleDataError, match="same vector"):
        view_correlation(SubspaceSums.of(CONSTANT * 0))


def test_a_nan_and_a_mixture_of_sizes_are_errors():
    rows = tracklets(0)
    rows[4, 1, 2] = np.nan
    with pytest.raises(DatasetError, match="NaN"):
        SubspaceSums.of(rows)
    with pytest.raises(DatasetError, match="one pack of models"):
        SubspaceSums.of(tracklets(0)) + SubspaceSums.of(tracklets(0, size=5))
