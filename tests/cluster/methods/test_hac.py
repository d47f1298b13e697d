"""Constrained average linkage against its definition in plain loops, and its limits."""

import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.config import ClusterConfig, HacConfig
from cluster.constraints import Stop, checked_pairs, violations
from cluster.methods import METHODS
from cluster.methods.hac import hac, merge_by_average
from harvest.errors import ConfigError, DatasetError

CONFIG = ClusterConfig()


def by_the_definition(distances, cannot_link, stop):
    """All pairs of clusters are looked at before every merge; exact fractions; the first of equals is taken."""
    clusters = [[row] for row in range(len(distances))]
    forbidden = {frozenset(pair) for pair in cannot_link.tolist()}
    while len(clusters) > (stop.clusters or 1):
        best = None
        for i, first in enumerate(clusters):
            for j in range(i + 1, len(clusters)):
                pairs = [(a, b) for a in first for b in clusters[j]]
                if any(frozenset(pair) in forbidden for pair in pairs):
                    continue
                mean = sum(Fraction(distances[a, b]) for a, b in pairs) / len(pairs)
                if best is None or mean < best[0]:
                    best = (mean, i, j)
        if best is None or (stop.threshold is not None and best[0] > Fraction(stop.threshold)):
            break
        clusters[best[1]] += clusters.pop(best[2])
    labels = np.zeros(len(distances), dtype=int)
    for label, members in enumerate(sorted(clusters, key=min)):
        labels[members] = label
    return labels


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 22),
    links=st.integers(0, 40),
    ties=st.booleans(),
    stop=st.one_of(
        st.integers(1, 8).map(lambda k: Stop(clusters=k)),
        st.sampled_from([0, 0.25, 0.5, 1, 2]).map(lambda t: Stop(threshold=t)),
    ),
)
def test_labels_are_those_of_the_definition(seed, n, links, ties, stop):
    rng = np.random.default_rng(seed)
    # Few integers give many equal distances, all sums exact; fractions with 20 bits are exact too, and hardly ever tie.
    distances = rng.integers(0, 5, (n, n)) / 4 if ties else rng.integers(0, 2**20, (n, n)) / 2**19
    distances = np.triu(distances, 1) + np.triu(distances, 1).T
    pairs = rng.integers(0, n, (links, 2))
    pairs = checked_pairs(pairs[pairs[:, 0] != pairs[:, 1]], n)
    labels = merge_by_average(distances.copy(), pairs, stop)
    np.testing.assert_array_equal(labels, by_the_definition(distances, pairs, stop))
    assert violations(labels, pairs) == 0


def unit(rows):
    return np.asarray(rows) / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_distance_is_the_cosine_distance():
    rows = unit([[1, 0.0], [1, 0.1], [0, 1], [0.1, 1]])
    assert hac(rows, [], Stop(clusters=2), CONFIG).tolist() == [0, 0, 1, 1]
    assert hac(rows, [], Stop(threshold=0.001), CONFIG).tolist() == [0, 1, 2, 3]
    assert hac(rows, [], Stop(threshold=2), CONFIG).tolist() == [0, 0, 0, 0]


def test_a_cluster_inherits_the_cannot_links_of_its_members():
    rows = unit([[1, 0], [1, 0.01], [1, 0.03], [0, 1]])
    assert hac(rows, [[0, 2]], Stop(clusters=2), CONFIG).tolist() == [0, 0, 1, 1]


def test_k_that_the_constraints_forbid_gives_the_clusters_they_need():
    labels = hac(unit(np.ones((5, 3))), [[0, 1], [1, 2], [0, 2]], Stop(clusters=2), CONFIG)
    assert labels.max() + 1 == 3


def test_more_clusters_than_tracks_gives_one_cluster_a_track():
    assert hac(np.eye(3), [], Stop(clusters=7), CONFIG).tolist() == [0, 1, 2]


def test_a_movie_too_large_for_memory_is_refused_with_the_memory_needed():
    with pytest.raises(ConfigError, match=r"3 tracks need .* raise cluster.hac.tracks"):
        hac(np.eye(3), [], Stop(clusters=1), ClusterConfig(hac=HacConfig(tracks=2)))


def people(tracks, spread):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, 128)) * spread
    return unit(centres[rng.integers(0, 50, tracks)] + rng.normal(size=(tracks, 128)))


@pytest.mark.parametrize("spread", [0, 1, 3], ids=["no structure", "faint clusters", "clear clusters"])
def test_five_thousand_tracks_take_seconds(spread):
    rows = people(5000, spread)
    pairs = np.random.default_rng(1).integers(0, 5000, (10_000, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    began = time.perf_counter()
    labels = hac(rows, pairs, Stop(clusters=50), CONFIG)
    assert time.perf_counter() - began < 10
    assert violations(labels, pairs) == 0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 40), links=st.integers(0, 60), k=st.integers(1, 10))
@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_keeps_the_constraints_is_complete_and_ignores_the_order_of_tracks(method, seed, n, links, k):
    rng = np.random.default_rng(seed)
    rows = unit(rng.normal(size=(n, 8)))
    pairs = rng.integers(0, n, (links, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    labels = METHODS[method](rows, pairs, Stop(clusters=k), CONFIG)
    assert labels.shape == (n,)
    assert sorted(set(labels.tolist()) - {-1}) == list(range(labels.max() + 1))
    assert violations(labels, pairs) == 0
    order = rng.permutation(n)
    shuffled = METHODS[method](rows[order], np.argsort(order)[pairs], Stop(clusters=k), CONFIG)
    same = labels[:, None] == labels
    np.testing.assert_array_equal(same[np.ix_(order, order)], shuffled[:, None] == shuffled)


STOPS = {
    "neither K nor a threshold": {},
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
        hac(np.eye(3), [pair], Stop(clusters=1), CONFIG)
