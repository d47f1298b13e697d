"""Pairs of the pair losses, against the text of each rule written out as plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest.errors import TooLittleDataError
from tests.train.tracks import made_up_movie
from train.config import RankedPairsConfig, TrackPairsConfig
from train.losses.contrastive import ContrastiveLoss
from train.masks import FacePairs, nearest_and_farthest_pairs, ranked_pairs, track_pairs

SEEDS = st.integers(0, 10**6)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def some_links(rng, tracks, links):
    pairs = rng.integers(0, tracks, (links, 2))
    return pairs[pairs[:, 0] != pairs[:, 1]]


def allowed_faces(counts, means, cannot_link, farthest):
    """For each face, the faces it may be a positive and a negative pair with: TSiam, one sentence a line."""
    of = [track for track, count in enumerate(counts) for _ in range(count)]
    positives, negatives = [], []
    for face, track in enumerate(of):
        positives.append({other for other in range(len(of)) if of[other] == track and other != face})
        seen = {b for a, b in cannot_link if a == track} | {a for a, b in cannot_link if b == track}
        if not seen:
            away = [(-float(means[track] @ means[other]), other) for other in range(len(counts)) if other != track]
            seen = {other for _, other in sorted(away, key=lambda pair: (-pair[0], pair[1]))[:farthest]}
        negatives.append({other for other in range(len(of)) if of[other] in seen})
    return positives, negatives


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.integers(1, 9), st.integers(0, 8), st.integers(1, 4), st.integers(0, 4), st.integers(0, 5))
def test_track_pairs_are_drawn_from_the_faces_the_text_allows(seed, tracks, links, farthest, positives, negatives):
    rng = np.random.default_rng(seed)
    counts, means = rng.integers(0, 6, tracks), unit(rng.normal(size=(tracks, 5)))
    cannot_link = some_links(rng, tracks, links)
    config = TrackPairsConfig(positives=positives, negatives=negatives, farthest=farthest)
    had = track_pairs(counts, means, cannot_link, rng, config)
    assert len(np.unique(had.pairs, axis=0)) == len(had.pairs) == len(had.must_link)
    for alike, most, allowed in zip(
        (True, False), (positives, negatives), allowed_faces(counts, means, cannot_link, farthest), strict=True
    ):
        pairs = had.pairs[had.must_link == alike].tolist()
        for face, candidates in enumerate(allowed):
            drawn = [second for first, second in pairs if first == face]
            assert len(drawn) == min(most, len(candidates))
            assert set(drawn) <= candidates


def test_every_allowed_face_is_drawn_equally_often():
    counts, means = [4, 3, 5], np.eye(3)
    rng, times = np.random.default_rng(0), np.zeros((12, 12))
    for _ in range(4000):
        first, second = track_pairs(counts, means, [[0, 1], [0, 2]], rng).pairs.T
        times[first, second] += 1
    # Face 0: 2 of its 3 companions, 4 of the 8 faces of tracks 1 and 2. Face 4, of track 1: all of tracks 1 and 0.
    expected = np.array([0, 2 / 3, 2 / 3, 2 / 3, *[1 / 2] * 8])
    np.testing.assert_allclose(times[0] / 4000, expected, atol=0.03)
    np.testing.assert_array_equal(times[4] / 4000, [1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0])


def test_the_same_generator_gives_the_same_pairs():
    movie = made_up_movie(0)
    counts = [len(faces) for faces in movie.faces]
    first, second = (track_pairs(counts, movie.means, movie.links, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first.pairs, second.pairs)


def by_rank(faces, pairs_wanted):
    """SSiam and pseudo-RF over all faces, one sentence a line: positives and negatives as (i, j), i < j."""
    faces = unit(faces)
    found: tuple[dict[tuple[int, int], float], ...] = ({}, {})
    for face in range(len(faces)):
        others = [(1 - float(faces[face] @ faces[other]), other) for other in range(len(faces)) if other != face]
        for kind, (distance, other) in enumerate((min(others), max(others, key=lambda o: (o[0], -o[1])))):
            found[kind][(min(face, other), max(face, other))] = distance
    both = found[0].keys() & found[1].keys()
    nearest, farthest = ({pair: d for pair, d in kind.items() if pair not in both} for kind in found)
    hard_positives = sorted(nearest, key=lambda pair: (-nearest[pair], pair))[:pairs_wanted]
    return hard_positives, sorted(farthest, key=lambda pair: (farthest[pair], pair))[:pairs_wanted]


def as_sets(pairs):
    return [set(map(tuple, pairs.pairs[pairs.must_link == alike].tolist())) for alike in (True, False)]


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.integers(3, 30), st.integers(1, 8))
def test_ranked_pairs_are_the_farthest_nearest_and_the_nearest_farthest(seed, n, k):
    rng = np.random.default_rng(seed)
    faces = rng.normal(size=(n, 6))
    had = ranked_pairs(faces, rng, RankedPairsConfig(pairs=k))
    assert as_sets(had) == [set(kind) for kind in by_rank(faces, k)]
    each = nearest_and_farthest_pairs(faces, rng)
    assert as_sets(each) == [set(kind) for kind in by_rank(faces, None)]


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.integers(10, 40), st.integers(3, 9))
def test_a_subset_is_ranked_as_if_there_were_no_others(seed, n, subset):
    rng = np.random.default_rng(seed)
    faces = rng.normal(size=(n, 6))
    had = ranked_pairs(faces, np.random.default_rng(seed), RankedPairsConfig(subset=subset, pairs=4))
    chosen = np.sort(np.random.default_rng(seed).choice(n, subset, replace=False))
    assert as_sets(had) == [{tuple(chosen[list(pair)]) for pair in kind} for kind in by_rank(faces[chosen], 4)]


def test_two_faces_have_no_nearest_and_farthest():
    with pytest.raises(TooLittleDataError, match="2 faces have no nearest"):
        ranked_pairs(np.eye(2), np.random.default_rng(0))


def test_pairs_are_what_the_contrastive_loss_and_the_loop_take():
    movie = made_up_movie(1)
    counts = [len(faces) for faces in movie.faces]
    had = track_pairs(counts, movie.means, movie.links, np.random.default_rng(0))
    faces = np.concatenate(movie.faces)
    loss = ContrastiveLoss()(torch.as_tensor(unit(faces)), *map(torch.as_tensor, had.masks(len(faces))))
    squared = ((unit(faces)[had.pairs[:, 0]] - unit(faces)[had.pairs[:, 1]]) ** 2).sum(axis=1)
    short = np.maximum(1 - np.sqrt(squared[~had.must_link]), 0) ** 2
    assert float(loss) == pytest.approx((squared[had.must_link].mean() + short.mean()) / 2)
    used, masks = had.batch(faces)
    assert len(used) == len(faces)
    np.testing.assert_array_equal(masks, had.masks(len(faces)))


def test_no_pair_gives_empty_masks():
    empty = FacePairs(np.zeros((0, 2), np.int64), np.zeros(0, np.bool_))
    assert not np.any(empty.masks(3))
    assert len(track_pairs([], np.zeros((0, 4)), [], np.random.default_rng(0)).pairs) == 0
