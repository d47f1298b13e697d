"""How well clusters agree with identities, for one movie and over a corpus; checked on hand-worked examples.

methods.md §1 to §5: WCP, accuracy, NMI = V-measure, homogeneity, completeness, BCubed, PCR, cannot-link violations,
coverage; by tracks, and the first of them by frames too.
"""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from cluster.constraints import Floats, Integers, violations

UNKNOWN = -1
"""The label of a track that no cluster took."""


@dataclass(frozen=True)
class Metrics:
    """Agreement on the tracks of one movie that a person has named; the others are ignored.

    Unknown tracks count as wrong, except in the fields that end in `_assigned`, where they are left out. In
    homogeneity, completeness and V-measure each is a cluster of its own: said to be like no other. As one group more
    they would gain by it where they are one person's †.
    """

    tracks: int
    """Tracks with an identity."""
    identities: int
    """K_true: identities among them."""
    identities_assigned: int
    """The same of those in a cluster."""
    clusters: int
    """K_pred: clusters among them; Unknown is none."""
    coverage: float
    """Share of the tracks that are in a cluster."""
    wcp: float
    """Weighted cluster purity: share of the tracks whose identity is the commonest of their cluster."""
    wcp_assigned: float
    wcp_frames: float
    """WCP where a track counts as often as it has frames (once, where they are not given)."""
    accuracy: float
    """Share of the tracks that are in their identity's own cluster, each identity having one cluster at most and each
    cluster one identity, so chosen that the share is the largest."""
    accuracy_frames: float
    """The same by frames."""
    bcubed_precision: float
    """Mean over the tracks of the share of their cluster that is their identity; 0 for an Unknown one."""
    bcubed_recall: float
    """Mean over the tracks of the share of their identity that is in their cluster; 0 for an Unknown one."""
    bcubed_f: float
    """Harmonic mean of the two."""
    bcubed_f_frames: float
    """The same by frames."""
    pcr: float
    """Predicted cluster ratio K_pred / K_true: Multi-Face's over-clustering index."""
    pcr_assigned: float
    """K_pred / identities among the assigned tracks; 0 where there is none."""
    nmi: float
    """2 I / (H + H): the same number as the V-measure."""
    v_measure: float
    homogeneity: float
    completeness: float
    violations: int
    """Cannot-link pairs in one cluster, over all tracks of the movie, named or not."""

    def as_dict(self) -> dict[str, float | int]:
        """The fields by name."""
        return asdict(self)


def unknown_alone(labels: Integers) -> Integers:
    """The labels (n,) with each Unknown track as a cluster of its own."""
    unknown = labels == UNKNOWN
    return np.where(unknown, labels.max(initial=UNKNOWN) + np.cumsum(unknown), labels)


def score_movie(
    labels: npt.ArrayLike,
    identities: Sequence[Hashable | None],
    cannot_link: npt.ArrayLike,
    frames: npt.ArrayLike | None = None,
) -> Metrics | None:
    """Labels (n,) against identities (n; None: not named), with index pairs (m, 2) and the frames (n,) that each track
    spans; None where no track is named."""
    labels = np.asarray(labels, dtype=np.int64)
    weights = np.ones(len(labels)) if frames is None else np.asarray(frames, dtype=np.float64)
    if not len(labels) == len(identities) == len(weights):
        raise ValueError(f"{len(labels)} labels for {len(identities)} identities and {len(weights)} counts of frames")
    named = np.array([identity is not None for identity in identities], dtype=bool)
    if not named.any():
        return None
    from sklearn.metrics import homogeneity_completeness_v_measure  # seconds to load: only where there are labels

    numbers = {identity: number for number, identity in enumerate(dict.fromkeys(identities)) if identity is not None}
    true = np.array([numbers[identity] for identity in identities if identity is not None], dtype=np.int64)
    found = labels[named]
    assigned = found != UNKNOWN
    identities_assigned = len(np.unique(true[assigned]))
    clusters = len(np.unique(found[assigned]))
    by_tracks = _Agreement.of(true, found, np.ones(len(true)))
    by_frames = _Agreement.of(true, found, weights[named])
    homogeneity, completeness, v_measure = homogeneity_completeness_v_measure(true, unknown_alone(found))
    return Metrics(
        tracks=len(true),
        identities=len(np.unique(true)),
        identities_assigned=identities_assigned,
        clusters=clusters,
        coverage=float(assigned.mean()),
        wcp=by_tracks.wcp,
        wcp_assigned=by_tracks.wcp * len(true) / max(int(assigned.sum()), 1),
        wcp_frames=by_frames.wcp,
        accuracy=by_tracks.accuracy,
        accuracy_frames=by_frames.accuracy,
        bcubed_precision=by_tracks.bcubed_precision,
        bcubed_recall=by_tracks.bcubed_recall,
        bcubed_f=by_tracks.bcubed_f,
        bcubed_f_frames=by_frames.bcubed_f,
        pcr=clusters / len(np.unique(true)),
        pcr_assigned=clusters / max(identities_assigned, 1),
        nmi=float(v_measure),
        v_measure=float(v_measure),
        homogeneity=float(homogeneity),
        completeness=float(completeness),
        violations=violations(labels, cannot_link),
    )


