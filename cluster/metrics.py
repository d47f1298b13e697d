"""How well clusters agree with identities, for one movie and over a corpus; checked on hand-worked examples.

methods.md §2, §4 and §5: WCP, NMI = V-measure, homogeneity, completeness, PCR, cannot-link violations, coverage.
"""

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import homogeneity_completeness_v_measure
from sklearn.metrics.cluster import contingency_matrix

from cluster.constraints import Integers, violations

UNKNOWN = -1
"""The label of a track that no cluster took."""


@dataclass(frozen=True)
class Metrics:
    """Agreement on the tracks of one movie that a person has named; the others are ignored.

    Unknown tracks count as wrong, except in the fields that end in `_assigned`, where they are left out. In
    homogeneity, completeness and V-measure they are one group more, as mixed as it is.
    """

    tracks: int
    """Tracks with an identity."""
    identities: int
    """K_true: identities among them."""
    clusters: int
    """K_pred: clusters among them; Unknown is none."""
    coverage: float
    """Share of the tracks that are in a cluster."""
    wcp: float
    """Weighted cluster purity: share of the tracks whose identity is the commonest of their cluster."""
    wcp_assigned: float
    pcr: float
    """Predicted cluster ratio K_pred / K_true."""
    pcr_assigned: float
    """K_pred / identities among the assigned tracks."""
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


def score_movie(
    labels: npt.ArrayLike, identities: Sequence[Hashable | None], cannot_link: npt.ArrayLike
) -> Metrics | None:
    """Labels (n,) against identities (n; None: not named), with index pairs (m, 2); None where no track is named."""
    labels = np.asarray(labels, dtype=np.int64)
    if len(labels) != len(identities):
        raise ValueError(f"{len(labels)} labels for {len(identities)} identities")
    named = np.array([identity is not None for identity in identities], dtype=bool)
    if not named.any():
        return None
    numbers = {identity: number for number, identity in enumerate(dict.fromkeys(identities)) if identity is not None}
    true = np.array([numbers[identity] for identity in identities if identity is not None], dtype=np.int64)
    found = labels[named]
    assigned = found != UNKNOWN
    clusters = len(np.unique(found[assigned]))
    pure = _pure_tracks(true[assigned], found[assigned])
    homogeneity, completeness, v_measure = homogeneity_completeness_v_measure(true, found)
    return Metrics(
        tracks=len(true),
        identities=len(np.unique(true)),
        clusters=clusters,
        coverage=float(assigned.mean()),
        wcp=pure / len(true),
        wcp_assigned=pure / max(int(assigned.sum()), 1),
        pcr=clusters / len(np.unique(true)),
        pcr_assigned=clusters / max(len(np.unique(true[assigned])), 1),
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
    pcr: float
    """ΣK_pred / ΣK_true."""
    pcr_assigned: float
    """Mean over movies."""
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

    means = ("coverage", "wcp", "wcp_assigned", "pcr_assigned", "nmi", "v_measure", "homogeneity", "completeness")
    return CorpusMetrics(
        movies=len(movies),
        tracks=sum(movie.tracks for movie in movies),
        pcr=sum(movie.clusters for movie in movies) / sum(movie.identities for movie in movies),
        pcr_error=float(np.mean([abs(movie.pcr - 1) for movie in movies])),
        violations=sum(movie.violations for movie in movies),
        **{field: mean(field) for field in means},
    )


def _pure_tracks(true: Integers, found: Integers) -> int:
    """Tracks of the commonest identity of their cluster."""
    return int(contingency_matrix(true, found).max(axis=0).sum()) if len(true) else 0
