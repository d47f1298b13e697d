"""The clustering methods by name. One file each; all take and return the same arrays."""

from typing import Protocol

import numpy.typing as npt

from cluster.config import ClusterConfig
from cluster.constraints import Integers, Stop
from cluster.methods.hac import hac


class ClusteringMethod(Protocol):
    """A function from the tracks of one movie to its clusters."""

    def __call__(
        self, embeddings: npt.ArrayLike, cannot_link: npt.ArrayLike, stop: Stop, config: ClusterConfig
    ) -> Integers:
        """Unit rows (n, d) and index pairs (m, 2) → labels (n,), −1 for Unknown; no cannot-link pair shares one."""
        ...


METHODS: dict[str, ClusteringMethod] = {"hac": hac}
"""What `castmine cluster --method NAME` may name."""
