"""Hard positives and hard negatives, against the text of the paper written out as plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest.errors import DatasetError
from tests.train.tracks import made_up_movie
from train.config import MiningConfig
from train.mining import mine_movie, mine_track
from train.normalise import l2_normalised


def by_the_text(faces, views):
    """Multi-Face §3, one sentence a line."""
    faces = [np.array(face, dtype=float) / np.linalg.norm(face) for face in faces]

    def distance(i, j):
        return float(((faces[i] - faces[j]) ** 2).sum())

    best, anchor, positive = -1.0, 0, 0
    for i in range(len(faces)):
        for j in range(i + 1, len(faces)):
            if distance(i, j) > best:
                best, anchor, positive = distance(i, j), i, j
    rest, means, centre = list(range(len(faces))), [], anchor
    for view in range(views):
        if view == 1:
            centre = positive
        if view > 1:
            centre = max(rest, key=lambda i: (distance(anchor, i), -i))
        chosen = sorted(rest, key=lambda i: (distance(centre, i), i))[: len(faces) // views]
        rest = [i for i in rest if i not in chosen]
        mean = np.mean([faces[i] for i in sorted(chosen)], axis=0)
        means.append(mean / np.linalg.norm(mean))
    return np.array(means)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(0, 20), st.booleans())
def test_tracklets_are_those_of_the_text(seed, views, extra, repeated_faces):
    rng = np.random.default_rng(seed)
    faces = rng.normal(size=(views + extra, 6))
    if repeated_faces:
        faces = faces[rng.integers(0, len(faces), len(faces))]
    mined, members = mine_track(faces, MiningConfig(views=views)) or pytest.fail("not mined")
    np.testing.assert_array_equal(mined, l2_normalised([l2_normalised(faces)[rows].mean(axis=0) for rows in members]))
    np.testing.assert_allclose(mined, by_the_text(faces, views), atol=1e-12)


def test_a_track_with_fewer_faces_than_views_is_not_mined():
    assert mine_track(np.eye(4)[:2]) is None


def test_the_remainder_of_the_faces_is_left_out():
    faces = np.array([[1, 0], [0, 1], [1, 0.1], [0.1, 1], [1, 1], [1, 1.05], [1, 0.2], [1, 1.1]])
    (anchor, first, _), _ = mine_track(faces) or pytest.fail("not mined")
    np.testing.assert_allclose(anchor, [1 / np.hypot(1, 0.0499), 0.0499 / np.hypot(1, 0.0499)], atol=1e-3)
    np.testing.assert_allclose(first, anchor[::-1], atol=1e-3)


@pytest.mark.parametrize(
    ("faces", "word"),
    [([[1.0, 0], [np.nan, 0], [0, 1]], "row 1"), ([[1.0, 0], [0, 1], [0, 0]], "row 2")],
    ids=["a NaN is named by its row", "a face of zeros is named by its row"],
)
def test_broken_embeddings_are_refused(faces, word):
    with pytest.raises(DatasetError, match=word):
        mine_track(np.array(faces))


def test_the_hard_negative_is_the_nearest_of_the_tracks_seen_together():
    movie = made_up_movie(3)
    mined = mine_movie(movie.faces, movie.links)
    means = movie.means
    for track, views, negative in zip(mined.tracks, mined.tracklets, mined.hard_negatives, strict=True):
        partners = sorted({b for a, b in movie.links if a == track} | {a for a, b in movie.links if b == track})
        assert negative == min(partners, key=lambda other: (np.linalg.norm(means[other] - views[0]), other))


def test_only_tracks_with_a_partner_and_enough_faces_are_mined_in_order():
    tracks = [np.eye(3), np.eye(3)[:2], np.eye(3) + 0.1, np.eye(3) + 0.2]
    mined = mine_movie(tracks, [[0, 1], [1, 3]])
    assert mined.tracks.tolist() == [0, 3]
    assert mined.tracklets.shape == (2, 3, 3)
    assert mined.hard_negatives.tolist() == [1, 1]


@pytest.mark.parametrize("tracks", [[], [np.eye(3)]], ids=["no track", "one track without a partner"])
def test_a_movie_with_nothing_to_mine_gives_empty_arrays(tracks):
    mined = mine_movie(tracks, np.zeros((0, 2)))
    assert len(mined.tracks) == len(mined.tracklets) == len(mined.hard_negatives) == 0
