"""Affinity propagation: tracks elect exemplars, and K comes out. scikit-learn's, its result made to keep cannot-links.

Frey & Dueck, Clustering by Passing Messages Between Data Points (2007); the method without K of Multi-Face §5.3.
"""

import warnings

import numpy as np

from cluster.config import ClusterConfig
from cluster.constraints import Integers, Stop
from cluster.repair import NOWHERE, best_assignment
from cluster.tracks import Tracks, order_free


@order_free
def affinity(tracks: Tracks, stop: Stop, config: ClusterConfig) -> Integers:
    """n tracks → labels (n,), 0 … K−1; K and the threshold of `stop` play no part.

    s(i, k) = −(1 − ⟨x_i, x_k⟩); the preference s(k, k) is the median of all s unless the config gives one. Cannot-link:
    all exemplars are kept, each in its own cluster, and the tracks go to them so that the net similarity, affinity
    propagation's own objective Σ s(i, exemplar of i), is the largest that the cannot-links allow; a track may also
    become an exemplar of itself alone, at the preference, and does where none is free that is nearer. Where no
    exemplar was agreed on, every track is one.
    """
    from sklearn.cluster import affinity_propagation  # seconds to load: only where it is used
    from sklearn.exceptions import ConvergenceWarning

    n = len(tracks)
    if n < 2:
        return np.zeros(n, dtype=np.int64)
    similarities = -tracks.distances()
    preference = config.affinity.preference
    preference = float(np.median(similarities)) if preference is None else preference
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "All samples have mutually equal similarities")
        exemplars, _ = affinity_propagation(
            similarities,
            preference=preference,
            damping=config.affinity.damping,
            max_iter=config.affinity.iterations,
            random_state=0,
        )
    exemplars = np.asarray(exemplars, dtype=np.int64)
    gains = similarities[:, exemplars] - preference
    gains[exemplars] = -np.inf
    for first, second in (tracks.cannot_link.T, tracks.cannot_link[:, ::-1].T):
        at = np.flatnonzero(np.isin(second, exemplars))
        gains[first[at], np.searchsorted(exemplars, second[at])] = -np.inf
    gains[exemplars, np.arange(len(exemplars))] = 1
    labels = best_assignment(gains, tracks.cannot_link)
    alone = labels == NOWHERE
    labels[alone] = len(exemplars) + np.arange(alone.sum())
    return labels
