"""Every number of training, named and documented: mining, the closed form, the split and the threshold's calibration.

`--set train.subspace.ridge=0.02` overrides one. † marks a choice of ours where the papers give none.
"""

from typing import Annotated, Literal

from pydantic import Field

from harvest.config import Section


class MiningConfig(Section):
    """Hard-positive tracklets (Multi-Face §3)."""

    views: int = Field(default=3, ge=2)
    """M: tracklets mined from a track; a track with fewer faces is not mined (Multi-Face: 3)."""


class SplitConfig(Section):
    """Which movies train and which validate, where the corpus has no `split` column."""

    validation_share: float = Field(default=0.25, gt=0, lt=1)
    """Share of the movies, drawn by a hash of movie_id, that validate (Multi-Face: 60 of 240)."""


class SubspaceConfig(Section):
    """Closed-form MvCorr."""

    ridge: float = Field(default=1e-2, gt=0)
    """ε: R_W + ε·tr(R_W)/d·I is inverted instead of R_W †."""
    tracks_per_dimension: float = Field(default=4.0, ge=1)
    """Fewest mined tracks of the training movies, as a multiple of the embedding size. The fit estimates d(d+1)
    numbers from N tracks of M·d each. On photographed faces in simulated movies, 128-d, the equal error of links held
    out falls below the base's from about 3 d tracks on; 4 d leaves a margin †."""
    movies: int = Field(default=2, ge=1)
    """Fewest training movies: one movie's cast and light are not a corpus †."""
    chance: float = Field(default=2.0, ge=0)
    """A model whose equal error on the validation movies is above the base's by more than this many standard errors is
    refused †."""


class CalibrationConfig(Section):
    """The representation's own clustering threshold, from links alone."""

    bins: int = Field(default=4000, ge=100)
    """Bins of the histograms of cosine distances over [0, 2]: 0.0005 each †."""
    positives: Literal["hardest", "all"] = "hardest"
    """Which pairs of one track's tracklets stand for two tracks of one person: the anchor with the first hard positive,
    the farthest apart that the track has, or every pair. Tracks of one person from two shots differ more than
    tracklets of one shot, so with every pair the threshold is too small and casts come out split: in a 4-fold
    cross-validation over 24 movies mean |PCR − 1| 0.15 (hardest) against 0.23 (all), WCP 0.960 against 0.967, V-measure
    0.947 against 0.946 †."""
    pairs: int = Field(default=200, ge=1)
    """Fewest hard-positive pairs, and fewest cannot-link pairs, from which a threshold is read. At 200 pairs an
    error rate of 5 % is known to ± 1.5 % †."""


class VerificationConfig(Section):
    """How representations are compared on pairs of tracks."""

    false_positive_rates: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(0.1, 0.01, 0.001), min_length=1
    )
    """Where the true positive rate is read (Multi-Face: 0.1)."""
    roc_from: float = Field(default=1e-4, gt=0, lt=0.1)
    """Lowest false positive rate of the ROC curve, whose axis is logarithmic: of a cast of 200 tracks one pair †."""
    roc_points: int = Field(default=161, ge=2)
    """Points of the curve from there to 1: 40 a decade †."""
    distance_bins: int = Field(default=80, ge=10)
    """Bins of the histograms of hard pairs over cosine distance [0, 2]: 0.025 each †."""


class TrainConfig(Section):
    """From harvested tracks to a model."""

    mining: MiningConfig = MiningConfig()
    split: SplitConfig = SplitConfig()
    subspace: SubspaceConfig = SubspaceConfig()
    calibration: CalibrationConfig = CalibrationConfig()
