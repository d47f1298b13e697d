"""The papers' networks by name: C1–C3 (Multi-Face §4.3), BCL's and SSiam's perceptrons.

A network maps rows of the pack's embedding size d; shared by all views of a row, or one branch a view (MvCorr).
"""

from collections.abc import Callable, Iterator
from itertools import count, pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from harvest.errors import DatasetError
from train.config import NetworkConfig
from train.layers import BatchPlace, GlobalBatchNorm, RowDropout
from train.normalise import Floats, l2_normalised

EMBED_ROWS = 8192
"""Rows embedded at a time: 16 MB of 512-d float32."""


class Mlp(nn.Module):
    """Layers one after another; the last `head` of them serve the loss alone, the embedding is what comes before."""

    def __init__(self, layers: list[nn.Module], head: int = 0, scale: float = 1.0) -> None:
        """`scale`: what inputs are multiplied by."""
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.head, self.scale = head, scale

    def forward(self, x: Tensor, place: BatchPlace | None = None, head: bool = True) -> Tensor:
        """(n, d) → (n, D); with head=False what the layer before the head gives."""
        x = x * self.scale if self.scale != 1 else x
        for layer in self.layers[: len(self.layers) - (0 if head else self.head)]:
            x = layer(x, place) if isinstance(layer, RowDropout) else layer(x)
        return x


class SharedNetwork(nn.Module):
    """One network for all views of a row; its batch norm sees them all as one batch †."""

    def __init__(self, network: Mlp) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: Tensor, place: BatchPlace | None = None) -> Tensor:
        """(n, d) → (n, D), or (n, V, d) → (n, V, D)."""
        views = rows.shape[1:-1]
        flat = rows.reshape(-1, rows.shape[-1])
        embedded: Tensor = self.network(flat, place.spread(views.numel()) if place else None)
        return embedded.reshape(len(rows), *views, embedded.shape[-1])

    def embed(self, rows: Tensor) -> Tensor:
        """(n, d) → (n, D)."""
        embedded: Tensor = self.network(rows, head=False)
        return embedded


class BranchedNetwork(nn.Module):
    """M networks of one architecture, no shared weights: view l goes through branch l (Multi-Face §3.3)."""

    def __init__(self, branches: list[Mlp]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, rows: Tensor, place: BatchPlace | None = None) -> Tensor:
        """(n, M, d) → (n, M, D)."""
        return torch.stack([branch(rows[:, view], place) for view, branch in enumerate(self.branches)], dim=1)

    def embed(self, rows: Tensor) -> Tensor:
        """(n, d) → (n, D) by the anchor's branch."""
        embedded: Tensor = self.branches[0](rows, head=False)
        return embedded


Network = SharedNetwork | BranchedNetwork


class Unit(nn.Module):
    """Onto the unit sphere."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.normalize(x, dim=-1)


def build_network(config: NetworkConfig, size: int, branches: int = 0, seed: int = 0) -> Network:
    """The network that `config` names, for embeddings of `size` d; `branches` M > 0: that many without shared weights.

    Its weights follow from `seed` alone; torch's own random state is left as it was.
    """
    layer = count()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = [_mlp(config, size, layer) for _ in range(branches or 1)]
    if config.start == "pack":  # views of branches that turn the pack's embedding each its own way do not correlate
        for network in networks[1:]:
            network.load_state_dict(networks[0].state_dict())
    return BranchedNetwork(networks) if branches else SharedNetwork(networks[0])


def embed_rows(network: Network, rows: npt.ArrayLike, unit: bool = True) -> Floats:
    """Track means or faces (n, d) → (n, D) float64, unit rows unless `unit` is False, where lengths count.

    The network is in eval mode afterwards. Raises DatasetError where d is not the network's, or a row is not finite.
    """
    first = next(network.parameters())
    rows = np.asarray(rows)
    if rows.ndim != 2 or rows.shape[1] != first.shape[1]:
        raise DatasetError(f"a model for {first.shape[1]}-d embeddings on rows of shape {rows.shape}")
    network.eval()
    with torch.no_grad():
        parts = [
            network.embed(torch.as_tensor(rows[start : start + EMBED_ROWS]).to(first)).double().cpu().numpy()
            for start in range(0, len(rows), EMBED_ROWS)
        ]
    embedded: Floats = np.concatenate(parts) if parts else network.embed(first[:0]).detach().double().cpu().numpy()
    if not np.isfinite(embedded).all():
        raise DatasetError("an embedding of the model is not finite; a row holds NaN, or the training diverged")
    return l2_normalised(embedded, "embedded rows") if unit and len(embedded) else embedded


def _mlp(config: NetworkConfig, size: int, layer: Iterator[int]) -> Mlp:
    if config.name == "bcl":
        layers = _perceptron([size, 256, 128, 64, 64], nn.ReLU)
    elif config.name == "ssiam":
        layers = _perceptron([size, 512, 2], nn.ReLU)
    else:
        layers = _with_batch_norm([size, *WIDTHS[config.name]], config, layer)
        if config.start == "pack":
            _hand_on(layers, size, 1.0 if config.scaled else size**-0.5)
    layers += [Unit()] if config.unit else []
    scale = size**0.5 if config.scaled else 1.0
    return Mlp(layers, head=1 + config.unit if config.name == "ssiam" else 0, scale=scale)


WIDTHS = {"C1": (512, 256), "C2": (1024, 512), "C3": (1024, 512, 256)}
"""Nodes of the layers FC of Multi-Face's configurations."""


OPEN = {nn.ReLU: 4.0, nn.Sigmoid: 0.0}
"""Bias, in standard deviations, at which an activation is all but linear."""


def _hand_on(layers: list[nn.Module], size: int, spread: float) -> None:
    """Let the first nodes of each layer, as many as it has, hand the pack's embedding on, rotated; the others stay
    random. `spread`: standard deviation of a coordinate that comes in; batch norm makes it 1 behind each layer."""
    weight = nn.init.orthogonal_(torch.empty(size, size))
    for linear, activation in pairwise(layers):
        if not isinstance(linear, nn.Linear):
            continue
        handed = min(size, linear.out_features)
        with torch.no_grad():
            linear.weight[:handed] = 0
            linear.weight[:handed, : len(weight[0])] = weight[:handed]
            linear.bias[:handed] = OPEN[type(activation)] * spread
        weight, spread, size = torch.eye(handed), 1.0, handed


def _perceptron(widths: list[int], activation: Callable[[], nn.Module]) -> list[nn.Module]:
    """Linear layers with the activation between them, none after the last."""
    layers: list[nn.Module] = []
    for into, out in pairwise(widths):
        layers += [nn.Linear(into, out), activation()]
    return layers[:-1]


def _with_batch_norm(widths: list[int], config: NetworkConfig, layer: Iterator[int]) -> list[nn.Module]:
    """FC = linear, activation, batch norm, the last one too; dropout after all but the last."""
    layers: list[nn.Module] = []
    for into, out in pairwise(widths):
        layers += [nn.Linear(into, out), nn.ReLU() if config.activation == "relu" else nn.Sigmoid()]
        layers += [GlobalBatchNorm(out), RowDropout(config.dropout, next(layer))]
    return layers[:-1]
