"""Prototypical networks: each row nearer to its own identity's centroid than to the others', as a softmax."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.collective import all_sum, count_rows, gather_rows
from train.losses.pairs import squared_distances


class PrototypicalLoss(nn.Module):
    """−1/N Σ_i 1/|C_k| log p(k | f_i), p the softmax over −d²(f_i, μ_v), μ the mean of a class in the global batch.

    Snell et al. (2017), BCL eq. 9–10 with b = γ = 0. Rows are not normalised (BCL §4: 15 % NMI worse if they are).

    >>> rows, identities = torch.tensor([[0.0], [0.0], [1.0]]), torch.tensor([0, 0, 1])
    >>> expected = 2 / 3 * -torch.tensor([0.0, -1.0]).log_softmax(0)[0]  # (½ + ½ + 1) / 3 of it
    >>> torch.isclose(PrototypicalLoss()(rows, identities), expected).item()
    True
    """

    def forward(self, embeddings: Tensor, identities: Tensor) -> Tensor:
        """(n, D) rows and (n,) int64 → scalar."""
        own = identities[:, None] == torch.unique(gather_rows(identities))
        member = own.to(embeddings.dtype)
        sizes = all_sum(member.sum(dim=0))
        centroids = all_sum(member.T @ embeddings) / sizes[:, None]
        logits = -squared_distances(embeddings, centroids)
        # The sum over an empty part of a batch is 0, where its mean would not be a number.
        surprise = functional.cross_entropy(logits, own.int().argmax(dim=1), reduction="none")
        share: Tensor = (surprise / (member @ sizes)).sum() / count_rows(embeddings)
        return share
