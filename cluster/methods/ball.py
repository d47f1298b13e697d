"""Ball cluster's own clustering: complete linkage, so that no two tracks of a cluster are farther apart than two radii.

Tapaswi et al., Video Face Clustering with Unknown Number of Clusters (2019), §3.3, eq. 8.
"""

import numpy as np

from cluster.config import ClusterConfig
from cluster.constraints import Integers, Stop
from cluster.linkage import merge_clusters
from cluster.tracks import Tracks, by_lowest_row, order_free


def ball(tracks: Tracks, stop: Stop, config: ClusterConfig) -> Integers:
    """n tracks → labels (n,): D(A, B) = max ‖f_a − f_b‖², merging while D ≤ τ = 4b, or until K clusters are left.

    b, the squared radius that a ball model learned, is `config.ball.squared_radius`; where it is not given, τ is the
    representation's own threshold, a cosine distance, doubled: ‖f_a − f_b‖² = 2 (1 − ⟨f_a, f_b⟩) on the unit sphere.
    Cannot-link: merges that would break one are refused, exactly as `merge_clusters` defines it.
    """
    return by_lowest_row(order_free(_merged)(tracks, stop, config))


def _merged(tracks: Tracks, stop: Stop, config: ClusterConfig) -> Integers:
    squared = tracks.distances()
    squared *= 2
    b = config.ball.squared_radius
    if stop.clusters is not None:
        return merge_clusters(squared, tracks.cannot_link, "complete", clusters=stop.clusters)
    tau = 2 * stop.threshold_or(np.inf) if b is None else 4 * b
    return merge_clusters(squared, tracks.cannot_link, "complete", threshold=tau)
