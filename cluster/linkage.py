"""Agglomeration under cannot-link for every linkage: the nearest two clusters that may merge do, exactly.

n² memory, about n² log n time: the generic algorithm of Müllner 2011 (§3.1) with an infinite distance for cannot-link.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import numpy as np

from cluster.constraints import Floats, Integers

Linkage = Literal["average", "complete", "ward", "single"]
Merge = tuple[int, int, float]
"""Cluster `other`, named by its lowest row, becomes part of cluster `row` < other at distance D: (row, other, D)."""


def merge_clusters(
    distances: Floats,
    cannot_link: Integers,
    linkage: Linkage,
    clusters: int = 1,
    threshold: float = np.inf,
) -> Integers:
    """Symmetric finite distances d (n, n), which are overwritten, and pairs (m, 2) → labels (n,), 0 … by lowest row.

    Starting from single tracks, the two clusters A, B with the smallest D(A, B) ≤ threshold merge, until `clusters` are
    left. D is ∞ where a cannot-link joins A and B, and else, over all a ∈ A, b ∈ B, the mean d (average), the largest
    (complete), the smallest (single), or, ward, with W the mean of d over all ordered pairs within a cluster,

        D(A, B) = 2|A||B| / (|A| + |B|) · (mean d − (W_A + W_B) / 2),

    which is the growth of the sum of squares where d is half the squared Euclidean distance (of unit rows: the cosine
    distance), and d itself for two single tracks. A merged cluster inherits the cannot-links of both, so a
    constraint holds to the end; where constraints forbid every merge, more clusters are left. Ties go to the pair with
    the lowest row, then the lowest other row.
    """
    n = len(distances)
    parent = np.arange(n)
    for row, other, distance in islice(merges(distances, cannot_link, linkage), max(n - clusters, 0)):
        if not distance <= threshold:
            break
        parent[other] = row
    return _labels(parent)


def merges(distances: Floats, cannot_link: Integers, linkage: Linkage) -> Iterator[Merge]:
    """All merges of `merge_clusters`, in their order, until constraints forbid every further one."""
    np.fill_diagonal(distances, np.inf)
    distances[cannot_link[:, 0], cannot_link[:, 1]] = distances[cannot_link[:, 1], cannot_link[:, 0]] = np.inf
    forest = _Forest(distances, linkage)
    while len(distances):
        row = int(forest.bound.argmin())
        distance, other = forest.nearest_after(row)
        if distance > forest.bound[row]:
            forest.bound[row] = distance
            continue
        if np.isinf(distance):
            break
        yield row, other, distance
        forest.merge(row, other)


@dataclass
class _Forest:
    """The clusters so far; one that became part of another has only infinite distances.

    A row's `bound` is a lower bound of its distances to the clusters after it. The D of a merged cluster is never below
    the smaller of its parts' (all four linkages are reducible), so bounds stay valid and a row is looked at again only
    when its bound is the lowest. Sums and extremes of d instead of Lance-Williams updates: the same D, no drift.
    """

    pairs: Floats
    """(n, n): over each pair of clusters the sum (average, ward) or the extreme of d."""
    linkage: Linkage
    sizes: Floats = field(init=False)
    within: Floats = field(init=False)
    """(n,) sum of d over the ordered pairs within a cluster."""
    bound: Floats = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.pairs)
        self.sizes, self.within = np.ones(n), np.zeros(n)
        self.bound = np.array([self.pairs[row, row + 1 :].min(initial=np.inf) for row in range(n)])

    def between(self, row: int, others: slice) -> Floats:
        """D of a cluster to others."""
        pairs = self.pairs[row, others]
        if self.linkage in ("complete", "single"):
            return pairs
        both = self.sizes[row] * self.sizes[others]
        mean: Floats = pairs / both
        if self.linkage == "average":
            return mean
        inner = self.within[row] / self.sizes[row] ** 2 + self.within[others] / self.sizes[others] ** 2
        apart: Floats = 2 * both / (self.sizes[row] + self.sizes[others]) * (mean - inner / 2)
        return apart

    def nearest_after(self, row: int) -> tuple[float, int]:
        """Distance and index of the cluster nearest to `row` among those with a higher index."""
        if row + 1 == len(self.pairs):
            return np.inf, row
        distances = self.between(row, slice(row + 1, None))
        nearest = int(distances.argmin())
        return float(distances[nearest]), row + 1 + nearest

    def merge(self, row: int, other: int) -> None:
        """Cluster `other` becomes part of cluster `row` < other."""
        pairs = self.pairs
        self.within[row] += self.within[other] + 2 * pairs[row, other]
        self.sizes[row] += self.sizes[other]
        pairs[row] = self._joined(pairs[row], pairs[other])
        pairs[row, row] = np.inf
        pairs[:, row] = pairs[row]
        pairs[:, other] = pairs[other] = np.inf
        self.bound[other] = np.inf
        self.bound[row] = self.nearest_after(row)[0]
        # Rounding may put a distance one ulp under both of its parts.
        np.minimum(self.bound[:row], self.between(row, slice(row)), out=self.bound[:row])

    def _joined(self, first: Floats, second: Floats) -> Floats:
        """What is kept of two clusters' pairs with all others; infinity wins in each linkage."""
        if self.linkage == "single":
            return np.where(np.isinf(first) | np.isinf(second), np.inf, np.minimum(first, second))
        joined: Floats = np.maximum(first, second) if self.linkage == "complete" else first + second
        return joined


def _labels(parent: Integers) -> Integers:
    """Every row's label from the row each was merged into, which is always a lower one."""
    root = parent.copy()
    for row in range(len(root)):
        root[row] = root[root[row]]
    return np.unique(root, return_inverse=True)[1].astype(np.int64)
