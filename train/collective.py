"""Sums over the workers that share a batch, with gradients, so that W workers compute exactly what one would.

One rule makes it exact: the loss is the sum of what the workers return, each for its own rows. So the gradient of
every sum is again a sum over the workers, and so are the parameters' gradients; nothing is averaged.

Sent per step, in numbers (an all-reduce moves about 2(W−1)/W of each per worker), P parameters:
gradients P; a batch norm of width w: 2w forward, 2w backward; MvCorr of M views of D: MD + 2D² forward and backward;
ball of K classes in N rows: N + KD forward, KD backward; the pair and triplet losses N + ND forward, ND backward.
C1 on 512-d, M = 3: 1.19 M gradients, 0.26 M of the loss, 0.01 M of batch norms, so 5.8 MB in float32 whatever the
batch and the corpus; gathering the 1024 × 3 × 256 embeddings instead would take 6.3 MB for the loss alone.
"""

from collections.abc import Iterable
from typing import Any, cast

import torch
import torch.distributed as distributed
from torch import Tensor
from torch.autograd import Function


def workers() -> int:
    """W: the processes of torch's process group; 1 where there is none."""
    return distributed.get_world_size() if _together() else 1


def rank() -> int:
    """This worker's place among them, from 0."""
    return distributed.get_rank() if _together() else 0


def all_sum(x: Tensor) -> Tensor:
    """The sum of every worker's `x`, the same bits everywhere; its gradient is the sum of every worker's gradient.

    torch.distributed.nn has it too, deprecated.
    """
    return cast(Tensor, _AllSum.apply(x)) if workers() > 1 else x


def count_rows(x: Tensor) -> Tensor:
    """The rows of `x` on all workers, a scalar of its type."""
    return all_sum(torch.tensor(len(x), dtype=x.dtype, device=x.device))


def gather_rows(x: Tensor) -> Tensor:
    """(n, …) rows of each worker, n as it may be → (N, …) of all, in the order of the workers; with gradients."""
    if workers() == 1:
        return x
    counts, first = _row_counts(x)
    before, after = (x.new_zeros((int(n), *x.shape[1:])) for n in (first, counts.sum() - first - len(x)))
    return all_sum(torch.cat([before, x, after]))


def first_row(x: Tensor) -> int:
    """Where this worker's rows begin in what `gather_rows` returns."""
    return _row_counts(x)[1] if workers() > 1 else 0


def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace each parameter's gradient by its sum over the workers, in one message."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if workers() == 1 or not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    for gradient, summed in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(summed.view_as(gradient))


def share_from_first(tensors: Iterable[Tensor]) -> None:
    """Overwrite the tensors by those of worker 0, so that all start from the same weights."""
    if workers() > 1:
        for tensor in tensors:
            distributed.broadcast(tensor.detach(), src=0)


def agreed(value: float) -> float:
    """Worker 0's value: a decision to stop must be the same everywhere, or the others wait for ever."""
    tensor = torch.tensor(value, dtype=torch.float64, device="cuda" if _together() and _nccl() else "cpu")
    share_from_first([tensor])
    return float(tensor)


class _AllSum(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _reduced(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _reduced(gradients[0])


def _reduced(x: Tensor) -> Tensor:
    summed = x.detach().clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(summed)
    return summed


def _row_counts(x: Tensor) -> tuple[Tensor, int]:
    """Rows of each worker, and where this worker's begin."""
    counts = torch.zeros(workers(), dtype=torch.int64, device=x.device)
    counts[rank()] = len(x)
    distributed.all_reduce(counts)
    return counts, int(counts[: rank()].sum())


def _nccl() -> bool:
    """Whether messages must be in a GPU's memory."""
    return distributed.get_backend() == "nccl"


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
