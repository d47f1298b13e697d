"""Ball Cluster Learning: one ball of a learned radius around each identity, the balls apart."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.collective import all_sum, count_rows, gather_rows
from train.loss_config import BallLossConfig
from train.losses.pairs import squared_distances


class BallLoss(nn.Module):
    """α·mean[d²(f, μ_own) − b]₊ + mean max_{v≠own}[9b + ε − d²(f, μ_v)]₊, b = softplus(b̂) the squared radius.

    Tapaswi et al., Video Face Clustering with Unknown Number of Clusters (2019), eq. 1–7. μ_k is the (re-normalised)
    centroid of class k in the global batch; b̂ is learned with the weights, and 4b is where complete linkage stops.

    >>> loss = BallLoss()
    >>> rows, identities = torch.eye(4)[[0, 0, 1]], torch.tensor([7, 7, 9])
    >>> expected = 9 * loss.squared_radius + 0.1 - 2  # nobody leaves a ball; a centroid is nearer, d² = 2, than 9b + ε
    >>> torch.isclose(loss(rows, identities), expected).item()
    True
    """

    cannot_link: Tensor | None

    def __init__(self, config: BallLossConfig | None = None, cannot_link: Tensor | None = None) -> None:
        """`cannot_link` (C, C) bool, symmetric, over identities 0 … C−1: pushes apart only those (BCL's fine-tuning on
        a movie, whose classes are its tracks)."""
        super().__init__()
        self.config = config or BallLossConfig()
        self.b_hat = nn.Parameter(torch.tensor(self.config.start))
        self.register_buffer("cannot_link", cannot_link, persistent=False)

    @property
    def squared_radius(self) -> Tensor:
        """b."""
        return functional.softplus(self.b_hat)

    def forward(self, embeddings: Tensor, identities: Tensor) -> Tensor:
        """(n, D) rows and (n,) int64 → scalar."""
        classes = torch.unique(gather_rows(identities))
        own = identities[:, None] == classes
        centroids = self._centroids(embeddings, own)
        squared, b = squared_distances(embeddings, centroids), self.squared_radius
        others = ~own if self.cannot_link is None else self.cannot_link[identities[:, None], classes]
        pull = torch.relu((squared * own).sum(dim=1) - b)
        push = (torch.relu(9 * b + self.config.margin - squared) * others).amax(dim=1)
        return (self.config.pull * pull + push).sum() / count_rows(embeddings)

    def _centroids(self, embeddings: Tensor, own: Tensor) -> Tensor:
        """(K, D) of the global batch's classes."""
        member = own.to(embeddings.dtype)
        sums = all_sum(member.T @ embeddings)
        return functional.normalize(sums, dim=1) if self.config.unit else sums / all_sum(member.sum(dim=0))[:, None]
