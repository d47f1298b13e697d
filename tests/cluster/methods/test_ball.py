"""Ball: complete linkage to four squared radii."""

import numpy as np

from cluster.config import BallConfig, ClusterConfig
from cluster.constraints import Stop
from cluster.methods.ball import ball
from cluster.methods.hac import hac
from cluster.tracks import Tracks


def on_a_circle(*degrees):
    angles = np.radians(degrees)
    return Tracks.of(np.stack([np.cos(angles), np.sin(angles)], axis=1), [])


def test_no_two_tracks_of_a_cluster_are_farther_apart_than_two_radii():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 3))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = ball(Tracks.of(rows, []), Stop(threshold=2), ClusterConfig(ball=BallConfig(squared_radius=0.1)))
    apart = np.linalg.norm(rows[:, None] - rows, axis=2)[labels[:, None] == labels]
    assert 0.5 * np.sqrt(4 * 0.1) < apart.max() <= np.sqrt(4 * 0.1)


def test_the_radius_decides_where_it_is_given_and_the_threshold_where_not():
    tracks = on_a_circle(0, 60, 180)  # ‖f_0 − f_1‖² = 1
    just, short = (ClusterConfig(ball=BallConfig(squared_radius=b)) for b in (0.2501, 0.2499))
    assert ball(tracks, Stop(threshold=0), just).tolist() == [0, 0, 1]
    assert ball(tracks, Stop(threshold=2), short).tolist() == [0, 1, 2]
    assert ball(tracks, Stop(threshold=0.5001), ClusterConfig()).tolist() == [0, 0, 1]
    assert ball(tracks, Stop(threshold=0.4999), ClusterConfig()).tolist() == [0, 1, 2]
    assert ball(tracks, Stop(clusters=2), short).tolist() == [0, 0, 1]


def test_at_a_threshold_it_is_complete_linkage():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 4))
    tracks = Tracks.of(rows / np.linalg.norm(rows, axis=1, keepdims=True), [[0, 1], [2, 3]])
    stop, config = Stop(threshold=0.7), ClusterConfig()
    np.testing.assert_array_equal(ball(tracks, stop, config), hac(tracks, stop, config, linkage="complete"))
