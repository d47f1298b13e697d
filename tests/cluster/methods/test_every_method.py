"""What every method of METHODS promises, on random instances and at the edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.config import ClusterConfig
from cluster.constraints import Stop, violations
from cluster.methods import METHODS
from cluster.tracks import Tracks

CONFIG = ClusterConfig()
EVERY = pytest.mark.parametrize("name", METHODS)


def made_up(rng, n, links, people, spread):
    """n tracks of 1–4 faces of a few people, with random cannot-links, which may contradict the faces."""
    centres = rng.normal(size=(max(people, 1), 8))
    faces = [centres[rng.integers(len(centres))] + spread * rng.normal(size=(rng.integers(1, 5), 8)) for _ in range(n)]
    means = [of_track.mean(axis=0) / np.linalg.norm(of_track.mean(axis=0)) for of_track in faces]
    pairs = rng.integers(0, max(n, 1), (links, 2))
    return Tracks.of(means, pairs[pairs[:, 0] != pairs[:, 1]], faces)


def run(name, tracks, stop):
    return METHODS[name].cluster(tracks, Stop() if METHODS[name].finds_k else stop, CONFIG)


def same_cluster(labels):
    """(n, n): True where two tracks share a cluster; Unknown shares with none but itself."""
    return (labels[:, None] == labels) & ((labels[:, None] >= 0) | np.eye(len(labels), dtype=bool))


STOPS = st.one_of(
    st.integers(1, 10).map(lambda k: Stop(clusters=k)),
    st.sampled_from([0.05, 0.4, 1.0]).map(lambda t: Stop(threshold=t)),
)


@EVERY
@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 40), st.integers(0, 60), st.integers(1, 8), st.sampled_from([0.1, 1]), STOPS
)
def test_constraints_are_kept_labels_are_complete_and_the_order_of_tracks_plays_no_part(
    name, seed, n, links, people, spread, stop
):
    rng = np.random.default_rng(seed)
    tracks = made_up(rng, n, links, people, spread)
    labels = run(name, tracks, stop)
    assert labels.shape == (n,)
    assert sorted(set(labels.tolist()) - {-1}) == list(range(labels.max() + 1))
    assert violations(labels, tracks.cannot_link) == 0
    assert labels.tobytes() == run(name, tracks, stop).tobytes()
    order = rng.permutation(n)
    shuffled = run(name, tracks.take(order), stop)
    np.testing.assert_array_equal(same_cluster(labels)[np.ix_(order, order)], same_cluster(shuffled))
    np.testing.assert_array_equal(labels[order] == -1, shuffled == -1)


@EVERY
@pytest.mark.parametrize("stop", [Stop(clusters=2), Stop(threshold=0.3), Stop(clusters=3)], ids=str)
def test_equal_distances_are_not_decided_by_the_order_of_tracks(name, stop):
    fan = np.array([[1, 0], [0.8, 0.6], [0.8, -0.6]])  # the first is as near to the second as to the third
    arc = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]])
    ring = np.concatenate([arc, -arc])
    for rows, pairs in ((fan, [[1, 2]]), (fan, []), (ring, [[0, 1], [4, 5], [2, 6]]), (ring, [])):
        tracks = Tracks.of(rows, pairs, [np.stack([row, row]) for row in rows])
        labels = same_cluster(run(name, tracks, stop))
        for seed in range(6):
            order = np.random.default_rng(seed).permutation(len(rows))
            shuffled = same_cluster(run(name, tracks.take(order), stop))
            np.testing.assert_array_equal(labels[np.ix_(order, order)], shuffled)


@EVERY
def test_no_track_gives_no_label(name):
    assert run(name, Tracks.of([], [], []), Stop(clusters=2)).tolist() == []


@EVERY
def test_one_track_is_one_character_but_for_hdbscan_where_it_is_no_cluster(name):
    one = Tracks.of([[1.0, 0]], [], [[[2.0, 0]]])
    assert run(name, one, Stop(threshold=0.5)).tolist() == [-1 if name == "hdbscan" else 0]


@EVERY
@pytest.mark.parametrize("spread", [0.0, 0.1, 2.0], ids=["all the same face", "alike", "unlike"])
def test_tracks_that_are_all_seen_together_are_all_apart(name, spread):
    rng = np.random.default_rng(0)
    faces = [np.ones((3, 4)) + spread * rng.normal(size=(3, 4)) for _ in range(6)]
    means = [of_track.mean(axis=0) / np.linalg.norm(of_track.mean(axis=0)) for of_track in faces]
    labels = run(name, Tracks.of(means, np.argwhere(np.triu(np.ones((6, 6)), 1)), faces), Stop(clusters=1))
    found = labels[labels >= 0]
    assert len(set(found.tolist())) == len(found)
    assert name == "hdbscan" or len(found) == 6


@EVERY
def test_clear_people_are_found_by_every_method(name):
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(4), 8)
    faces = [5 * np.eye(16)[person] + 0.3 * rng.normal(size=(5, 16)) for person in who]
    means = [of_track.mean(axis=0) / np.linalg.norm(of_track.mean(axis=0)) for of_track in faces]
    labels = run(name, Tracks.of(means, [[0, 8], [9, 17]], faces), Stop(clusters=4))
    np.testing.assert_array_equal(same_cluster(labels), same_cluster(who))
