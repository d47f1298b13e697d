"""Hierarchical clustering in which two clusters with a cannot-link between them never merge.

The baseline of all four papers (Multi-Face §4.3, BCL §3.3). Each linkage is a method of its own name, so that runs of
two linkages stand side by side in `clusters` and in comparisons.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from cluster.config import ClusterConfig
from cluster.constraints import Integers, Stop
from cluster.linkage import Linkage, Merge, merge_clusters, merges
from cluster.tracks import Tracks, by_lowest_row, order_free


def hac(tracks: Tracks, stop: Stop, config: ClusterConfig, linkage: Linkage = "average") -> Integers:
    """n tracks → labels (n,), 0 … K−1 by each cluster's lowest row, at K or at the threshold.

    Average: D(A, B) = Σ_{a∈A, b∈B} (1 − ⟨x_a, x_b⟩) / (|A| |B|); complete: the largest of them; ward: the growth of the
    sum of squares, which is the cosine distance for two single tracks and grows with their number, so that a threshold
    calibrated for averages leaves more clusters. Cannot-link: merges that would break one are refused, exactly as
    `merge_clusters` defines it.
    """
    return by_lowest_row(order_free(partial(_merged, linkage=linkage))(tracks, stop, config))


def hac_merges(tracks: Tracks, stop: Stop, config: ClusterConfig, linkage: Linkage = "average") -> Iterator[Merge]:
    """Every merge of `hac`, beyond its stop too, which plays no part."""
    return merges(tracks.distances(), tracks.cannot_link, linkage)


def _merged(tracks: Tracks, stop: Stop, config: ClusterConfig, linkage: Linkage) -> Integers:
    return merge_clusters(
        tracks.distances(), tracks.cannot_link, linkage, stop.clusters_or(1), stop.threshold_or(np.inf)
    )
