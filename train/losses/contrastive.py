"""The contrastive loss over pair masks: must-link pairs together, cannot-link pairs a margin apart."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.collective import gather_rows
from train.loss_config import ContrastiveConfig
from train.losses.pairs import identity_pairs, mean_where, squared_distances

LEAST_SQUARED = 1e-12
"""Squared distances below it push no farther: the distance itself has no gradient at 0."""


class ContrastiveLoss(nn.Module):
    """½·mean d² over must-link pairs + ½·mean [m − d]₊² over cannot-link pairs.

    Hadsell et al. (2006), as TSiam and SSiam (Sharma et al.) and BCL §3.4 have it; means of each kind, as in the
    release of BCL's authors †. pytorch-metric-learning's ContrastiveLoss squares neither term.

    >>> rows = torch.tensor([[0.0, 0.0], [0.0, 2.0], [0.5, 0.0]])
    >>> must, cannot = torch.zeros(2, 3, 3, dtype=torch.bool)
    >>> must[0, 1] = cannot[0, 2] = True
    >>> ContrastiveLoss()(rows, must, cannot).item()  # ½·2² + ½·(1 − ½)²
    2.125
    """

    def __init__(self, config: ContrastiveConfig | None = None) -> None:
        super().__init__()
        self.config = config or ContrastiveConfig()

    def forward(self, embeddings: Tensor, must_link: Tensor, cannot_link: Tensor) -> Tensor:
        """(n, D) and two masks (n, n) bool, True where a pair counts (once, or in both orders) → scalar.

        Of several workers each has its own pairs: both ends of a pair are with one worker.
        """
        squared = squared_distances(embeddings, embeddings)
        margin = embeddings.new_tensor(self.config.margin)
        return contrast(squared, must_link, cannot_link, margin)


class LearnedContrastiveLoss(nn.Module):
    """The same over all pairs of a batch, its margin m = softplus(m̂) learned: BCL's baseline (§3.4).

    >>> rows = torch.zeros(2, 2)
    >>> loss = LearnedContrastiveLoss()
    >>> torch.isclose(loss(rows, torch.tensor([0, 1])), loss.margin**2 / 2).item()
    True
    """

    def __init__(self, config: ContrastiveConfig | None = None) -> None:
        super().__init__()
        self.m_hat = nn.Parameter(torch.tensor((config or ContrastiveConfig()).start))

    @property
    def margin(self) -> Tensor:
        """m."""
        return functional.softplus(self.m_hat)

    def forward(self, embeddings: Tensor, identities: Tensor) -> Tensor:
        """(n, D) rows and (n,) int64 → scalar."""
        squared = squared_distances(embeddings, gather_rows(embeddings))
        return contrast(squared, *identity_pairs(identities), self.margin)


def contrast(squared: Tensor, must_link: Tensor, cannot_link: Tensor, margin: Tensor) -> Tensor:
    """The loss from squared distances (n, m), masks of that shape and a scalar margin."""
    short = torch.relu(margin - squared.clamp(min=LEAST_SQUARED).sqrt()).square()
    return (mean_where(squared, must_link) + mean_where(short, cannot_link)) / 2
