"""Coarse matching against the rule's text written out with scipy's densities, one track at a time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from cluster.adapt.coarse_matching import matched_tracks
from cluster.config import CoarseMatchingConfig
from tests.cluster.adapt.movies import made_up

NONE = np.zeros((0, 2), np.int64)


def by_the_text(outputs, cannot_link, unknown, config):
    means = np.array([rows.mean(axis=0) for rows in outputs])
    axes = np.linalg.svd(means - means.mean(axis=0))[2][: config.dimensions]
    crops = [rows @ axes.T for rows in outputs]
    every = np.concatenate(crops)
    total = (every - every.mean(axis=0)).T @ (every - every.mean(axis=0)) / len(every)
    seen = {tuple(pair) for pair in cannot_link.tolist()} | {tuple(pair[::-1]) for pair in cannot_link.tolist()}
    found = []
    for t, own in enumerate(crops):
        scatter = sum(np.outer(x - own.mean(axis=0), x - own.mean(axis=0)) for x in own) / len(own)
        covariance = (1 - config.shrinkage) * scatter + config.shrinkage * total
        gaussian = multivariate_normal(own.mean(axis=0), covariance)
        densities = sorted(float(gaussian.pdf(x)) for x in own)
        bar = np.mean(densities[: max(1, -(-len(own) // 4))])
        for other in range(len(crops)):
            if other == t or unknown[t] or unknown[other] or (t, other) in seen:
                continue
            if gaussian.pdf(crops[other].mean(axis=0)) >= bar:
                found.append([t, other])
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.sampled_from([0.2, 0.6]), st.sampled_from([0.3, 0.9]))
def test_matches_are_those_of_the_text(seed, dimensions, spread, shrinkage):
    faces, links, _ = made_up(seed, tracks=12, people=3, size=6, faces=5, spread=spread)
    unknown = np.random.default_rng(seed).random(12) < 0.2
    config = CoarseMatchingConfig(dimensions=dimensions, shrinkage=shrinkage)
    assert matched_tracks(faces, links, unknown, config).tolist() == by_the_text(faces, links, unknown, config)


def test_clear_people_match_themselves_and_nobody_who_was_seen_with_them():
    faces, _, who = made_up(tracks=30, people=3, spread=0.15, faces=8)
    config = CoarseMatchingConfig(dimensions=2)
    matches = matched_tracks(faces, NONE, np.zeros(30, dtype=bool), config)
    assert len(matches) > 30
    assert (who[matches[:, 0]] == who[matches[:, 1]]).mean() > 0.95
    left = matched_tracks(faces, matches[:5], np.zeros(30, dtype=bool), config).tolist()
    assert not any(pair in left or pair[::-1] in left for pair in matches[:5].tolist())


def test_one_face_a_track_and_equal_faces_are_no_error():
    faces, links, _ = made_up(faces=1)
    assert len(matched_tracks(faces, links, np.zeros(24, dtype=bool), CoarseMatchingConfig())) == 0
    same = tuple(np.ones((3, 4)) for _ in range(5))
    assert len(matched_tracks(same, NONE, np.zeros(5, dtype=bool), CoarseMatchingConfig())) == 20
