"""The permutation test against a plain loop, and on clusterings of which the answer is known."""

import time
from collections import Counter
from functools import cache
from math import log

import numpy as np
import pytest

from cluster.config import ComparisonConfig
from cluster.permutation import Paired, permutation_test

CONFIG = ComparisonConfig(draws=4000)


def movie(seed, tracks=30, people=4, wrong=(0.1, 0.3), unknown=False):
    """Two clusterings that name a share of the tracks wrongly."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, people, tracks)
    found = [np.where(rng.random(tracks) < share, rng.integers(0, people, tracks), true) for share in wrong]
    if unknown:
        found = [np.where(rng.random(tracks) < 0.1, -1, labels) for labels in found]
    return Paired(true, *found)


def entropy(names):
    counts = Counter(names).values()
    return -sum(count / len(names) * log(count / len(names)) for count in counts)


def v_measure(true, found):
    """2 I / (H + H)."""
    true, found = tuple(true), tuple(f"alone {i}" if name == -1 else name for i, name in enumerate(found))
    both = entropy(true) + entropy(found)
    return 2 * (both - entropy(tuple(zip(true, found, strict=True)))) / both


def by_loops(movies, draws, whole):
    """Swap, score, count; both clusterings name their clusters alike."""
    rng = np.random.default_rng(1)
    v_of = cache(v_measure)

    def difference(firsts, seconds):
        pairs = zip([m.true.tolist() for m in movies], firsts, seconds, strict=True)
        return np.mean([v_of(tuple(t), tuple(a)) - v_of(tuple(t), tuple(b)) for t, a, b in pairs])

    observed = difference([m.first for m in movies], [m.second for m in movies])
    extreme = 0
    for _ in range(draws):
        firsts, seconds = [], []
        for m in movies:
            swap = np.repeat(rng.random() < 0.5, len(m.true)) if whole else rng.random(len(m.true)) < 0.5
            firsts.append(np.where(swap, m.second, m.first))
            seconds.append(np.where(swap, m.first, m.second))
        extreme += abs(difference(firsts, seconds)) >= abs(observed) - 1e-9
    return observed, (extreme + 1) / (draws + 1)


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_swapping_tracks_is_the_plain_loop(seed, unknown):
    movies = [movie(10 * seed + number, unknown=unknown) for number in range(2)]
    found = permutation_test(movies, CONFIG)
    difference, p = by_loops(movies, 500, whole=False)
    assert found.swapped == "tracks"
    assert found.difference == pytest.approx(difference)
    assert found.p == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / 500 + 1e-4))


def test_swapping_movies_is_the_plain_loop():
    movies = [movie(number, wrong=(0.2, 0.24)) for number in range(20)]
    found = permutation_test(movies, CONFIG)
    difference, p = by_loops(movies, 400, whole=True)
    assert found.swapped == "movies"
    assert found.difference == pytest.approx(difference)
    assert found.p == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / 400 + 1e-4))


def test_the_names_of_clusters_mean_nothing():
    one = movie(0)
    renamed = Paired(one.true, one.first + 7, np.array([3, 0, 2, 1])[one.second])
    assert permutation_test([renamed], CONFIG) == permutation_test([one], CONFIG)


def test_the_same_clustering_twice_is_no_difference_and_a_far_better_one_is_significant():
    one = movie(0)
    same = permutation_test([Paired(one.true, one.first, one.first)], CONFIG)
    assert (same.difference, same.p) == (0, 1)
    apart = permutation_test([movie(1, tracks=200, wrong=(0.0, 0.6))], CONFIG)
    assert apart.difference > 0.3
    assert apart.p == 1 / 4001


def test_chance_alone_is_rarely_significant():
    found = [permutation_test([movie(seed, wrong=(0.2, 0.2))], ComparisonConfig(draws=500)).p for seed in range(60)]
    assert np.mean(np.array(found) <= 0.1) < 0.25
    assert np.median(found) > 0.25


def test_a_hundred_thousand_draws_of_a_movie_take_seconds():
    big = movie(0, tracks=300, people=15, wrong=(0.03, 0.2))
    began = time.process_time()
    first = permutation_test([big], ComparisonConfig())
    assert time.process_time() - began < 20
    assert first == permutation_test([big], ComparisonConfig()), "by the seed"
