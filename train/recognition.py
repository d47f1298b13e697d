"""Whether people are known again in other scenes, told by links alone.

Nobody is two people who are seen together. So where a third track is taken for the one and for the other, one of the
two is wrong: links contradict what is said of tracks that were never seen together, the very pairs that clustering is
about. A representation is good that takes many such pairs for one person before a few in a hundred are contradicted.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from train.calibration import distance_histogram
from train.config import RecognitionConfig
from train.normalise import Floats, Integers

BLOCK = 1 << 19
"""Distances of third tracks that are held at once: 4 MB."""


@dataclass(frozen=True)
class ThirdTracks:
    """Histograms over cosine distance [0, 2], of each two tracks seen together and each track seen with neither; those
    of two movies add with `+`, exactly."""

    nearer: Integers
    """(bins,) from the third track to the nearer of the two."""
    farther: Integers
    """(bins,) to the farther."""
    links: int
    """Pairs of tracks seen together that were asked about."""

    @classmethod
    def of(
        cls, means: npt.ArrayLike, cannot_link: npt.ArrayLike, config: RecognitionConfig | None = None
    ) -> "ThirdTracks":
        """One movie's: track means (n, d), unit rows of the representation, and index pairs (m, 2) into them."""
        config = config or RecognitionConfig()
        means = np.asarray(means, dtype=np.float64)
        pairs = np.asarray(cannot_link, dtype=np.int64).reshape(-1, 2)
        together = _together(pairs, len(means))
        asked = _without_the_nearest(means, pairs, config.false_links)
        nearer, farther = np.zeros((2, config.bins), np.int64)
        step = max(1, BLOCK // max(1, len(means)))
        for start in range(0, len(asked), step):
            near, far = _to_third_tracks(means, asked[start : start + step], together)
            nearer += distance_histogram(near, config.bins)
            farther += distance_histogram(far, config.bins)
        return cls(nearer, farther, len(asked))

    def __add__(self, other: "ThirdTracks") -> "ThirdTracks":
        return ThirdTracks(self.nearer + other.nearer, self.farther + other.farther, self.links + other.links)


@dataclass(frozen=True)
class Recognition:
    """What a representation may take for one person before links contradict it."""

    share: float
    """Of the pairs of a track and one of two that are seen together: so many are taken for one person."""
    pairs: int
    """The same, counted."""
    standard_error: float
    """Of the share, if each track of a link told once. On 5 movies of photographed faces, 559 links, it is 0.010;
    leaving out a movie each in turn gives 0.002 to 0.014 for the difference between a model and the base."""


def recognition(thirds: ThirdTracks, config: RecognitionConfig | None = None) -> Recognition:
    """At the largest distance at which no more than `config.contradicted` of the pairs taken for one person are
    contradicted, because the third track would be the other of the two as well. 0 where there is none."""
    contradicted = 2 * np.cumsum(thirds.farther)
    taken = np.cumsum(thirds.nearer) + np.cumsum(thirds.farther)
    borne = np.flatnonzero((taken > 0) & (contradicted <= (config or RecognitionConfig()).contradicted * taken))
    pairs = int(taken[borne[-1]]) if len(borne) else 0
    share = pairs / max(1, int(taken[-1]))
    return Recognition(round(share, 5), pairs, float(np.sqrt(share * (1 - share) / max(1, 2 * thirds.links))))


def _together(pairs: Integers, tracks: int) -> csr_array:
    """(n, n): whether two tracks are seen together, or are one."""
    one = np.arange(tracks)
    row, column = np.concatenate([pairs[:, 0], pairs[:, 1], one]), np.concatenate([pairs[:, 1], pairs[:, 0], one])
    return csr_array((np.ones(len(row), bool), (row, column)), shape=(tracks, tracks))


def _without_the_nearest(means: Floats, pairs: Integers, share: float) -> Integers:
    """The pairs less `share` of them, rounded up: those nearest to each other."""
    distances = 1 - np.einsum("md,md->m", means[pairs[:, 0]], means[pairs[:, 1]])
    return pairs[np.argsort(distances, kind="stable")[int(np.ceil(share * len(pairs))) :]]


def _to_third_tracks(means: Floats, pairs: Integers, together: csr_array) -> tuple[Floats, Floats]:
    """Of all tracks that are seen with neither of a pair, the distances to its nearer and to its farther."""
    rows, of_rows = np.unique(pairs, return_inverse=True)
    first, second = of_rows.reshape(pairs.shape).T
    distances, seen = 1 - means[rows] @ means.T, together[rows].toarray()
    third = ~(seen[first] | seen[second])
    one, other = distances[first][third], distances[second][third]
    return np.minimum(one, other), np.maximum(one, other)
