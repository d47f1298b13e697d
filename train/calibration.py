"""A representation's own clustering threshold, from links alone: no identity is needed (methods.md §5).

Hard-positive tracklet pairs show how far one person's tracks lie apart, cannot-link pairs how near two people's do.
Distances are counted in fine histograms, which add up movie by movie.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harvest.errors import DatasetError, TooLittleDataError
from train.config import CalibrationConfig
from train.normalise import Floats, Integers


@dataclass(frozen=True)
class LinkDistances:
    """Histograms over cosine distance [0, 2]; those of two movies add with `+`, exactly."""

    positive: Integers
    """(bins,) pairs of tracklets of one track."""
    negative: Integers
    """(bins,) pairs of tracks seen together."""

    @classmethod
    def of(
        cls, tracklets: npt.ArrayLike, means: npt.ArrayLike, cannot_link: npt.ArrayLike,
        config: CalibrationConfig | None = None,
    ) -> "LinkDistances":  # fmt: skip
        """One movie's: tracklets (t, M, d) and track means (n, d), unit rows of the representation to calibrate.

        `cannot_link`: index pairs (m, 2) into `means`.
        """
        bins = (config or CalibrationConfig()).bins
        tracklets, means = np.asarray(tracklets, dtype=np.float64), np.asarray(means, dtype=np.float64)
        pairs = np.asarray(cannot_link, dtype=np.int64).reshape(-1, 2)
        first, second = np.triu_indices(tracklets.shape[1], k=1)
        positive = 1 - np.einsum("tpd,tpd->tp", tracklets[:, first], tracklets[:, second])
        negative = 1 - np.einsum("md,md->m", means[pairs[:, 0]], means[pairs[:, 1]])
        return cls(_histogram(positive.ravel(), bins), _histogram(negative, bins))

    def __add__(self, other: "LinkDistances") -> "LinkDistances":
        return LinkDistances(self.positive + other.positive, self.negative + other.negative)


@dataclass(frozen=True)
class Threshold:
    """Where a representation takes two tracks for one person, and how sure that is."""

    value: float
    """Cosine distance at which merging stops."""
    equal_error: float
    """Share of hard-positive pairs farther apart, equal to the share of cannot-link pairs nearer, than `value`."""
    positive_pairs: int
    negative_pairs: int


def equal_error_threshold(distances: LinkDistances, config: CalibrationConfig | None = None) -> Threshold:
    """The distance t with P(positive > t) = P(negative ≤ t), linear within a bin.

    Raises TooLittleDataError where either kind has fewer pairs than `config.pairs`.
    """
    needed = (config or CalibrationConfig()).pairs
    positives, negatives = int(distances.positive.sum()), int(distances.negative.sum())
    if min(positives, negatives) < needed:
        raise TooLittleDataError(
            f"{positives} pairs of tracklets and {negatives} cannot-link pairs are too few to calibrate a threshold; "
            f"it takes {needed} of each: harvest more movies, or set cluster.threshold"
        )
    missed = 1 - _cumulative(distances.positive)
    confused = _cumulative(distances.negative)
    edges = np.linspace(0, 2, len(missed))
    # missed falls from 1 to 0, confused rises from 0 to 1: their difference crosses zero once, or along a flat stretch
    # where the two kinds do not overlap, whose middle is taken.
    above = int(np.argmax(missed - confused <= 0))
    beyond = int(np.argmax(missed - confused < 0)) if (missed - confused < 0).any() else len(missed) - 1
    value = (_crossing(edges, missed - confused, above) + _crossing(edges, missed - confused, beyond)) / 2
    equal_error = float((np.interp(value, edges, missed) + np.interp(value, edges, confused)) / 2)
    return Threshold(round(float(value), 4), round(equal_error, 5), positives, negatives)


def _crossing(edges: Floats, difference: Floats, index: int) -> float:
    """Where the difference, positive or zero at `index` − 1 and not so at `index`, is zero."""
    before, after = difference[index - 1], difference[index]
    return float(edges[index - 1] + (edges[index] - edges[index - 1]) * (before / (before - after) if before else 0))


def _cumulative(histogram: Integers) -> Floats:
    """(bins + 1,) share of the pairs at or below each edge."""
    return np.concatenate([[0.0], np.cumsum(histogram) / histogram.sum()])


def _histogram(distances: Floats, bins: int) -> Integers:
    if not np.isfinite(distances).all():
        raise DatasetError("a distance between tracks is not a number; an embedding of this movie holds NaN")
    return np.histogram(distances.clip(0, 2), bins=bins, range=(0, 2))[0].astype(np.int64)