@dataclass(frozen=True)
class CorpusMetrics:
    """Metrics over the movies that have labels. Means give every movie the same weight."""

    movies: int
    tracks: int
    """Σ of the tracks with an identity."""
    coverage: float
    wcp: float
    wcp_assigned: float
    wcp_frames: float
    accuracy: float
    accuracy_frames: float
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f: float
    bcubed_f_frames: float
    pcr: float
    """ΣK_pred / ΣK_true."""
    pcr_assigned: float
    """ΣK_pred / Σ identities among the assigned tracks."""
    pcr_error: float
    """Mean of |PCR − 1|."""
    nmi: float
    v_measure: float
    homogeneity: float
    completeness: float
    violations: int
    """Σ over movies."""

    def as_dict(self) -> dict[str, float | int]:
        """The fields by name."""
        return asdict(self)


def score_corpus(movies: Sequence[Metrics]) -> CorpusMetrics | None:
    """The movies' metrics as one; None of no movies."""
    if not movies:
        return None

    def mean(field: str) -> float:
        return float(np.mean([getattr(movie, field) for movie in movies]))

    counted = {"movies", "tracks", "pcr", "pcr_assigned", "pcr_error", "violations"}
    means = [field.name for field in fields(CorpusMetrics) if field.name not in counted]
    clusters = sum(movie.clusters for movie in movies)
    return CorpusMetrics(
        movies=len(movies),
        tracks=sum(movie.tracks for movie in movies),
        pcr=clusters / sum(movie.identities for movie in movies),
        pcr_assigned=clusters / max(sum(movie.identities_assigned for movie in movies), 1),
        pcr_error=float(np.mean([abs(movie.pcr - 1) for movie in movies])),
        violations=sum(movie.violations for movie in movies),
        **{field: mean(field) for field in means},
    )


@dataclass(frozen=True)
class _Agreement:
    """What counts tracks by a weight of each."""

    wcp: float
    accuracy: float
    bcubed_precision: float
    bcubed_recall: float

    @property
    def bcubed_f(self) -> float:
        both = self.bcubed_precision + self.bcubed_recall
        return 2 * self.bcubed_precision * self.bcubed_recall / both if both else 0.0

    @classmethod
    def of(cls, true: Integers, found: Integers, weights: Floats) -> "_Agreement":
        """Identities and labels (t,), t ≥ 1, with −1 for Unknown, and weights (t,) > 0."""
        table = np.zeros((int(true.max()) + 1, int(found.max(initial=UNKNOWN)) + 1))
        assigned = found != UNKNOWN
        np.add.at(table, (true[assigned], found[assigned]), weights[assigned])
        total = weights.sum()
        if not table.any():
            return cls(0.0, 0.0, 0.0, 0.0)
        best = table[linear_sum_assignment(table, maximize=True)].sum()
        of_cluster, of_identity = table.sum(axis=0), np.bincount(true, weights)
        # Each of a cell's tracks finds the cell's share of its cluster and of its identity.
        squared = table**2 / total
        return cls(
            wcp=float(table.max(axis=0).sum() / total),
            accuracy=float(best / total),
            bcubed_precision=float(squared[:, of_cluster > 0].sum(axis=0) @ (1 / of_cluster[of_cluster > 0])),
            bcubed_recall=float(squared[of_identity > 0].sum(axis=1) @ (1 / of_identity[of_identity > 0])),
        )
