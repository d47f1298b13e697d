"""Affinity propagation: scikit-learn's where nothing is forbidden, else the best of what is allowed."""

from itertools import product

import numpy as np
import pytest
from sklearn.cluster import AffinityPropagation

from cluster.config import AffinityConfig, ClusterConfig
from cluster.constraints import Stop, violations
from cluster.methods.affinity import affinity
from cluster.tracks import Tracks


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def net_similarity(labels, exemplars, similarities, preference):
    """Frey & Dueck's objective: each track with the exemplar of its cluster, each exemplar at the preference."""
    of = [exemplars[label] if label < len(exemplars) else track for track, label in enumerate(labels)]
    return sum(preference if of[track] == track else similarities[track, of[track]] for track in range(len(labels)))


def test_without_constraints_it_is_scikit_learns():
    rows = unit(np.random.default_rng(0).normal(size=(80, 6)))
    rows = rows[np.lexsort(rows.T[::-1])]
    had = affinity(Tracks.of(rows, []), Stop(), ClusterConfig())
    wanted = AffinityPropagation(affinity="precomputed", damping=0.9, max_iter=1000, random_state=0).fit(
        rows @ rows.T - 1
    )
    np.testing.assert_array_equal(had, wanted.labels_)


@pytest.mark.parametrize("seed", range(8))
def test_no_allowed_assignment_to_the_same_exemplars_is_better(seed):
    rng = np.random.default_rng(seed)
    rows = unit(np.eye(3)[rng.integers(0, 3, 9)] + 0.4 * rng.normal(size=(9, 3)))
    rows = rows[np.lexsort(rows.T[::-1])]
    similarities = rows @ rows.T - 1
    preference = float(np.median(similarities))
    exemplars = (
        AffinityPropagation(affinity="precomputed", damping=0.9, max_iter=1000, random_state=0)
        .fit(similarities)
        .cluster_centers_indices_
    )
    pairs = rng.integers(0, 9, (10, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    labels = affinity(Tracks.of(rows, pairs), Stop(), ClusterConfig())
    k = len(exemplars)
    assert labels[exemplars].tolist() == list(range(k))
    choices = [
        [exemplars.tolist().index(track)] if track in exemplars else [*range(k), k + track] for track in range(9)
    ]
    best = max(
        net_similarity(other, exemplars, similarities, preference)
        for other in product(*choices)
        if not violations(other, pairs)
    )
    assert net_similarity(labels, exemplars, similarities, preference) == pytest.approx(best)


def test_a_lower_preference_gives_fewer_characters():
    rows = unit(np.random.default_rng(1).normal(size=(60, 4)))
    few, many = (
        affinity(Tracks.of(rows, []), Stop(), ClusterConfig(affinity=AffinityConfig(preference=preference))).max()
        for preference in (-5, -0.1)
    )
    assert few < many
