"""VideoClusterNet's clustering against Algorithm 1 written out as plain loops over crops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.config import AdaptConfig, ClusterConfig, SelfDistillConfig, VideoClusterNetConfig
from cluster.constraints import Stop
from cluster.methods.videoclusternet import videoclusternet
from cluster.tracks import Tracks
from harvest.errors import ConfigError


def softmax(outputs):
    return np.exp(outputs - outputs.max()) / np.exp(outputs - outputs.max()).sum()


def by_the_text(student, teacher, temperature):
    """No constraints; crops as lists, one sentence a line."""
    centre = np.concatenate(teacher).mean(axis=0)

    def loss(x, y):
        """Crops as (student, teacher) outputs, each through each branch."""

        def one_way(taught, learned):
            return -float(softmax((taught - centre) / temperature) @ np.log(softmax(learned)))

        return (one_way(x[1], y[0]) + one_way(y[1], x[0])) / 2

    crops = [list(zip(s, t, strict=True)) for s, t in zip(student, teacher, strict=True)]
    own = [
        np.mean([loss(x, y) for i, x in enumerate(track) for y in track[i + 1 :]]) if len(track) > 1 else -np.inf
        for track in crops
    ]
    clusters = [[track] for track in range(len(crops))]
    held = crops
    while True:
        thresholds = [
            np.mean(known) if (known := [own[track] for track in cluster if own[track] > -np.inf]) else -np.inf
            for cluster in clusters
        ]
        group = list(range(len(clusters)))
        for i in range(len(clusters)):
            for j in range(i):
                potential = np.mean([loss(x, y) for x in held[i] for y in held[j]])
                if potential < thresholds[i] or potential < thresholds[j]:
                    group = [group[i] if g == group[j] else g for g in group]
        merged = [
            [track for i, cluster in enumerate(clusters) if group[i] == g for track in cluster]
            for g in dict.fromkeys(group)
        ]
        if len(merged) == len(clusters):
            return clusters
        clusters = merged
        held = [
            [tuple(np.mean([np.mean([crop[b] for crop in crops[t]], axis=0) for t in c], axis=0) for b in (0, 1))]
            for c in clusters
        ]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.sampled_from([0.04, 0.5]), st.booleans())
def test_clusters_are_those_of_the_text(seed, n, temperature, adapted):
    rng = np.random.default_rng(seed)
    centres, counts = rng.normal(size=(3, 5)), rng.integers(1, 5, n)
    student = [centres[rng.integers(3)] + 0.7 * rng.normal(size=(count, 5)) for count in counts]
    teacher = [faces + 0.2 * rng.normal(size=faces.shape) for faces in student]
    config = ClusterConfig(
        videoclusternet=VideoClusterNetConfig(unadapted_temperature=temperature, scale=3),
        adapt=AdaptConfig(selfdistill=SelfDistillConfig(temperature=temperature)),
    )
    tracks = Tracks.of(np.tile([1.0, 0], (n, 1)), [], student, teacher if adapted else None)
    labels = videoclusternet(tracks, Stop(), config)
    if not adapted:
        student = teacher = [3 * faces / np.linalg.norm(faces, axis=1, keepdims=True) for faces in student]
    found = [np.flatnonzero(labels == label).tolist() for label in range(labels.max() + 1)]
    assert sorted(found) == sorted(sorted(cluster) for cluster in by_the_text(student, teacher, temperature))


def test_a_chain_of_matches_is_cut_where_it_would_join_a_cannot_link():
    rng = np.random.default_rng(0)
    faces = [np.eye(8)[0] + 0.3 * rng.normal(size=(6, 8)) for _ in range(5)]
    means = [of_track.mean(axis=0) / np.linalg.norm(of_track.mean(axis=0)) for of_track in faces]
    config = ClusterConfig(videoclusternet=VideoClusterNetConfig(scale=5))
    assert videoclusternet(Tracks.of(means, [], faces), Stop(), config).tolist() == [0] * 5
    labels = videoclusternet(Tracks.of(means, [[0, 1]], faces), Stop(), config)
    assert labels[0] != labels[1]
    assert labels.max() == 1


def test_without_faces_it_says_what_it_needs():
    with pytest.raises(ConfigError, match="compares faces"):
        videoclusternet(Tracks.of(np.eye(2), []), Stop(), ClusterConfig())
