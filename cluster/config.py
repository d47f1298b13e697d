"""Every number of clustering, named and documented; a method's own numbers stand in a section of its name."""

from typing import Literal

from pydantic import Field

from harvest.config import Section
from train.config import CalibrationConfig, ContrastiveConfig, RankedPairsConfig, TrackPairsConfig


class BallConfig(Section):
    """Ball cluster's complete linkage."""

    squared_radius: float | None = Field(default=None, gt=0)
    """b of the model: merging stops at τ = 4b of squared Euclidean distance (BCL §3.3), instead of at twice the
    representation's own cosine threshold."""


class ExpandedConfig(Section):
    """Average linkage of tracks drawn towards their neighbours. All four were chosen on the 24 training movies of
    photographed faces, by a 4-fold cross-validation in which no person is on both sides: with closed-form MvCorr
    V-measure rises from 0.931 to 0.956, WCP from 0.924 to 0.971 at PCR 1.04, mean |PCR − 1| falls from 0.12 to 0.07 †."""

    neighbours: int = Field(default=2, ge=0)
    """Tracks towards which each is drawn in a round. With 4 rare characters are swallowed: PCR 0.93 †."""
    rounds: int = Field(default=2, ge=0)
    """With 1, V-measure is 0.952; from 3 on it falls again †."""
    near: float = Field(default=0.9, ge=0)
    """Only tracks nearer than this share of the representation's threshold draw. Without the limit a person with one
    or two tracks is drawn to strangers: of every tenth track alone, V-measure 0.86 instead of 0.94 †."""
    stop: float = Field(default=0.84, gt=0)
    """Merging stops at this share of the representation's threshold, since drawn tracks lie nearer †."""


class AffinityConfig(Section):
    """Affinity propagation."""

    preference: float | None = Field(default=None, le=0)
    """s(k, k), a negated cosine distance: the lower, the fewer clusters; unset: the median (Frey & Dueck)."""
    damping: float = Field(default=0.9, ge=0.5, lt=1)
    """Share of the old message in the new one; at 0.5 messages may oscillate (Frey & Dueck: 0.9)."""
    iterations: int = Field(default=1000, ge=1)
    """Most rounds of messages (Frey & Dueck: 1000)."""


class HdbscanConfig(Section):
    """HDBSCAN."""

    cluster: int = Field(default=3, ge=2)
    """Fewest tracks of a cluster. At 2 every close pair is one: on photographed faces, closed form, PCR is then 2.2 and
    V-measure 0.82; at 3, 1.0 and 0.94 †."""
    samples: int | None = Field(default=None, ge=1)
    """The k of core distances, the track itself included; unset: as many as `cluster` (scikit-learn's)."""


class VideoClusterNetConfig(Section):
    """The parameter-free clustering of VideoClusterNet."""

    scale: float = Field(default=64.0, gt=0)
    """Length given to the embeddings of a movie that was not adapted: the scale of ArcFace's softmax †."""
    unadapted_temperature: float = Field(default=1.0, gt=0)
    """temp of such a movie: ArcFace's softmax has none beside its scale. With 0.04 the teacher's answer is the one
    largest dimension and nothing else: V-measure on photographed faces 0.54 instead of 0.63 †."""
    temperature: float = Field(default=0.04, gt=0)
    """temp of the softmax of an adapted teacher †."""


class TsiamConfig(Section):
    """TSiam: a siamese network fitted to the links of one movie."""

    pairs: TrackPairsConfig = TrackPairsConfig()
    loss: ContrastiveConfig = ContrastiveConfig()
    epochs: int = Field(default=15, ge=1)
    """Times that every pair is gone through (SSiam on BBT-0101: about 15)."""
    batch: int = Field(default=256, ge=2)
    """Pairs of a step. With 32 (VideoClusterNet's reimplementation) it takes twice as long and is no better †."""
    rate: float = Field(default=1e-3, gt=0)
    """Learning rate of Adam †."""


