"""Hierarchical clustering of tracks: its distances, its limits, its speed. The merging itself: test_linkage."""

import time
from functools import partial

import numpy as np
import pytest

from cluster.config import ClusterConfig
from cluster.constraints import Stop, violations
from cluster.methods.hac import hac
from cluster.tracks import Tracks
from harvest.errors import ConfigError, DatasetError

CONFIG = ClusterConfig()


def unit(rows):
    return np.asarray(rows) / np.linalg.norm(rows, axis=1, keepdims=True)


def run(rows, pairs, stop, config=CONFIG, **keywords):
    return hac(Tracks.of(rows, pairs), stop, config, **keywords)


def test_the_distance_is_the_cosine_distance():
    rows = unit([[1, 0.0], [1, 0.1], [0, 1], [0.1, 1]])
    for method in (run, partial(run, linkage="complete"), partial(run, linkage="ward")):
        assert method(rows, [], Stop(clusters=2)).tolist() == [0, 0, 1, 1]
        assert method(rows, [], Stop(threshold=0.001)).tolist() == [0, 1, 2, 3]
        assert method(rows, [], Stop(threshold=2)).tolist() == [0, 0, 0, 0]


def test_two_single_tracks_merge_at_their_cosine_distance_in_every_linkage():
    rows = unit([[1, 0], [3, 4]])  # 1 − 3/5
    for linkage in ("average", "complete", "ward"):
        assert run(rows, [], Stop(threshold=0.4 - 1e-9), linkage=linkage).tolist() == [0, 1]
        assert run(rows, [], Stop(threshold=0.4 + 1e-9), linkage=linkage).tolist() == [0, 0]


def test_a_similarity_stands_for_the_cosines():
    similarity = np.array([[1, 0, 0.9], [0, 1, 0], [0.9, 0, 1]])
    tracks = Tracks.of(unit([[1, 0], [1, 0], [0, 1]]), [], similarity=similarity)
    assert hac(tracks, Stop(clusters=2), CONFIG).tolist() == [0, 1, 0]


def test_a_cluster_inherits_the_cannot_links_of_its_members():
    rows = unit([[1, 0], [1, 0.01], [1, 0.03], [0, 1]])
    assert run(rows, [[0, 2]], Stop(clusters=2)).tolist() == [0, 0, 1, 1]


def test_k_that_the_constraints_forbid_gives_the_clusters_they_need():
    labels = run(unit(np.ones((5, 3))), [[0, 1], [1, 2], [0, 2]], Stop(clusters=2))
    assert labels.max() + 1 == 3


def test_more_clusters_than_tracks_gives_one_cluster_a_track():
    assert run(np.eye(3), [], Stop(clusters=7)).tolist() == [0, 1, 2]


def people(tracks, spread):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, 128)) * spread
    return unit(centres[rng.integers(0, 50, tracks)] + rng.normal(size=(tracks, 128)))


@pytest.mark.parametrize("spread", [0, 1, 3], ids=["no structure", "faint clusters", "clear clusters"])
def test_five_thousand_tracks_take_seconds(spread):
    rows = people(5000, spread)
    pairs = np.random.default_rng(1).integers(0, 5000, (10_000, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    began = time.process_time()
    labels = run(rows, pairs, Stop(clusters=50))
    assert time.process_time() - began < 10
    assert violations(labels, pairs) == 0


STOPS = {
    "both": {"clusters": 2, "threshold": 0.5},
    "no cluster": {"clusters": 0},
    "a threshold that is no cosine distance": {"threshold": 2.5},
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS.keys())
def test_a_stop_that_means_nothing_is_refused(stop):
    with pytest.raises(ConfigError):
        Stop(**stop)


@pytest.mark.parametrize("pair", [[0, 3], [-1, 1], [1, 1]], ids=["beyond the end", "negative", "a track with itself"])
def test_a_pair_that_is_none_is_refused(pair):
    with pytest.raises(DatasetError, match="is no pair of two of the 3 tracks"):
        run(np.eye(3), [pair], Stop(clusters=1))
