"""The clustering methods by name. One file each; all take and return the same."""

from dataclasses import dataclass
from functools import partial

from cluster.methods.affinity import affinity
from cluster.methods.ball import ball
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


METHODS: dict[str, Method] = {
    "hac": Method(hac),
    "hac-complete": Method(partial(hac, linkage="complete")),
    "hac-ward": Method(partial(hac, linkage="ward")),
    "ball": Method(ball),
    "affinity": Method(affinity, finds_k=True),
    "hdbscan": Method(hdbscan, finds_k=True),
    "videoclusternet": Method(videoclusternet, finds_k=True, needs_faces=True),
}
"""What `castmine cluster --method NAME` may name."""