class SsiamConfig(Section):
    """SSiam: a siamese network fitted to the hardest of the faces' own answers; it looks at no track."""

    miner: Literal["ranked", "pseudo-rf"] = "ranked"
    """ranked: the K farthest of the nearest and the K nearest of the farthest; pseudo-rf: each face's nearest and
    farthest, the paper's baseline."""
    pairs: RankedPairsConfig = RankedPairsConfig()
    loss: ContrastiveConfig = ContrastiveConfig()
    ranking: Literal["base", "current"] = "base"
    """Whether faces are ranked by the embeddings they came with or by what the network makes of them by then †."""
    share: float = Field(default=0.25, gt=0, le=1)
    """Where a movie has fewer than B faces / share, a step ranks this share of them: with all of them in every step the
    hardest pairs are always the same 128, and V-measure on photographed faces falls from 0.914 to 0.885 †."""
    epochs: int = Field(default=60, ge=1)
    """Times that every face is drawn. The paper's 15 are of movies of 40,000 faces, 14 steps each †."""
    rate: float = Field(default=1e-3, gt=0)
    """Learning rate of Adam †."""


class AdaptConfig(Section):
    """Fitting a representation to one movie, before it is clustered."""

    seed: int = Field(default=0, ge=0)
    """Of first weights, pairs drawn and their order."""
    threshold: Literal["links", "carried"] = "carried"
    """Where a movie's adapted space stops merging, with K unknown: links: at equal error between tracklets of one track
    and cannot-link pairs of the movie; carried: where as large a share of its track pairs is nearer as in the space it
    was adapted from. The links have been trained on and no longer say how far strangers are apart: mean |PCR − 1| on
    photographed faces is 0.16 by links and 0.10 carried †."""
    calibration: CalibrationConfig = CalibrationConfig(pairs=50)
    """Of a threshold from links; a movie with fewer pairs takes the carried one. At 50 pairs an error rate of 5 % is
    known to ± 3 % †."""
    keep_every_s: float = Field(default=30.0, gt=0)
    """A state is kept this often at most, from which a killed task goes on."""
    tsiam: TsiamConfig = TsiamConfig()
    ssiam: SsiamConfig = SsiamConfig()


class ClusterConfig(Section):
    """From a movie's tracks to its cast."""

    threshold: float | None = Field(default=None, ge=0, le=2)
    """Cosine distance at which merging stops, instead of the one on the card of the pack or model."""
    memory_gb: float = Field(default=4.0, gt=0)
    """Most memory that one movie may take; every method compares all tracks with all. 4 GB are 22,000 tracks by hac
    and 9,000 by affinity †."""
    curve_points: int = Field(default=120, ge=2)
    """Points of a labelled movie's curve of scores against K that are kept: the first Ks whole, then equal ratios †."""
    adapt: AdaptConfig = AdaptConfig()
    ball: BallConfig = BallConfig()
    expanded: ExpandedConfig = ExpandedConfig()
    affinity: AffinityConfig = AffinityConfig()
    hdbscan: HdbscanConfig = HdbscanConfig()
    videoclusternet: VideoClusterNetConfig = VideoClusterNetConfig()


class ComparisonConfig(Section):
    """Clusterings side by side."""

    draws: int = Field(default=100_000, ge=1)
    """Of the permutation test, each of which swaps labels at a coin's toss (Multi-Face: 1e5)."""
    movies: int = Field(default=20, ge=2)
    """From so many movies on a movie's labels are swapped whole; of fewer, each track's †."""
    seed: int = Field(default=0, ge=0)
    """Of the coin."""
    tested: int = Field(default=8, ge=0)
    """Of so many runs, the best by V-measure, every two are tested; a test on four movies takes seconds †."""
    small_px: float = Field(default=48.0, gt=0)
    """Tracks of a median face below this size are called small †."""
    charts: int = Field(default=24, ge=0)
    """Movies whose scores against K are drawn, of each run †."""
