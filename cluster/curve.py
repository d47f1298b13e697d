"""How a movie's score depends on K: agreement with its identities after every merge of an agglomeration."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from cluster.constraints import Floats, Integers
from cluster.linkage import Merge


@dataclass(frozen=True)
class KCurve:
    """WCP and NMI at every K that an agglomeration under cannot-link passes through, K falling."""

    clusters: Integers
    """(k,) K: clusters that hold a named track."""
    wcp: Floats
    """(k,)"""
    nmi: Floats
    """(k,)"""

    def thinned(self, points: int) -> "KCurve":
        """At most about so many points: every K from 1 on where there is room, then in equal ratios."""
        wanted = np.unique(np.geomspace(1, max(int(self.clusters.max(initial=1)), 1), points).round().astype(np.int64))
        kept = np.flatnonzero(np.isin(self.clusters, wanted))
        return KCurve(self.clusters[kept], self.wcp[kept], self.nmi[kept])


def k_curve(
    merges: Iterable[Merge], identities: Sequence[Hashable | None], unknown: Sequence[Hashable | None] = ()
) -> KCurve:
    """The merges of n tracks and their n identities (None: not named; such tracks cluster, and count for nothing).

    `unknown`: identities of tracks that are left out of it; as in `score_movie` they are wrong in WCP, each a cluster
    of its own in NMI, and none in K. Each merge changes two rows of the table of clusters and identities, so the whole
    curve costs one agglomeration and (merges × identities). WCP = Σ_c max_i n_ic / N; NMI = 2 I / (H_identities +
    H_clusters), 1 where both are 0.
    """
    everybody = [*identities, *unknown]
    columns = [identity for identity in dict.fromkeys(everybody) if identity is not None]
    table = np.array([[identity == column for column in columns] for identity in everybody], float)
    scores = _Scores.of(table.reshape(len(everybody), len(columns)), len(identities))
    found = [scores.point()]
    for row, other, _ in merges:
        if scores.merge(row, other):
            found.append(scores.point())
    clusters, wcp, nmi = zip(*found, strict=True)
    return KCurve(np.array(clusters, dtype=np.int64), np.array(wcp), np.array(nmi))


@dataclass
class _Scores:
    """The table of clusters and identities (n, i), and the sums over it that a merge changes in two rows."""

    table: Floats
    total: float
    identity_entropy: float
    """−Σ p log p over identities, times N."""
    clusters: int
    purest: float
    """Σ_c max_i n_ic."""
    cells: float
    """Σ n_ic log n_ic."""
    sizes: float
    """Σ n_c log n_c."""

    @classmethod
    def of(cls, table: Floats, seen: int) -> "_Scores":
        """Of the rows, those of the first `seen` tracks are clusters."""
        total, clusters = float(table.sum()), float(table[:seen].sum())
        of_identity = table.sum(axis=0)
        entropy = float(xlogy(total, total) - xlogy(of_identity, of_identity).sum())
        return cls(table, total, entropy, int(clusters), clusters, 0.0, 0.0)

    def merge(self, row: int, other: int) -> bool:
        """Row `other` becomes part of `row`; whether both held named tracks, so that K has changed."""
        first, second = self.table[row].copy(), self.table[other].copy()
        self.table[row] += second
        if not (first.any() and second.any()):
            return False
        self.clusters -= 1
        for counts, sign in ((first, -1), (second, -1), (self.table[row], 1)):
            self.purest += sign * counts.max()
            self.cells += sign * float(xlogy(counts, counts).sum())
            self.sizes += sign * float(xlogy(counts.sum(), counts.sum()))
        return True

    def point(self) -> tuple[int, float, float]:
        """K, WCP and NMI now."""
        cluster_entropy = float(xlogy(self.total, self.total)) - self.sizes
        joint = float(xlogy(self.total, self.total)) - self.cells
        both = self.identity_entropy + cluster_entropy
        shared = self.identity_entropy + cluster_entropy - joint
        return self.clusters, self.purest / max(self.total, 1), 2 * shared / both if both > 1e-9 else 1.0
