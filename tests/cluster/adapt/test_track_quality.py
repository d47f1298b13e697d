"""SER-FIQ and the MAD rule against their texts, written out as loops."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.adapt.heads import build_heads
from cluster.adapt.track_quality import face_quality, unknown_tracks
from cluster.config import TrackQualityConfig

CONFIG = TrackQualityConfig(passes=4)


def test_quality_is_that_of_the_text():
    head, _ = build_heads(6, seed=1)
    faces = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 6))).float()
    masks = np.random.default_rng(7).random((4, 6)) >= 0.5
    expected = []
    for face in faces:
        passes = []
        for mask in masks:
            hidden = head.hidden(face[None])[0] * torch.from_numpy(mask) * 2
            out = head.last(hidden.float()).detach().numpy()
            passes.append(out / np.linalg.norm(out))
        distances = [np.linalg.norm(passes[i] - passes[j]) for i in range(4) for j in range(i)]
        expected.append(2 / (1 + np.exp(np.mean(distances))))
    np.testing.assert_allclose(face_quality(head, faces, CONFIG, seed=7), expected, rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.sampled_from([0.5, 2.7]))
def test_unknown_tracks_are_those_of_the_text(seed, tracks, deviations):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 5, tracks)
    quality, track = rng.random(counts.sum()), np.repeat(np.arange(tracks), counts)
    scores = [np.mean(quality[track == t]) for t in range(tracks)]
    mad = np.median([abs(score - np.median(scores)) for score in scores])
    expected = [bool(mad > 0 and score < np.mean(scores) - deviations * mad) for score in scores]
    found = unknown_tracks(quality, track, TrackQualityConfig(deviations=deviations))
    assert found.tolist() == expected


def test_tracks_of_equal_quality_are_all_kept():
    assert not unknown_tracks(np.full(6, 0.7), np.arange(6), CONFIG).any()
    assert not unknown_tracks(np.array([0.7, 0.7, 0.7, 0.2]), np.arange(4), CONFIG).any()
