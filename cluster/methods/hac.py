"""Average-linkage hierarchical clustering in which two clusters with a cannot-link between them never merge.

The baseline of all four papers (Multi-Face §4.3), made exact under constraints; n² memory, about n² log n time.
"""

import numpy as np
import numpy.typing as npt

from cluster.config import ClusterConfig
from cluster.constraints import Floats, Integers, Stop, checked_pairs
from harvest.errors import ConfigError


def hac(embeddings: npt.ArrayLike, cannot_link: npt.ArrayLike, stop: Stop, config: ClusterConfig) -> Integers:
    """Unit rows (n, d) and index pairs (m, 2) → labels (n,), 0 … K−1 by each cluster's lowest row.

    Starting from single tracks, the two clusters A, B with the smallest

        D(A, B) = Σ_{a∈A, b∈B} (1 − ⟨x_a, x_b⟩) / (|A| |B|),   D = ∞ where a cannot-link joins A and B,

    merge, until K clusters are left, or until D > threshold. A merged cluster inherits the cannot-links of both, so a
    constraint holds to the end; where constraints forbid every merge, more than K clusters are the result.
    Ties go to the pair with the lowest row, then the lowest other row. Raises ConfigError on more than
    `config.hac.tracks` tracks.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    if len(rows) > config.hac.tracks:
        raise ConfigError(
            f"{len(rows)} tracks need {len(rows) ** 2 * 16 / 1e9:.1f} GB to be clustered by hac; "
            "give the machine that much memory and raise cluster.hac.tracks"
        )
    distances = rows @ rows.T
    np.subtract(1, distances, out=distances)
    return merge_by_average(distances, checked_pairs(cannot_link, len(rows)), stop)


def merge_by_average(sums: Floats, cannot_link: Integers, stop: Stop) -> Integers:
    """Labels (n,) from symmetric distances (n, n), which are overwritten: they become the sums over cluster pairs.

    A row's `bound` is a lower bound of its distances to the clusters after it. An average is never below the smaller of
    its parts, so bounds stay valid through merges and a row is looked at again only when its bound is the lowest
    (the generic algorithm of Müllner 2011, §3.1). Sums instead of Lance-Williams means: the same D, no drift.
    """
    n = len(sums)
    np.fill_diagonal(sums, np.inf)
    sums[cannot_link[:, 0], cannot_link[:, 1]] = sums[cannot_link[:, 1], cannot_link[:, 0]] = np.inf
    sizes = np.ones(n)
    parent = np.arange(n)
    bound = np.array([sums[row, row + 1 :].min(initial=np.inf) for row in range(n)])
    clusters = n
    while clusters > stop.clusters_or(1):
        row = int(bound.argmin())
        distance, other = _nearest_after(sums, sizes, row)
        if distance > bound[row]:
            bound[row] = distance
            continue
        if not distance <= stop.threshold_or(np.inf) or np.isinf(distance):
            break
        _merge(sums, sizes, bound, row, other)
        parent[other] = row
        clusters -= 1
    return _labels(parent)


def _nearest_after(sums: Floats, sizes: Floats, row: int) -> tuple[float, int]:
    """Distance and index of the cluster nearest to `row` among those with a higher index."""
    if row + 1 == len(sums):
        return np.inf, row
    distances = sums[row, row + 1 :] / (sizes[row] * sizes[row + 1 :])
    nearest = int(distances.argmin())
    return float(distances[nearest]), row + 1 + nearest


def _merge(sums: Floats, sizes: Floats, bound: Floats, row: int, other: int) -> None:
    """Cluster `other` becomes part of cluster `row` < other."""
    sums[row] += sums[other]
    sizes[row] += sizes[other]
    sums[row, row] = np.inf
    sums[:, row] = sums[row]
    sums[:, other] = sums[other] = np.inf
    bound[other] = np.inf
    bound[row] = _nearest_after(sums, sizes, row)[0]
    # Rounding may put a mean one ulp under both of its parts.
    np.minimum(bound[:row], sums[row, :row] / (sizes[row] * sizes[:row]), out=bound[:row])


def _labels(parent: Integers) -> Integers:
    """Every row's label from the row each was merged into, which is always a lower one."""
    root = parent.copy()
    for row in range(len(root)):
        root[row] = root[root[row]]
    return np.unique(root, return_inverse=True)[1].astype(np.int64)
