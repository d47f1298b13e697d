"""What quality does to a face is taken off: the fit against the plain regression, and what it refuses."""

import numpy as np
import pytest

from harvest.errors import DatasetError
from train.centring import CentringSums, FaceCentring, fit_centring
from train.config import CentringConfig
from train.mining import mine_movie
from train.normalise import l2_normalised


def tracks(seed: int, count: int = 200, size: int = 5) -> list[np.ndarray]:
    """People in a few directions; a short face is drawn to one direction that all people share."""
    rng = np.random.default_rng(seed)
    people = rng.normal(size=(7, size))
    found = []
    for _ in range(count):
        lengths = np.exp(rng.normal(2, 0.3) + 0.05 * rng.normal(size=rng.integers(3, 9)))
        poor = np.clip(2.5 - np.log(lengths), 0, 2)[:, None] * np.eye(size)[0] * 4
        faces = l2_normalised(people[rng.integers(0, 7)] + poor + 0.3 * rng.normal(size=(len(lengths), size)))
        found.append(faces * lengths[:, None])
    return found


def fitted(faces: list[np.ndarray], **settings: float) -> FaceCentring:
    config = CentringConfig(**settings)
    assert config.degree is not None
    centring = fit_centring(CentringSums.of(faces, config.degree), config)
    assert centring
    return centring


def test_the_mean_face_of_each_length_is_the_regression_of_all_faces_in_which_a_track_has_one_vote() -> None:
    faces = tracks(0)
    rows, votes = np.concatenate(faces), np.concatenate([np.full(len(track), len(track) ** -0.5) for track in faces])
    lengths = np.log(np.linalg.norm(rows, axis=1))
    powers = lengths[:, None] ** np.arange(4)
    direct = np.linalg.lstsq(powers * votes[:, None], l2_normalised(rows) * votes[:, None], rcond=None)[0]
    centring = fitted(faces, spread=50)
    np.testing.assert_allclose(powers @ centring.coefficients, powers @ direct, atol=1e-6)
    expected = (l2_normalised(rows) - powers @ direct) * np.exp(3 * (lengths - centring.lengths[0]))[:, None]
    np.testing.assert_allclose(centring.apply(rows), expected, atol=1e-5)


def test_sums_of_movies_add_up_and_one_without_a_track_adds_nothing() -> None:
    faces = tracks(1)
    parts = CentringSums.of(faces[:50], 3) + CentringSums.of([], 3) + CentringSums.of(faces[50:], 3)
    whole = CentringSums.of(faces, 3)
    np.testing.assert_allclose(parts.powers, whole.powers)
    np.testing.assert_allclose(parts.faces, whole.faces)


def test_what_is_left_of_a_face_tells_nothing_of_its_length() -> None:
    rows = np.concatenate(tracks(2))
    centred = fitted(tracks(2), weight=0).apply(rows)
    lengths = np.log(np.linalg.norm(rows, axis=1))
    before, after = (abs(np.corrcoef(lengths, faces[:, 0])[0, 1]) for faces in (l2_normalised(rows), centred))
    assert before > 0.5
    assert after < 0.05


def test_beyond_the_lengths_it_was_fitted_to_mean_face_and_weight_stay_as_they_are() -> None:
    centring = fitted(tracks(3))
    face = np.eye(5)[:1]
    _, _, highest = centring.lengths
    far, farther = (centring.apply(face * np.exp(highest + beyond)) for beyond in (0.0, 5.0))
    np.testing.assert_allclose(far, farther, atol=1e-12)


def test_longer_faces_weigh_more_in_means_and_tracklets() -> None:
    faces = tracks(4, 12)
    centring = fitted(tracks(3))
    prepared = centring.apply_all(faces)
    expected = l2_normalised([face.sum(axis=0) for face in prepared])
    np.testing.assert_allclose(centring.track_means(faces), expected)
    mined = mine_movie(prepared, [(0, 1), (2, 3)], by_length=True)
    for track, views, members in zip(mined.tracks, mined.tracklets, mined.members, strict=True):
        by_hand = l2_normalised([prepared[track][rows].sum(axis=0) for rows in members])
        np.testing.assert_allclose(views, by_hand)


def test_lengths_that_are_all_alike_tell_no_quality() -> None:
    unit = [l2_normalised(track) for track in tracks(5)]
    assert fit_centring(CentringSums.of(unit, 3)) is None
    assert fit_centring(CentringSums.of([], 3)) is None


def test_broken_faces_and_faces_of_another_size_are_refused() -> None:
    with pytest.raises(DatasetError, match="track 1: row 0 holds NaN"):
        CentringSums.of([np.eye(5), np.full((2, 5), np.nan)], 3)
    with pytest.raises(DatasetError, match="a model for 5-d embeddings on a 4-d dataset"):
        fitted(tracks(6)).apply(np.eye(4))
