"""The best assignment of tracks to given clusters that no cannot-link forbids: a small integer programme a shot.

For the methods that know no constraints (affinity propagation, HDBSCAN): what they found is kept as far as it can be.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from cluster.constraints import Floats, Integers, violations

NOWHERE = -1
"""The label of a track that no column takes."""


def best_assignment(gains: Floats, cannot_link: Integers) -> Integers:
    """Gains (n, K) of each track in each cluster, being in none gains 0 → labels (n,), −1: in none.

    A gain of −∞ forbids. Maximises the sum of gains over all assignments in which no cannot-link pair (m, 2) shares a
    cluster. Cannot-links join tracks of one shot only, so each connected component of their graph is a problem of its
    own, and only those that the best clusters of each track alone violate are solved, by HiGHS through scipy, to
    proven optimality.
    """
    n = len(gains)
    labels = np.full(n, NOWHERE) if not gains.shape[1] else np.where(gains.max(axis=1) > 0, gains.argmax(axis=1), -1)
    if not violations(labels, cannot_link):
        return labels.astype(np.int64)
    graph = csr_array((np.ones(len(cannot_link)), (cannot_link[:, 0], cannot_link[:, 1])), shape=(n, n))
    shots = connected_components(graph, directed=False)[1]
    broken = labels[cannot_link[:, 0]] == labels[cannot_link[:, 1]]
    broken &= labels[cannot_link[:, 0]] != NOWHERE
    for shot in np.unique(shots[cannot_link[broken, 0]]):
        members = np.flatnonzero(shots == shot)
        pairs = np.searchsorted(members, cannot_link[shots[cannot_link[:, 0]] == shot])
        labels[members] = _solve(gains[members], np.unique(np.sort(pairs, axis=1), axis=0))
    return labels.astype(np.int64)


def _solve(gains: Floats, pairs: Integers) -> Integers:
    """One connected component: x[track, cluster] ∈ {0, 1}, each track in at most one cluster, each clique of
    cannot-links at most once in a cluster.

    A track with g cannot-links never needs more than its g + 1 best clusters: one of them is free of the others.
    """
    n, clusters = gains.shape
    degree = np.bincount(pairs.ravel(), minlength=n)
    rank = np.argsort(np.argsort(-gains, axis=1, kind="stable"), axis=1)
    tracks, columns = np.nonzero((rank <= degree[:, None]) & (gains > 0))
    linked = np.zeros((n, n), dtype=np.bool_)
    linked[pairs[:, 0], pairs[:, 1]] = linked[pairs[:, 1], pairs[:, 0]] = True
    member = np.stack([np.isin(np.arange(n), clique) for clique in _cliques(linked, pairs)])
    clique, variable = np.nonzero(member[:, tracks])
    rows = np.concatenate([tracks, n + clique * clusters + columns[variable]])
    kept, rows = np.unique(rows, return_inverse=True)
    at = np.concatenate([np.arange(len(tracks)), variable])
    matrix = csr_array((np.ones(len(rows)), (rows, at)), shape=(len(kept), len(tracks)))
    solved = milp(
        -gains[tracks, columns],
        integrality=np.ones(len(tracks)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix, ub=1),
        options={"mip_rel_gap": 0},
    )
    labels = np.full(n, NOWHERE)
    chosen = solved.x > 0.5
    labels[tracks[chosen]] = columns[chosen]
    return labels


def _cliques(linked: npt.NDArray[np.bool_], pairs: Integers) -> Iterator[Integers]:
    """Groups of tracks that are all linked to each other, which together hold every pair.

    A bound on a whole group says more than one on each of its pairs, so hardly any branching is left.
    """
    open_pairs = linked.copy()
    for first, second in pairs:
        if not open_pairs[first, second]:
            continue
        clique = [first, second]
        candidates = linked[first] & linked[second]
        while candidates.any():
            clique.append(int(candidates.argmax()))
            candidates &= linked[clique[-1]]
        open_pairs[np.ix_(clique, clique)] = False
        yield np.array(clique, dtype=np.int64)
