"""How well a representation tells whether two tracks show one person.

On named tracks: the ROC curve of all track pairs of a movie (methods.md §1). Without a name: the mined pairs alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist
from sklearn.metrics import auc, roc_curve

from harvest.errors import TooLittleDataError
from train.calibration import LinkDistances, distance_histogram
from train.config import TrainConfig, VerificationConfig
from train.mining import MinedTracks
from train.normalise import Floats, Integers, l2_normalised
from train.recognition import ThirdTracks


class Representation(Protocol):
    """What maps tracks to unit rows: a loaded model."""

    @property
    def takes_faces(self) -> bool:
        """Whether it embeds raw faces of tracks, and means will not do."""
        ...

    def embed_tracks(self, tracks: Sequence[npt.ArrayLike] | Floats) -> Floats:
        """Unit means (n, d), or raw faces of each track → (n, d') unit rows."""
        ...


@dataclass(frozen=True)
class Verification:
    """The ROC curve of the track pairs of a movie, or the mean of several movies' curves."""

    true_positive_rates: dict[float, float]
    """By false positive rate: the largest at that rate or below it, never one between two pairs."""
    auc: float
    """Area under the curve: how often a pair of one person is nearer than a pair of two people."""
    equal_error: float
    """Where the share of one person's pairs refused equals the share of two people's pairs accepted."""
    positive_pairs: int
    """Pairs of tracks of one person."""
    negative_pairs: int
    """Pairs of tracks of two people."""
    roc: Floats
    """(points + 1,) true positive rates at `roc_grid`."""


@dataclass(frozen=True)
class HardPairs:
    """Cosine distances of mined pairs; those of two movies add with `+`, exactly."""

    positive: Integers
    """(bins,) over [0, 2]: anchor tracklet to each hard positive of its track."""
    negative: Integers
    """(bins,): anchor tracklet to the mean of the hard negative."""
    in_order: int
    """Mined tracks whose first, farthest hard positive is nearer to the anchor than the hard negative is."""

    @classmethod
    def of(cls, tracklets: Floats, hard_negatives: Floats, bins: int) -> "HardPairs":
        """Unit rows: tracklets (t, M, d) with the anchor first, and their hard negatives' means (t, d)."""
        positive = 1 - np.einsum("td,tpd->tp", tracklets[:, 0], tracklets[:, 1:])
        negative = 1 - np.einsum("td,td->t", tracklets[:, 0], hard_negatives)
        return cls(
            distance_histogram(positive.ravel(), bins),
            distance_histogram(negative, bins),
            int((positive[:, 0] < negative).sum()),
        )

    def __add__(self, other: "HardPairs") -> "HardPairs":
        in_order = self.in_order + other.in_order
        return HardPairs(self.positive + other.positive, self.negative + other.negative, in_order)

    @property
    def tracks(self) -> int:
        """Mined tracks."""
        return int(self.negative.sum())


@dataclass(frozen=True)
class MovieVerification:
    """What one representation does on one movie, or on several."""

    named: Verification | None
    """None: the movie has no pair of named tracks to tell."""
    hard: HardPairs
    links: LinkDistances
    thirds: ThirdTracks


def roc_grid(config: VerificationConfig | None = None) -> Floats:
    """(points + 1,) false positive rates of every curve: 0, then `roc_from` … 1 in equal steps of their logarithm."""
    config = config or VerificationConfig()
    return np.concatenate([[0.0], np.geomspace(config.roc_from, 1.0, config.roc_points)])


def verify_pairs(
    embeddings: npt.ArrayLike, identities: Sequence[str | None], config: VerificationConfig | None = None
) -> Verification:
    """All pairs of the named tracks of a movie by cosine distance (Multi-Face §5.2).

    `embeddings`: (n, d) of all tracks; `identities`: n names, None for the tracks without one, which are left out.
    Memory grows with n²: 3,000 tracks of 512-d, 4.5 million pairs, take 7 s on a busy core and 370 MB at the peak.

    Raises:
        TooLittleDataError: no pair of one person, or none of two. DatasetError: an embedding holds NaN.
    """
    config = config or VerificationConfig()
    named = np.array([row for row, identity in enumerate(identities) if identity is not None], dtype=np.int64)
    _, who = np.unique([identities[row] or "" for row in named], return_inverse=True)
    same = pdist(who[:, None], "cityblock") == 0
    positives = int(same.sum())
    if positives in (0, len(same)):
        raise TooLittleDataError(
            f"{len(named)} named tracks give {positives} pairs of one person and {len(same) - positives} of two; "
            "verification needs both: import labels of more tracks"
        )
    # Of unit rows, so that half the squared Euclidean distance is the cosine distance; equal pairs tie exactly.
    distances = pdist(l2_normalised(np.asarray(embeddings)[named], "track"), "sqeuclidean") / 2
    fpr, tpr, _ = roc_curve(same, -distances)

    def at(rates: npt.ArrayLike) -> Floats:
        read: Floats = tpr[np.searchsorted(fpr, rates, side="right") - 1]
        return read

    return Verification(
        true_positive_rates={rate: float(at(rate)) for rate in config.false_positive_rates},
        auc=float(auc(fpr, tpr)),
        equal_error=float(np.interp(0, fpr + tpr - 1, fpr)),
        positive_pairs=positives,
        negative_pairs=len(same) - positives,
        roc=at(roc_grid(config)),
    )


def mean_verification(movies: Sequence[Verification]) -> Verification | None:
    """The mean over movies, each with the same weight; pairs are summed. None of no movie."""
    if not movies:
        return None
    rates = movies[0].true_positive_rates
    return Verification(
        {rate: float(np.mean([movie.true_positive_rates[rate] for movie in movies])) for rate in rates},
        auc=float(np.mean([movie.auc for movie in movies])),
        equal_error=float(np.mean([movie.equal_error for movie in movies])),
        positive_pairs=sum(movie.positive_pairs for movie in movies),
        negative_pairs=sum(movie.negative_pairs for movie in movies),
        roc=np.mean([movie.roc for movie in movies], axis=0),
    )


def verify_movie(
    means: Floats,
    mined: MinedTracks,
    cannot_link: npt.ArrayLike,
    identities: Sequence[str | None],
    model: Representation | None = None,
    config: VerificationConfig | None = None,
    training: TrainConfig | None = None,
    faces: Sequence[npt.ArrayLike] = (),
) -> MovieVerification:
    """One movie as `model` or, without one, as the pack represents it.

    `means` (n, d) unit; `mined` in the base embedding, so that every representation is asked about the same pairs;
    `cannot_link` (m, 2) rows of `means`; `faces`: raw ones of each track, for a model that takes them. A tracklet is
    embedded as a track of those faces is. Of `training` links and third tracks are measured as it measures them.
    """
    config, training = config or VerificationConfig(), training or TrainConfig()
    tracklets = mined.tracklets.reshape(*mined.tracklets.shape[:2], means.shape[1])  # of no track, mined has no size
    if model:
        if model.takes_faces:
            flat = model.embed_tracks(mined.faces(faces))
        else:
            flat = model.embed_tracks(tracklets.reshape(-1, means.shape[1]))
        tracklets = flat.reshape(*tracklets.shape[:2], flat.shape[1])
        means = model.embed_tracks(faces if model.takes_faces else means)
    try:
        named = verify_pairs(means, identities, config)
    except TooLittleDataError:
        named = None
    hard = HardPairs.of(tracklets, means[mined.hard_negatives], config.distance_bins)
    links = LinkDistances.of(tracklets, means, cannot_link, training.calibration)
    return MovieVerification(named, hard, links, ThirdTracks.of(means, cannot_link, training.recognition))


def verify_corpus(movies: Sequence[MovieVerification]) -> MovieVerification:
    """One representation on all movies, at least one: the mean verification, and all mined pairs together."""
    return MovieVerification(
        mean_verification([movie.named for movie in movies if movie.named]),
        reduce(add, (movie.hard for movie in movies)),
        reduce(add, (movie.links for movie in movies)),
        reduce(add, (movie.thirds for movie in movies)),
    )


def median_distance(histogram: Integers) -> float | None:
    """Median of a histogram over cosine distance [0, 2], linear within its bin; None of an empty one."""
    below = np.concatenate([[0], np.cumsum(histogram)])
    if not below[-1]:
        return None
    after = int(np.searchsorted(below, below[-1] / 2))
    edges = np.linspace(0, 2, len(below))
    return float(np.interp(below[-1] / 2, below[[after - 1, after]], edges[[after - 1, after]]))
