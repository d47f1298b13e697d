"""What the losses of pairs share: squared distances of all pairs, who is whose pair, means over the pairs of a kind."""

import torch
from torch import Tensor

from train.collective import all_sum, first_row, gather_rows


def squared_distances(rows: Tensor, others: Tensor) -> Tensor:
    """(n, D) and (m, D) → (n, m) squared Euclidean distances, as |r|² + |o|² − 2ro."""
    norms = rows.square().sum(dim=1)[:, None] + others.square().sum(dim=1)
    return (norms - 2 * rows @ others.T).clamp(min=0)


def identity_pairs(identities: Tensor) -> tuple[Tensor, Tensor]:
    """(n,) of this worker → two masks (n, N) against the rows of all: pairs of one identity, and of two.

    Nobody is their own pair.
    """
    same = identities[:, None] == gather_rows(identities)
    first = first_row(identities)
    itself = torch.zeros_like(same)
    itself[:, first : first + len(identities)].fill_diagonal_(True)
    return same & ~itself, ~same


def mean_where(terms: Tensor, mask: Tensor) -> Tensor:
    """This worker's share of the mean of `terms` over the True entries of all workers' masks; 0 where there is none."""
    count = all_sum(mask.sum().to(terms.dtype)).clamp(min=1)
    return (terms * mask).sum() / count
