"""The clustering methods by name. One file each; all take and return the same."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from cluster.config import ClusterConfig
from cluster.constraints import Stop
from cluster.linkage import Merge
from cluster.methods.affinity import affinity
from cluster.methods.ball import ball
from cluster.methods.expanded import expanded, expanded_merges
from cluster.methods.hac import hac, hac_merges
from cluster.methods.hdbscan import hdbscan
from cluster.methods.videoclusternet import videoclusternet
from cluster.tracks import ClusteringMethod, Tracks

Merging = Callable[[Tracks, Stop, ClusterConfig], Iterator[Merge]]
"""All merges of an agglomeration of n tracks, in their order, beyond where it stops too."""


@dataclass(frozen=True)
class Method:
    """A method and what it takes."""

    cluster: ClusteringMethod
    finds_k: bool = False
    """It needs neither K nor a threshold, and takes none."""
    needs_faces: bool = False
    """It looks at faces, not at track means alone."""
    matrices: int = 1
    """(n, n) float64 matrices held at the peak, measured at 2,500 tracks and rounded up."""
    sections: tuple[str, ...] = ()
    """What of `ClusterConfig` it reads, beside what every method does."""
    merges: Merging | None = None
    """What it does merge by merge, so that it can be scored at every K; None: it does not work that way."""

    def memory_gb(self, tracks: int) -> float:
        """What a movie of so many tracks takes, beside the tracks themselves."""
        return self.matrices * 8 * tracks**2 / 1e9


METHODS: dict[str, Method] = {
    "hac": Method(hac, merges=hac_merges),
    "hac-complete": Method(partial(hac, linkage="complete"), merges=partial(hac_merges, linkage="complete")),
    "hac-ward": Method(partial(hac, linkage="ward"), merges=partial(hac_merges, linkage="ward")),
    "hac-expanded": Method(expanded, matrices=5, sections=("expanded",), merges=expanded_merges),
    "ball": Method(ball, sections=("ball",), merges=partial(hac_merges, linkage="complete")),
    "affinity": Method(affinity, finds_k=True, matrices=6, sections=("affinity",)),
    "hdbscan": Method(hdbscan, finds_k=True, matrices=4, sections=("hdbscan",)),
    "videoclusternet": Method(
        videoclusternet,
        finds_k=True,
        needs_faces=True,
        matrices=4,
        sections=("videoclusternet", "adapt.selfdistill.temperature"),
    ),
}
"""What `castmine cluster --method NAME` may name."""
BESIDE = "hac"
"""The method over whose scores at every K those that do not merge are shown."""
