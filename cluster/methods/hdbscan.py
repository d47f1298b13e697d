"""HDBSCAN: clusters that stay together over the widest range of densities, the rest Unknown. scikit-learn's.

Campello, Moulavi & Sander, Density-Based Clustering Based on Hierarchical Density Estimates (2013): a baseline from
outside the four papers.
"""

import numpy as np

from cluster.config import ClusterConfig
from cluster.constraints import Integers, Stop
from cluster.repair import NOWHERE, best_assignment
from cluster.tracks import Tracks, order_free


@order_free
def hdbscan(tracks: Tracks, stop: Stop, config: ClusterConfig) -> Integers:
    """n tracks → labels (n,), 0 … K−1 and −1 for Unknown; K and the threshold of `stop` play no part.

    On cosine distances. Cannot-link: of a cluster that breaks some, the fewest tracks become Unknown that must, and of
    all such choices the one whose kept tracks have the largest sum of membership probabilities.
    """
    from sklearn.cluster import HDBSCAN  # seconds to load: only where it is used

    n = len(tracks)
    if n < 2:
        return np.full(n, NOWHERE, dtype=np.int64)
    found = HDBSCAN(
        min_cluster_size=config.hdbscan.cluster,
        min_samples=min(config.hdbscan.samples or config.hdbscan.cluster, n),
        metric="precomputed",
        copy=False,
    ).fit(np.maximum(tracks.distances(), 0))
    labels = np.asarray(found.labels_, dtype=np.int64)
    gains = np.full((n, int(labels.max(initial=NOWHERE)) + 1), -np.inf)
    kept = np.flatnonzero(labels != NOWHERE)
    # All probabilities together weigh less than one track.
    gains[kept, labels[kept]] = 1 + found.probabilities_[kept] / (n + 1)
    labels = best_assignment(gains, tracks.cannot_link)
    there = np.unique(labels[labels != NOWHERE])
    return np.where(labels == NOWHERE, NOWHERE, np.searchsorted(there, labels)).astype(np.int64)
