"""The clustering methods by name. One file each; all take and return the same."""

from dataclasses import dataclass
from functools import partial

from cluster.linkage import Linkage
from cluster.methods.affinity import affinity
from cluster.methods.ball import ball
from cluster.methods.expanded import expanded
from cluster.methods.hac import hac
from cluster.methods.hdbscan import hdbscan
from cluster.methods.videoclusternet import videoclusternet
from cluster.tracks import ClusteringMethod


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
    linkage: Linkage = "average"
    """The agglomeration that it is, or beside which it is shown over all K."""

    def memory_gb(self, tracks: int) -> float:
        """What a movie of so many tracks takes, beside the tracks themselves."""
        return self.matrices * 8 * tracks**2 / 1e9


METHODS: dict[str, Method] = {
    "hac": Method(hac),
    "hac-complete": Method(partial(hac, linkage="complete"), linkage="complete"),
    "hac-ward": Method(partial(hac, linkage="ward"), linkage="ward"),
    "hac-expanded": Method(expanded, matrices=5, sections=("expanded",)),
    "ball": Method(ball, linkage="complete", sections=("ball",)),
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
