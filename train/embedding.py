"""A trained network as a representation: unit rows in, unit rows out, perhaps the closed form as its last layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from train.config import NetworkConfig
from train.networks import BranchedNetwork, Network, SharedNetwork, build_network, embed_rows
from train.normalise import Floats
from train.subspace import Subspace

Arrays = dict[str, npt.NDArray[Any]]
NETWORK, SUBSPACE = "network.", ("subspace.V", "subspace.mean")
"""Names of the tensors."""


@dataclass(frozen=True)
class NetworkEmbedding:
    """A network, and the closed form that was solved on its output, if any."""

    network: SharedNetwork
    subspace: Subspace | None = None

    @property
    def centring(self) -> None:
        """Networks take the means of l2-normalised faces."""

    @property
    def output_size(self) -> int:
        """d'."""
        if self.subspace is not None:
            return self.subspace.output_size
        return len(embed_rows(self.network, np.zeros((1, self.input_size)), unit=False)[0])

    @property
    def input_size(self) -> int:
        """d."""
        return int(next(self.network.parameters()).shape[1])

    def embed(self, means: npt.ArrayLike) -> Floats:
        """Unit rows (…, d) → (…, d') unit rows. Raises DatasetError where d is not the network's."""
        means = np.asarray(means)
        flat = embed_rows(self.network, means.reshape(-1, means.shape[-1]))
        rows = flat.reshape(*means.shape[:-1], flat.shape[1])
        return self.subspace.embed(rows) if self.subspace is not None else rows

    def tensors(self) -> Arrays:
        """All that is learned, by name."""
        found: Arrays = {NETWORK + name: tensor.numpy(force=True) for name, tensor in self.network.state_dict().items()}
        if self.subspace is not None:
            found |= dict(zip(SUBSPACE, (self.subspace.V, self.subspace.mean), strict=True))
        return found


def embedding_of(network: Network, subspace: Subspace | None = None) -> NetworkEmbedding:
    """What embeds tracks once training has ended: of unshared branches the anchor's alone (Multi-Face §3.3)."""
    one = SharedNetwork(network.branches[0]) if isinstance(network, BranchedNetwork) else network  # type: ignore[arg-type]
    return NetworkEmbedding(one.cpu().eval(), subspace)


def embedding_from(tensors: Mapping[str, npt.NDArray[Any]], config: NetworkConfig, size: int) -> NetworkEmbedding:
    """What `tensors()` gave → the embedding, for rows of `size` d. Raises RuntimeError where they do not fit."""
    network = build_network(config, size)
    assert isinstance(network, SharedNetwork)
    weights: dict[str, Tensor] = {
        name.removeprefix(NETWORK): torch.as_tensor(np.ascontiguousarray(array))
        for name, array in tensors.items()
        if name.startswith(NETWORK)
    }
    network.load_state_dict(weights)
    subspace = Subspace(V=tensors[SUBSPACE[0]], mean=tensors[SUBSPACE[1]]) if SUBSPACE[0] in tensors else None
    return NetworkEmbedding(network.eval(), subspace)
