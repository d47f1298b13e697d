"""The best assignment under cannot-link, against all assignments there are."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.constraints import violations
from cluster.repair import best_assignment


def value(gains, labels):
    return sum(gains[track, label] for track, label in enumerate(labels) if label >= 0)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 3), st.integers(0, 9), st.booleans())
def test_no_assignment_is_better(seed, n, clusters, links, ties):
    rng = np.random.default_rng(seed)
    gains = rng.integers(-2, 4, (n, clusters)).astype(float) if ties else rng.normal(size=(n, clusters))
    gains[rng.random((n, clusters)) < 0.2] = -np.inf
    pairs = rng.integers(0, n, (links, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    labels = best_assignment(gains, pairs)
    assert violations(labels, pairs) == 0
    every = product(range(-1, clusters), repeat=n)
    best = max(value(gains, other) for other in every if not violations(other, pairs))
    np.testing.assert_allclose(value(gains, labels), best, atol=1e-9)


def test_a_crowd_of_sixty_that_wants_one_cluster_is_placed_at_once():
    rng = np.random.default_rng(0)
    gains = rng.random((60, 80)) + np.arange(80) / 40
    pairs = np.argwhere(np.triu(np.ones((60, 60)), 1))
    labels = best_assignment(gains, pairs)
    assert len(set(labels.tolist())) == 60


def test_without_a_violation_every_track_has_its_best():
    gains = np.array([[2.0, 1.0], [1.0, 3.0], [-1.0, -2.0]])
    assert best_assignment(gains, np.array([[0, 1], [1, 2]])).tolist() == [0, 1, -1]
