"""Every number of clustering, named and documented; a method's own numbers stand in a section of its name."""

from pydantic import Field

from harvest.config import Section


class BallConfig(Section):
    """Ball cluster's complete linkage."""

    squared_radius: float | None = Field(default=None, gt=0)
    """b of the model: merging stops at τ = 4b of squared Euclidean distance (BCL §3.3), instead of at twice the
    representation's own cosine threshold."""


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


class ClusterConfig(Section):
    """From a movie's tracks to its cast."""

    threshold: float | None = Field(default=None, ge=0, le=2)
    """Cosine distance at which merging stops, instead of the one on the card of the pack or model."""
    memory_gb: float = Field(default=4.0, gt=0)
    """Most memory that one movie may take; every method compares all tracks with all. 4 GB are 22,000 tracks by hac
    and 9,000 by affinity †."""
    curve_points: int = Field(default=120, ge=2)
    """Points of a labelled movie's curve of scores against K that are kept: the first Ks whole, then equal ratios †."""
    ball: BallConfig = BallConfig()
    affinity: AffinityConfig = AffinityConfig()
    hdbscan: HdbscanConfig = HdbscanConfig()
    videoclusternet: VideoClusterNetConfig = VideoClusterNetConfig()
