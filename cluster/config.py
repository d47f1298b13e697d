"""Every number of clustering, named and documented; a method's own numbers stand in a section of its name."""

from typing import Literal

from pydantic import Field, PositiveInt

from harvest.config import Section
from train.config import CalibrationConfig, RankedPairsConfig, TrackPairsConfig
from train.loss_config import BallLossConfig, ContrastiveConfig

KFrom = Literal["threshold", "labels", "corpus"] | PositiveInt
"""Where the number of characters comes from."""

ADAPTATION_NAMES = ("tsiam", "ssiam", "ball", "selfdistill", "selfdistill-network")
"""What may be fitted to a movie; here, for looking a name up must not load torch. cluster/adapt says how."""
NEED_CHIPS = ("selfdistill-network",)
"""Those that train the pack's own network: on stored chips, never on top of a model."""


NEED_MODEL = ("ball",)
"""Those that go on from a model, of ball cluster learning: on the pack's faces, not on the model's."""


class BallConfig(Section):
    """Ball cluster's complete linkage."""

    squared_radius: float | None = Field(default=None, gt=0)
    """b of the model: merging stops at τ = 4b of squared Euclidean distance (BCL §3.3), instead of at twice the
    representation's own cosine threshold."""


class ExpandedConfig(Section):
    """Average linkage of tracks drawn towards their neighbours. All four were chosen on the 24 training movies of
    photographed faces, by a 4-fold cross-validation in which no person is on both sides: with closed-form MvCorr
    V-measure rises from 0.939 to 0.968, WCP from 0.928 to 0.978 at PCR 1.03, mean |PCR − 1| falls from 0.13 to 0.05;
    with the pack's own embeddings V-measure is 0.892 instead of 0.898, mean |PCR − 1| 0.07 instead of 0.15 †."""

    neighbours: int = Field(default=2, ge=0)
    """Tracks towards which each is drawn in a round. With 3 rare characters are swallowed: PCR 0.96 †."""
    rounds: int = Field(default=2, ge=0)
    """One round gains three quarters as much; from 3 on V-measure falls again †."""
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
    V-measure 0.82; at 3, 1.0 and 0.94 (chosen on the four movies of the tables) †."""
    samples: int | None = Field(default=None, ge=1)
    """The k of core distances, the track itself included; unset: as many as `cluster` (scikit-learn's)."""


class VideoClusterNetConfig(Section):
    """The parameter-free clustering of VideoClusterNet."""

    scale: float = Field(default=64.0, gt=0)
    """Length given to the embeddings of a movie that was not adapted: the scale of ArcFace's softmax †."""
    unadapted_temperature: float = Field(default=1.0, gt=0)
    """temp of such a movie: ArcFace's softmax has none beside its scale. With 0.04 the teacher's answer is the one
    largest dimension and nothing else: V-measure 0.54 instead of 0.63 (chosen on the four movies of the tables) †."""


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
    hardest pairs are always the same 128: V-measure 0.885 for 0.914 (chosen on the four movies of the tables) †."""
    epochs: int = Field(default=60, ge=1)
    """Times that every face is drawn. The paper's 15 are of movies of 40,000 faces, 14 steps each †."""
    rate: float = Field(default=1e-3, gt=0)
    """Learning rate of Adam †."""


class BallFittingConfig(Section):
    """Ball cluster learning's fine-tuning of its model on the links of one movie."""

    loss: BallLossConfig = BallLossConfig()
    """Its `start` plays no part: b stays the model's."""
    epochs: int = Field(default=10, ge=1)
    """Times that every face is gone through †."""
    batch: int = Field(default=2000, ge=2)
    """Faces of a step (BCL: 2000)."""
    rate: float = Field(default=3e-3, gt=0)
    """Learning rate of SGD (BCL: 0.003)."""


class TrackQualityConfig(Section):
    """SER-FIQ of a track: how alike the embeddings of a face stay under dropout."""

    passes: int = Field(default=10, ge=2)
    """m: passes with another dropout mask each †."""
    dropout: float = Field(default=0.5, gt=0, lt=1)
    """Of the inputs of the head's last layer (SER-FIQ: 0.5)."""
    deviations: float = Field(default=2.7, ge=0)
    """Tracks whose quality is under mean − 2.7 · MAD are Unknown (VideoClusterNet eq. 4; unscaled MAD)."""


class CoarseMatchingConfig(Section):
    """Which tracks are taken for one person while learning: a Gaussian per track."""

    dimensions: int = Field(default=8, ge=1)
    """Leading principal axes of the movie's track means in which Gaussians are fitted: about as many as a track has
    crops. In all 128, with any shrinkage, not one track of photographed faces matches another; in 8 half of them
    match 2.4 others, 98.6 % of them rightly; in 4, 75 % (chosen on the four movies of the tables) †."""
    shrinkage: float = Field(default=0.5, gt=0, le=1)
    """Share of the whole movie's covariance in a track's: a track has too few crops for its own †."""
    lowest: float = Field(default=0.25, gt=0, le=1)
    """Share of a track's own crops, those of lowest density, whose mean density others must reach."""


class SelfDistillConfig(Section):
    """VideoClusterNet's self-distillation: a student learns what its slower teacher says of another face of its own
    track, later of a matching track. Positive pairs only."""

    iterations: int = Field(default=5, ge=1)
    """Rounds of learning, with coarse matching between them (VideoClusterNet: 5; 10 and more over-cluster)."""
    first_epochs: int = Field(default=30, ge=1)
    """Epochs of the first round …"""
    later_epochs: int = Field(default=10, ge=1)
    """… and of the others."""
    heads_only_epochs: int = Field(default=10, ge=0)
    """First epochs in which the recognition network itself rests; on stored embeddings it always does."""
    batch: int = Field(default=32, ge=1)
    """Pairs of a step. Steps are few on a small movie: with 256 (560 steps) the loss stays near log d and V-measure by
    `videoclusternet` is 0.73, with 64 0.83, with 32 0.86 (chosen on the four movies of the tables) †."""
    rate: float = Field(default=1e-4, gt=0)
    """Highest learning rate of AdamW, falling by a cosine …"""
    last_rate: float = Field(default=1e-5, ge=0)
    """… to this one."""
    warmup_epochs: int = Field(default=5, ge=0)
    """Epochs of each round in which the rate rises …"""
    warmup_rate: float = Field(default=5e-6, ge=0)
    """… from this one."""
    momentum: float = Field(default=0.99, ge=0, lt=1)
    """Of the teacher, which follows the student after every epoch †."""
    temperature: float = Field(default=0.04, gt=0)
    """temp of the teacher's softmax †; the student's has none. `videoclusternet` takes it too."""
    centre_momentum: float = Field(default=0.9, ge=0, lt=1)
    """Of c, the running mean of the teacher's outputs over the steps †."""
    global_crops: int = Field(default=2, ge=1)
    """Large views of a face, of scale 0.7–1 …"""
    local_crops: int = Field(default=4, ge=0)
    """… and small ones, of scale 0.4–0.6. On stored embeddings a view of scale s keeps that share of the
    dimensions †."""
    noise: float = Field(default=1.0, ge=0)
    """On stored embeddings: a view is moved by this times the way of a random face of the movie from its track's mean,
    which stands for flips, rotation and colour †."""
    faces_per_track: int = Field(default=12, ge=1)
    """Chips of a track, evenly spread over it, that the recognition network learns from and is asked about; stored
    embeddings are all taken. The paper's is one in 0.5 s, 8 of its mean track †."""
    pack: str | None = None
    """Where the recognition network's pack lies, a name or a folder; unset: under the name it was harvested by."""
    quality: TrackQualityConfig = TrackQualityConfig()
    matching: CoarseMatchingConfig = CoarseMatchingConfig()


class AdaptConfig(Section):
    """Fitting a representation to one movie, before it is clustered."""

    seed: int = Field(default=0, ge=0)
    """Of first weights, pairs drawn and their order."""
    threshold: Literal["links", "carried"] = "carried"
    """Where a movie's adapted space stops merging, with K unknown: links: at equal error between tracklets of one track
    and cannot-link pairs of the movie; carried: where as large a share of its track pairs is nearer as in the space it
    was adapted from. The links have been trained on and no longer say how far strangers are apart: mean |PCR − 1|
    is 0.16 by links and 0.10 carried (chosen on the four movies of the tables) †."""
    calibration: CalibrationConfig = CalibrationConfig(pairs=50)
    """Of a threshold from links; a movie with fewer pairs takes the carried one. At 50 pairs an error rate of 5 % is
    known to ± 3 % †."""
    keep_every_s: float = Field(default=30.0, gt=0)
    """A state is kept this often at most, from which a killed task goes on."""
    tsiam: TsiamConfig = TsiamConfig()
    ssiam: SsiamConfig = SsiamConfig()
    ball: BallFittingConfig = BallFittingConfig()
    selfdistill: SelfDistillConfig = SelfDistillConfig()


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
