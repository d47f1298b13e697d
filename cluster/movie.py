"""The one path from a movie's tracks to its cast: choose how K is found, cluster, put the most seen first, check.

Arrays in, arrays out; the same input gives the same labels.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cluster.config import ClusterConfig
from cluster.constraints import Integers, Stop, violations
from cluster.methods import METHODS
from cluster.metrics import UNKNOWN
from cluster.tracks import Tracks
from harvest.errors import ConfigError


@dataclass(frozen=True)
class CastLabels:
    """The character of each track of one movie, and how they came about."""

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
    *,
    faces: Sequence[npt.ArrayLike] | None = None,
    teacher: Sequence[npt.ArrayLike] | None = None,
    similarity: npt.ArrayLike | None = None,
    unknown: npt.ArrayLike | None = None,
) -> CastLabels:
    """Unit track embeddings (n, d), n ≥ 0, and cannot-link index pairs (m, 2) → the cast.

    `faces`: (n_i, d) of each track, for methods that need them, through the student of an adapted movie, then with
    `teacher` the same through its teacher; `similarity` (n, n) stands for the cosines of the embeddings; `unknown` (n,)
    True: a track too poor to be anybody, whom no method sees (VideoClusterNet §3.6).

    Raises ConfigError on an unknown method, on one that is given a K or threshold it does not take or not given what
    it needs, and on more tracks than fit into `config.memory_gb`; DatasetError on rows that are not unit and on pairs
    that are no pairs.
    """
    began = time.perf_counter()
    check_method(method, stop)
    tracks, config = Tracks.of(embeddings, cannot_link, faces, teacher, similarity), config or ClusterConfig()
    _check_memory(method, len(tracks), config)
    pairs = tracks.cannot_link
    seen = np.arange(len(tracks)) if unknown is None else np.flatnonzero(~np.asarray(unknown, dtype=np.bool_))
    found = np.full(len(tracks), UNKNOWN, dtype=np.int64)
    if len(seen):
        found[seen] = METHODS[method].cluster(tracks.take(seen) if len(seen) < len(tracks) else tracks, stop, config)
    labels = most_tracks_first(found)
    return CastLabels(
        labels=labels,
        clusters=int(labels.max(initial=-1)) + 1,
        asked=stop.clusters,
        violations=violations(labels, pairs),
        seconds=time.perf_counter() - began,
    )


def most_tracks_first(labels: Integers) -> Integers:
    """Renumber clusters by falling number of tracks, ties by lowest track; −1 stays."""
    found, first, counts = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    renumbered = np.full(int(labels.max(initial=-1)) + 2, -1, dtype=np.int64)
    renumbered[found[order]] = np.arange(len(found))
    return renumbered[labels]


def check_method(method: str, stop: Stop) -> None:
    """Raises ConfigError where there is no such method, or where it and the way K is chosen do not go together."""
    if method not in METHODS:
        raise ConfigError(f"no clustering method {method!r}; there are: {', '.join(METHODS)}")
    if METHODS[method].finds_k and stop.given:
        raise ConfigError(f"{method} finds the number of characters itself: leave out K and threshold")
    if not METHODS[method].finds_k and not stop.given:
        raise ConfigError(f"{method} needs the number of characters or a threshold")


def or_thriftier(method: str) -> str:
    """The other way out for who has too little memory for a method, as the end of a sentence; of none nothing."""
    fewest = min(METHODS, key=lambda name: METHODS[name].matrices)
    return f", or choose {fewest}, which needs the least" * (METHODS[method].matrices > METHODS[fewest].matrices)


def _check_memory(method: str, tracks: int, config: ClusterConfig) -> None:
    needed = METHODS[method].memory_gb(tracks)
    if needed > config.memory_gb:
        raise ConfigError(
            f"{tracks} tracks need {needed:.1f} GB to be clustered by {method}, cluster.memory_gb is "
            f"{config.memory_gb}; raise it where the machine has as much{or_thriftier(method)}"
        )
