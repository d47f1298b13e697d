"""Every number of clustering, named and documented; a method's own numbers stand in a section of its name."""

from pydantic import Field

from harvest.config import Section


class HacConfig(Section):
    """Average-linkage hierarchical clustering."""

    tracks: int = Field(default=20_000, ge=1)
    """Most tracks of a movie: n² distances, 3.2 GB at 20,000, and as much again for a moment †."""


class ClusterConfig(Section):
    """From a movie's tracks to its cast."""

    threshold: float | None = Field(default=None, ge=0, le=2)
    """Cosine distance at which merging stops, instead of the one on the card of the pack or model."""
    hac: HacConfig = HacConfig()
