"""Agglomeration under cannot-link against its definition in plain loops, and against scipy where none is given."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from cluster.constraints import Stop, checked_pairs, violations
from cluster.linkage import merge_clusters

LINKAGES = ("average", "complete", "ward", "single")


def between(name, distances, first, second):
    """D of two clusters, as the docstring has it, in exact fractions."""

    def mean(a, b):
        return sum(Fraction(distances[i, j]) for i in a for j in b) / (len(a) * len(b))

    if name in ("complete", "single"):
        return (max if name == "complete" else min)(Fraction(distances[i, j]) for i in first for j in second)
    if name == "average":
        return mean(first, second)
    size = Fraction(2 * len(first) * len(second), len(first) + len(second))
    return size * (mean(first, second) - (mean(first, first) + mean(second, second)) / 2)


def by_the_definition(name, distances, cannot_link, stop):
    """All pairs of clusters are looked at before every merge; exact fractions; the first of equals is taken."""
    clusters = [[row] for row in range(len(distances))]
    forbidden = {frozenset(pair) for pair in cannot_link.tolist()}
    while len(clusters) > (stop.clusters or 1):
        best = None
        for i, first in enumerate(clusters):
            for j in range(i + 1, len(clusters)):
                if any(frozenset((a, b)) in forbidden for a in first for b in clusters[j]):
                    continue
                apart = between(name, distances, first, clusters[j])
                if best is None or apart < best[0]:
                    best = (apart, i, j)
        if best is None or (stop.threshold is not None and best[0] > Fraction(stop.threshold)):
            break
        clusters[best[1]] += clusters.pop(best[2])
    labels = np.zeros(len(distances), dtype=int)
    for label, members in enumerate(sorted(clusters, key=min)):
        labels[members] = label
    return labels


def symmetric(distances):
    return np.triu(distances, 1) + np.triu(distances, 1).T


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 18),
    links=st.integers(0, 30),
    ties=st.booleans(),
    stop=st.one_of(
        st.integers(1, 8).map(lambda k: Stop(clusters=k)),
        st.sampled_from([0, 0.25, 0.5, 1, 2]).map(lambda t: Stop(threshold=t)),
    ),
)
@pytest.mark.parametrize("name", LINKAGES)
def test_labels_are_those_of_the_definition(name, seed, n, links, ties, stop):
    rng = np.random.default_rng(seed)
    # Few integers give many equal distances, all sums exact; fractions with 20 bits are exact too, and hardly ever tie.
    # Ward needs distances of a space, and divides: no exact ties there.
    distances = rng.integers(0, 5, (n, n)) / 4 if ties else rng.integers(0, 2**20, (n, n)) / 2**19
    if name == "ward":
        points = rng.integers(0, 2**10, (n, 4)) / 2**9
        distances = ((points[:, None] - points) ** 2).sum(axis=2) / 2
    distances = symmetric(distances)
    pairs = rng.integers(0, n, (links, 2))
    pairs = checked_pairs(pairs[pairs[:, 0] != pairs[:, 1]], n)
    labels = merge_clusters(distances.copy(), pairs, name, stop.clusters_or(1), stop.threshold_or(np.inf))
    np.testing.assert_array_equal(labels, by_the_definition(name, distances, pairs, stop))
    assert violations(labels, pairs) == 0


@pytest.mark.parametrize("name", LINKAGES)
def test_without_constraints_it_is_scipys(name):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 5))
    squared = ((points[:, None] - points) ** 2).sum(axis=2)
    tree = linkage(points, "ward") if name == "ward" else linkage(squared[np.triu_indices(60, 1)], name)
    for k in (1, 2, 7, 30):
        had = merge_clusters(squared / (2 if name == "ward" else 1), np.zeros((0, 2), np.int64), name, k)
        wanted = fcluster(tree, k, "maxclust")
        assert len(set(zip(had.tolist(), wanted.tolist(), strict=True))) == k
    # scipy's ward distance of two clusters is √2 times the root of the growth of the sum of squares.
    cut = float(np.median(tree[:, 2]))
    had = merge_clusters(
        squared / (2 if name == "ward" else 1),
        np.zeros((0, 2), np.int64),
        name,
        threshold=cut**2 / 2 if name == "ward" else cut,
    )
    assert had.max() + 1 == fcluster(tree, cut, "distance").max()
