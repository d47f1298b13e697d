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
        config = config or CalibrationConfig()
        tracklets, means = np.asarray(tracklets, dtype=np.float64), np.asarray(means, dtype=np.float64)
        pairs = np.asarray(cannot_link, dtype=np.int64).reshape(-1, 2)
        views = 2 if config.positives == "hardest" else tracklets.shape[1]
        first, second = np.triu_indices(views, k=1)
        positive = 1 - np.einsum("tpd,tpd->tp", tracklets[:, first], tracklets[:, second])
        negative = 1 - np.einsum("md,md->m", means[pairs[:, 0]], means[pairs[:, 1]])
        return cls(distance_histogram(positive.ravel(), config.bins), distance_histogram(negative, config.bins))

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
            f"{positives} pair{'s' * (positives != 1)} of tracklets and {negatives} cannot-link "
            f"pair{'s' * (negatives != 1)} are too few to calibrate a threshold; it takes {needed} of each: "
            "harvest more movies, or set cluster.threshold"
        )
    missed = positives - _cumulative(distances.positive)
    confused = _cumulative(distances.negative)
    value = _crossing(np.linspace(0, 2, len(missed)), missed * negatives - confused * positives)
    edge = round(value / 2 * (len(missed) - 1))
    equal_error = (missed[edge] / positives + confused[edge] / negatives) / 2
    return Threshold(round(value, 4), round(float(equal_error), 5), positives, negatives)


def _crossing(edges: Floats, difference: Integers) -> float:
    """Where a falling difference is zero: the middle of the stretch (kinds that do not overlap), or between edges."""
    zero = edges[difference == 0]
    if len(zero):
        return float(zero[0] + zero[-1]) / 2
    after = int(np.argmax(difference < 0))
    return float(np.interp(0, difference[[after, after - 1]], edges[[after, after - 1]]))


def _cumulative(histogram: Integers) -> Integers:
    """(bins + 1,) pairs at or below each edge."""
    return np.concatenate([[0], np.cumsum(histogram)])


def distance_histogram(distances: Floats, bins: int) -> Integers:
    """Counts of cosine distances in equal bins over [0, 2]. Raises DatasetError where one is not a number."""
    if not np.isfinite(distances).all():
        raise DatasetError("a distance between tracks is not a number; an embedding of this movie holds NaN")
    return np.histogram(distances.clip(0, 2), bins=bins, range=(0, 2))[0].astype(np.int64)
