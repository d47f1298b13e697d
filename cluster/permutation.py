"""Whether two clusterings differ in V-measure by more than chance: a permutation test on paired labels.

Multi-Face §5 (methods.md §1): each draw swaps the two clusterings' labels of a movie, or of a track, at a coin's toss.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.special import xlogy
from sklearn.metrics import v_measure_score

from cluster.config import ComparisonConfig
from cluster.constraints import Floats, Integers
from cluster.metrics import UNKNOWN, unknown_alone

BATCH = 2_000
"""Draws at once: of 300 tracks that differ, 600 cells × 2,000 draws are 10 MB."""


@dataclass(frozen=True)
class Paired:
    """The named tracks of one movie, clustered twice."""

    true: Integers
    """(t,) identity, t ≥ 1."""
    first: Integers
    """(t,) cluster; −1: Unknown, which is a cluster of its own."""
    second: Integers


@dataclass(frozen=True)
class Permutation:
    """What the test found."""

    difference: float
    """V-measure of the first clustering less that of the second, mean over movies."""
    p: float
    """Share of draws, the one of no swap included, whose difference is at least as large in size."""
    swapped: str
    """movies or tracks."""


def permutation_test(movies: Sequence[Paired], config: ComparisonConfig) -> Permutation:
    """Two clusterings of the same movies (one or more); two-sided.

    Where tracks are swapped, the clusters of the second are named after those of the first that they share most tracks
    with, each after one at most, since the names of clusters mean nothing †.
    """
    generator = np.random.default_rng(config.seed)
    if len(movies) >= config.movies:
        own = np.array([_v(movie.true, movie.first) - _v(movie.true, movie.second) for movie in movies])
        observed, swapped = float(own.mean()), "movies"
        drawn = np.concatenate([_signs(generator, size, len(own)) @ own for size in _batches(config.draws)]) / len(own)
    else:
        aligned = [_aligned(movie) for movie in movies]
        observed, swapped = float(np.mean([_v(m.true, m.first) - _v(m.true, m.second) for m in movies])), "tracks"
        drawn = np.mean([_Swaps.of(movie).differences(generator, config.draws) for movie in aligned], axis=0)
    # Sums of logarithms in another order differ in their last bits: what is equal must count as equal.
    extreme = int((np.abs(drawn) >= abs(observed) - 1e-9).sum())
    return Permutation(observed, (extreme + 1) / (config.draws + 1), swapped)


def _v(true: Integers, found: Integers) -> float:
    return float(v_measure_score(true, unknown_alone(found)))


def _signs(generator: np.random.Generator, draws: int, items: int) -> Floats:
    return np.asarray(1.0 - 2.0 * generator.integers(0, 2, (draws, items)), dtype=np.float64)


def _batches(draws: int) -> list[int]:
    return [min(BATCH, draws - start) for start in range(0, draws, BATCH)]


def _aligned(movie: Paired) -> Paired:
    """The same with clusters named 0 …, those of the second after the first's that they share most tracks with; an
    Unknown track is alone under one name in both."""
    names, others = (np.unique(found[found != UNKNOWN]) for found in (movie.first, movie.second))
    first, second = np.searchsorted(names, movie.first), np.searchsorted(others, movie.second)
    in_both = (movie.first != UNKNOWN) & (movie.second != UNKNOWN)
    shared = np.zeros((len(others), len(names)))
    np.add.at(shared, (second[in_both], first[in_both]), 1)
    renamed = len(names) + np.arange(len(others) + 1)
    rows, columns = linear_sum_assignment(shared, maximize=True)
    renamed[rows] = np.where(shared[rows, columns] > 0, columns, renamed[rows])
    alone = len(names) + len(others) + np.arange(len(first))
    return Paired(
        np.unique(movie.true, return_inverse=True)[1],
        np.where(movie.first == UNKNOWN, alone, first),
        np.where(movie.second == UNKNOWN, alone, renamed[second]),
    )


@dataclass(frozen=True)
class _Swaps:
    """The tables of identities and clusters of both, and what swapping each track that differs changes in them.

    V = 2 (H_i + H_c − H_ic) / (H_i + H_c) and only cells and columns of differing tracks change, so a draw is two
    sparse products.
    """

    tracks: int
    identity_sum: float
    """Σ n log n over identities; the same of cells and clusters is what changes."""
    cells: "_Changing"
    clusters: "_Changing"

    @classmethod
    def of(cls, movie: Paired) -> "_Swaps":
        width = int(max(movie.first.max(), movie.second.max())) + 1
        identities = np.bincount(movie.true)
        return cls(
            len(movie.true),
            float(xlogy(identities, identities).sum()),
            _Changing.of(movie.true * width + movie.first, movie.true * width + movie.second),
            _Changing.of(movie.first, movie.second),
        )

    def differences(self, generator: np.random.Generator, draws: int) -> Floats:
        """(draws,) V of the first less V of the second, after each draw's swaps."""
        found = []
        for size in _batches(draws):
            coins = generator.integers(0, 2, (self.cells.change.shape[1], size)).astype(np.float64)
            (first, second), (one, other) = self.cells.after(coins), self.clusters.after(coins)
            found.append(self._v(first, one) - self._v(second, other))
        return np.concatenate(found)

    def _v(self, cells: Floats, clusters: Floats) -> Floats:
        """Σ n log n over cells and over clusters → V."""
        whole = float(xlogy(self.tracks, self.tracks))
        entropies = 2 * whole - self.identity_sum - clusters
        shared = whole - self.identity_sum - clusters + cells
        v: Floats = np.where(entropies > 1e-9, 2 * shared / np.where(entropies > 1e-9, entropies, 1), 1.0)
        return v


@dataclass(frozen=True)
class _Changing:
    """Counts of bins, before any swap, and what the swap of each differing track adds to the first's."""

    first: Integers
    """(bins,) those bins only that swaps change."""
    second: Integers
    fixed: float
    """Σ n log n over the other bins, which are the same for both."""
    change: csr_array
    """(bins, tracks that differ)"""

    @classmethod
    def of(cls, first: Integers, second: Integers) -> "_Changing":
        """Bins (t,) of each track in either clustering."""
        bins = int(max(first.max(), second.max())) + 1
        differ = np.flatnonzero(first != second)
        touched = np.unique(np.concatenate([first[differ], second[differ]]))
        counts, others = np.bincount(first, minlength=bins), np.bincount(second, minlength=bins)
        rest = np.delete(counts, touched)
        rows = np.searchsorted(touched, np.concatenate([second[differ], first[differ]]))
        columns = np.tile(np.arange(len(differ)), 2)
        signs = np.repeat([1.0, -1.0], len(differ))
        change = csr_array((signs, (rows, columns)), shape=(len(touched), len(differ)))
        return cls(counts[touched], others[touched], float(xlogy(rest, rest).sum()), change)

    def after(self, coins: Floats) -> tuple[Floats, Floats]:
        """Coins (tracks that differ, draws), 1: swapped → Σ n log n of either clustering, (draws,) each."""
        moved = (self.change @ coins).round().astype(np.int64)
        most = int(max(self.first.max(initial=0), self.second.max(initial=0)) + self.change.shape[1])
        known = xlogy(np.arange(most + 1), np.arange(most + 1))
        first, second = self.first[:, None] + moved, self.second[:, None] - moved
        return known[first].sum(axis=0) + self.fixed, known[second].sum(axis=0) + self.fixed
