"""HDBSCAN: scikit-learn's where nothing is forbidden; where something is, the fewest tracks become Unknown."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.cluster import HDBSCAN

from cluster.config import ClusterConfig
from cluster.constraints import Stop, violations
from cluster.methods.hdbscan import hdbscan
from cluster.tracks import Tracks


def people(seed, tracks=40):
    rng = np.random.default_rng(seed)
    rows = np.eye(4)[rng.integers(0, 4, tracks)] + 0.15 * rng.normal(size=(tracks, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[np.lexsort(rows.T[::-1])]


def theirs(rows):
    return HDBSCAN(min_cluster_size=3, metric="precomputed", copy=True).fit(np.maximum(1 - rows @ rows.T, 0)).labels_


def test_without_constraints_it_is_scikit_learns():
    rows = people(0)
    np.testing.assert_array_equal(hdbscan(Tracks.of(rows, []), Stop(), ClusterConfig()), theirs(rows))


@pytest.mark.parametrize("seed", range(5))
def test_no_fewer_tracks_could_have_become_unknown(seed):
    rows = people(seed)
    before = theirs(rows)
    within = np.argwhere(np.triu((before[:, None] == before) & (before >= 0), 1))
    pairs = within[np.random.default_rng(seed).choice(len(within), 6, replace=False)]
    labels = hdbscan(Tracks.of(rows, pairs), Stop(), ClusterConfig())
    given_up = np.flatnonzero((labels == -1) & (before >= 0))
    assert violations(labels, pairs) == 0
    for fewer in combinations(np.unique(pairs).tolist(), len(given_up) - 1):
        spared = before.copy()
        spared[list(fewer)] = -1
        assert violations(spared, pairs) > 0
    kept = labels >= 0
    assert len(set(zip(before[kept].tolist(), labels[kept].tolist(), strict=True))) == labels.max() + 1
