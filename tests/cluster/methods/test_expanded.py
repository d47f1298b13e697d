"""Tracks drawn towards their neighbours: against plain vectors, and what must not be drawn."""

import numpy as np
import pytest

from cluster.config import ClusterConfig, ExpandedConfig
from cluster.constraints import Stop
from cluster.methods.expanded import expanded
from cluster.methods.hac import hac
from cluster.tracks import Tracks


def unit(rows):
    return np.asarray(rows) / np.linalg.norm(rows, axis=1, keepdims=True)


def people(seed, tracks=40, spread=0.5, links=12):
    rng = np.random.default_rng(seed)
    rows = unit(np.eye(8)[rng.integers(0, 5, tracks)] + spread * rng.normal(size=(tracks, 8)))
    pairs = rng.integers(0, tracks, (links, 2))
    return Tracks.of(rows[np.lexsort(rows.T[::-1])], pairs[pairs[:, 0] != pairs[:, 1]])


def by_vectors(tracks, threshold, settings):
    """The docstring on the vectors themselves, track by track."""
    linked = {(int(a), int(b)) for pair in tracks.cannot_link for a, b in (pair, pair[::-1])}
    rows = tracks.means
    for _ in range(settings.rounds):
        drawn = []
        for i, row in enumerate(rows):
            others = [j for j in range(len(rows)) if j != i and (i, j) not in linked]
            others = sorted(others, key=lambda j: -float(row @ rows[j]))[: settings.neighbours]
            near = [j for j in others if row @ rows[j] > max(1 - settings.near * threshold, 0)]
            drawn.append(row + sum((row @ rows[j]) * rows[j] for j in near))
        rows = unit(drawn)
    return hac(Tracks.of(rows, tracks.cannot_link), Stop(threshold=settings.stop * threshold), ClusterConfig())


@pytest.mark.parametrize("seed", range(6))
def test_it_is_average_linkage_of_the_drawn_vectors(seed):
    tracks, config = people(seed), ClusterConfig()
    labels = expanded(tracks, Stop(threshold=0.5), config)
    np.testing.assert_array_equal(labels, by_vectors(tracks, 0.5, config.expanded))
    assert 2 < labels.max() < 39


def test_without_a_round_it_is_plain_average_linkage():
    config = ClusterConfig(expanded=ExpandedConfig(rounds=0, stop=1.0))
    for stop in (Stop(threshold=0.4), Stop(clusters=6)):
        np.testing.assert_array_equal(expanded(people(0), stop, config), hac(people(0), stop, config))


def test_a_known_k_is_kept():
    assert expanded(people(1, links=0), Stop(clusters=5), ClusterConfig()).max() + 1 == 5


def test_strangers_are_not_drawn_together():
    apart = Tracks.of(unit(np.eye(6) + 0.15), [])
    assert expanded(apart, Stop(threshold=0.3), ClusterConfig()).max() + 1 == 6


def test_a_similarity_stands_for_the_cosines():
    tracks = people(2)
    other = Tracks.of(np.roll(tracks.means, 1, axis=1), tracks.cannot_link, similarity=_square(tracks.means))
    stop = Stop(threshold=0.5)
    assert len(set(expanded(other, stop, ClusterConfig()))) == len(set(expanded(tracks, stop, ClusterConfig())))


def _square(rows):
    cosines = rows @ rows.T
    return (cosines + cosines.T) / 2
