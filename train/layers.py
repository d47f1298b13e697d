"""Batch norm and dropout that do not know how many workers share a batch.

Batch norm's statistics are the global batch's, with gradients (torch's SyncBatchNorm is CUDA only); a dropout mask is
a function of seed, step, layer and the row's place in the global batch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from train.collective import all_sum, count_rows, workers


@dataclass(frozen=True)
class BatchPlace:
    """Where this worker's rows of a step stand."""

    seed: int
    step: int
    first_row: int = 0
    """Of this worker's rows, in the global batch."""

    def spread(self, views: int) -> "BatchPlace":
        """The same place where each row has become `views` rows."""
        return BatchPlace(self.seed, self.step, self.first_row * views)


class GlobalBatchNorm(nn.BatchNorm1d):
    """nn.BatchNorm1d over the rows of all workers; alone, and in eval mode, it is torch's own."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, w) rows of this worker, n = 0 allowed → (n, w)."""
        if workers() == 1 or not self.training:
            return super().forward(x)
        count = count_rows(x)
        mean = all_sum(x.sum(dim=0)) / count
        centred = x - mean
        variance = all_sum(centred.square().sum(dim=0)) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        return centred * (variance + self.eps).rsqrt() * self.weight + self.bias

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.running_mean.lerp_(mean, self.momentum or 0.0)
        self.running_var.lerp_(variance, self.momentum or 0.0)
        self.num_batches_tracked.add_(1)


class RowDropout(nn.Module):
    """Dropout whose mask for a row depends on (seed, layer, step, row) alone.

    The masks come from Philox, a generator that is read at any place without drawing what lies before it: the key is
    (seed, layer), the counter (block of the row, step). So a worker draws its own rows only, on the CPU.
    """

    def __init__(self, rate: float, layer: int) -> None:
        super().__init__()
        self.rate = rate
        self.layer = layer

    def forward(self, x: Tensor, place: BatchPlace | None) -> Tensor:
        """(n, w) → (n, w); in eval mode as it came. Raises ValueError without a place in training mode."""
        if not self.training or not self.rate:
            return x
        if place is None:
            raise ValueError(
                "dropout in training mode needs the place of its rows: network(rows, BatchPlace(seed, step))"
            )
        return x * self._kept(len(x), x.shape[1], place).to(x) / (1 - self.rate)

    def _kept(self, rows: int, width: int, place: BatchPlace) -> Tensor:
        blocks = -(-width // 8)  # a step of Philox's counter gives 4 × 64 bits, here 8 × 32
        philox = np.random.Philox(
            key=np.array([place.seed, self.layer], dtype=np.uint64),
            counter=np.array([place.first_row * blocks, place.step, 0, 0], dtype=np.uint64),
        )
        bits = philox.random_raw(rows * blocks * 4).view(np.uint32).reshape(rows, blocks * 8)
        return torch.from_numpy(bits[:, :width] >= np.uint32(self.rate * 2**32))

    def extra_repr(self) -> str:
        return f"rate={self.rate}, layer={self.layer}"
