"""What a clustering must keep to: the cannot-link pairs, and where it is to stop."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harvest.errors import ConfigError, DatasetError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stop:
    """How K is chosen: by one of the two, or by neither where the method finds K itself."""

    clusters: int | None = None
    """K ≥ 1, known beforehand."""
    threshold: float | None = None
    """Largest cosine distance (0 … 2) at which two clusters merge; K comes out."""

    def __post_init__(self) -> None:
        if self.clusters is not None and self.threshold is not None:
            raise ConfigError("give either the number of clusters or the distance threshold, not both")
        if self.clusters is not None and self.clusters < 1:
            raise ConfigError(f"a movie has at least one character, not {self.clusters}")
        if self.threshold is not None and not 0 <= self.threshold <= 2:
            raise ConfigError(f"a cosine distance lies between 0 and 2, not at {self.threshold}")

    @property
    def given(self) -> bool:
        """Whether there is K or a threshold."""
        return self.clusters is not None or self.threshold is not None

    def clusters_or(self, default: int) -> int:
        """K where it is given."""
        return default if self.clusters is None else self.clusters

    def threshold_or(self, default: float) -> float:
        """The threshold where it is given."""
        return default if self.threshold is None else self.threshold


def checked_pairs(cannot_link: npt.ArrayLike, tracks: int) -> Integers:
    """Index pairs (m, 2) as int64. Raises DatasetError on a pair outside 0 … tracks−1 or of a track with itself."""
    pairs = np.asarray(cannot_link, dtype=np.int64).reshape(-1, 2)
    wrong = (pairs < 0).any(axis=1) | (pairs >= tracks).any(axis=1) | (pairs[:, 0] == pairs[:, 1])
    if wrong.any():
        raise DatasetError(f"cannot-link pair {pairs[wrong][0].tolist()} is no pair of two of the {tracks} tracks")
    return pairs


def violations(labels: npt.ArrayLike, cannot_link: npt.ArrayLike) -> int:
    """Cannot-link pairs (m, 2) whose two tracks carry one label; Unknown (−1) never violates."""
    labels = np.asarray(labels, dtype=np.int64)
    first, second = labels[checked_pairs(cannot_link, len(labels))].T
    return int(((first == second) & (first >= 0)).sum())
