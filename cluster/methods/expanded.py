"""Average linkage of tracks that have been drawn towards their nearest neighbours: one noisy track counts for less.

Database-side feature augmentation (Arandjelović & Zisserman, Three things everyone should know to improve object
retrieval, 2012, §5) with weights by similarity (Radenović et al., α-query expansion, 2018), under cannot-link †.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from scipy.sparse import csr_array

from cluster.config import ClusterConfig, ExpandedConfig
from cluster.constraints import Floats, Integers, Stop
from cluster.linkage import Merge, merge_clusters, merges
from cluster.tracks import Tracks, order_free


@order_free
def expanded(tracks: Tracks, stop: Stop, config: ClusterConfig) -> Integers:
    """n tracks → labels (n,), at K or at the representation's threshold t, of which `config.expanded` takes shares.

    In each of `rounds` rounds x_i becomes the unit vector along x_i + Σ_j s_ij x_j, over those of its `neighbours`
    most similar tracks that are nearer than `near`·t and have no cannot-link with it; then average linkage stops at
    `stop`·t. Where K is given, t is the distance of the last merge that plain average linkage makes on its way to K.
    Cannot-link: merges that would break one are refused, exactly as `merge_clusters` defines it.
    """
    limit = np.inf if stop.threshold is None else config.expanded.stop * stop.threshold
    distances = _drawn_distances(tracks, stop, config.expanded)
    return merge_clusters(distances, tracks.cannot_link, "average", stop.clusters_or(1), limit)


def expanded_merges(tracks: Tracks, stop: Stop, config: ClusterConfig) -> Iterator[Merge]:
    """Every merge of `expanded`, beyond its stop too, which says only how far tracks are drawn."""
    return merges(_drawn_distances(tracks, stop, config.expanded), tracks.cannot_link, "average")


def _drawn_distances(tracks: Tracks, stop: Stop, settings: ExpandedConfig) -> Floats:
    """(n, n) cosine distances of the tracks after all rounds."""
    threshold = stop.threshold_or(np.inf) if stop.clusters is None else _last_merge(tracks, stop.clusters)
    similarities = 1 - tracks.distances()
    for _ in range(settings.rounds if len(tracks) > 1 else 0):
        similarities = _drawn_together(similarities, tracks.cannot_link, 1 - settings.near * threshold, settings)
    return 1 - similarities


def _last_merge(tracks: Tracks, clusters: int) -> float:
    """Distance of the merge that leaves K clusters, or of the last that constraints allow; 0 where there is none."""
    steps = islice(merges(tracks.distances(), tracks.cannot_link, "average"), max(len(tracks) - clusters, 0))
    return [0.0, *(distance for _, _, distance in steps)][-1]


def _drawn_together(similarities: Floats, cannot_link: Integers, least: float, settings: ExpandedConfig) -> Floats:
    """(n, n) cosines of the tracks after one round: W S Wᵀ, scaled to ones on the diagonal; W holds the weights s."""
    weights = _weights(similarities, cannot_link, least, settings)
    drawn = np.asarray(weights @ (weights @ similarities).T)
    lengths = np.sqrt(drawn.diagonal())
    drawn /= lengths[:, None]
    drawn /= lengths
    # The two products round differently; linkage wants one number for a pair.
    drawn += drawn.T
    drawn /= 2
    return drawn


def _weights(similarities: Floats, cannot_link: Integers, least: float, settings: ExpandedConfig) -> csr_array:
    """(n, n) 1 for the track itself, s of each neighbour that draws it."""
    n = len(similarities)
    left = similarities.copy()
    np.fill_diagonal(left, -np.inf)
    left[cannot_link[:, 0], cannot_link[:, 1]] = left[cannot_link[:, 1], cannot_link[:, 0]] = -np.inf
    rows = np.arange(n)
    entries = [(rows, rows, np.ones(n))]
    for _ in range(min(settings.neighbours, n - 1)):
        nearest = left.argmax(axis=1)
        weights = left[rows, nearest]
        taken = (weights > least) & (weights > 0)
        entries.append((rows[taken], nearest[taken], weights[taken]))
        left[rows, nearest] = -np.inf
    at, of, values = (np.concatenate(column) for column in zip(*entries, strict=True))
    return csr_array((values, (at, of)), shape=(n, n))
