"""The one path from a movie's tracks to its cast: choose how K is found, cluster, put the most seen first, check.

Arrays in, arrays out; the same input gives the same labels.
"""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cluster.config import ClusterConfig
from cluster.constraints import Floats, Integers, Stop, checked_pairs, violations
from cluster.methods import METHODS
from harvest.errors import ConfigError, DatasetError


@dataclass(frozen=True)
class Cast:
    """The characters of one movie."""

    labels: Integers
    """(n,) the character of each track: 0 holds the most tracks, 1 the next …; −1: Unknown."""
    clusters: int
    """K found."""
    asked: int | None
    """K asked for, None where the threshold decided. K found is larger where cannot-links forbid K, smaller where there
    are fewer tracks than K."""
    violations: int
    """Cannot-link pairs within one character."""
    seconds: float
    """Spent here."""


def cluster_movie(
    embeddings: npt.ArrayLike,
    cannot_link: npt.ArrayLike,
    stop: Stop,
    config: ClusterConfig | None = None,
    method: str = "hac",
) -> Cast:
    """Unit track embeddings (n, d), n ≥ 0, and cannot-link index pairs (m, 2) → the cast.

    Raises ConfigError on an unknown method, DatasetError on rows that are not unit and on pairs that are no pairs.
    """
    began = time.perf_counter()
    if method not in METHODS:
        raise ConfigError(f"no clustering method '{method}'; there are: {', '.join(sorted(METHODS))}")
    rows = _checked_embeddings(embeddings)
    pairs = checked_pairs(cannot_link, len(rows))
    labels = METHODS[method](rows, pairs, stop, config or ClusterConfig()) if len(rows) else np.zeros(0, np.int64)
    labels = most_seen_first(labels)
    return Cast(
        labels=labels,
        clusters=int(labels.max(initial=-1)) + 1,
        asked=stop.clusters,
        violations=violations(labels, pairs),
        seconds=time.perf_counter() - began,
    )


def most_seen_first(labels: Integers) -> Integers:
    """Renumber clusters by falling number of tracks, ties by lowest track; −1 stays."""
    found, first, counts = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    renumbered = np.full(int(labels.max(initial=-1)) + 2, -1, dtype=np.int64)
    renumbered[found[order]] = np.arange(len(found))
    return renumbered[labels]


def _checked_embeddings(embeddings: npt.ArrayLike) -> Floats:
    rows = np.asarray(embeddings, dtype=np.float64)
    if not rows.size:
        return np.zeros((0, 0))
    # 1e-3: means stored as half floats are unit to 5e-4.
    wrong = ~(np.abs(np.linalg.norm(rows, axis=1) - 1) < 1e-3)
    if wrong.any():
        raise DatasetError(f"embedding of track {int(wrong.argmax())} is not of length 1; harvest this movie again")
    return rows
