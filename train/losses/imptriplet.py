"""The improved triplet loss: the negative leaves both ends of the positive pair, which is pulled within a bound."""

import torch
from torch import Tensor, nn

from train.collective import count_rows
from train.loss_config import ImpTripletConfig


class ImpTripletLoss(nn.Module):
    """[m + d(a,p) − (d(a,n) + d(p,n))/2]₊ + λ[d(a,p) − m₂]₊, d squared, mean over the rows.

    Zhang et al., Deep metric learning with improved triplet loss for face clustering in videos (2016), as Multi-Face
    §4.3 uses it. torch's and pytorch-metric-learning's triplet losses know neither the push from the positive (their
    `swap` takes the nearer end, not the mean of both) nor the bound. Takes unit rows.

    >>> anchor, positive, negative = torch.eye(3)[[0, 0, 1]]  # d(a,p) = 0, d(a,n) = d(p,n) = 2
    >>> float(ImpTripletLoss()(torch.stack([anchor, positive, negative])[None]))
    0.0
    """

    def __init__(self, config: ImpTripletConfig | None = None) -> None:
        super().__init__()
        self.config = config or ImpTripletConfig()

    def forward(self, embeddings: Tensor) -> Tensor:
        """(n, 3, D) anchor, positive, hard negative → scalar."""
        anchor, positive, negative = embeddings.unbind(dim=1)
        pair = (anchor - positive).square().sum(dim=1)
        apart = ((anchor - negative).square().sum(dim=1) + (positive - negative).square().sum(dim=1)) / 2
        push = torch.relu(self.config.margin + pair - apart)
        pull = torch.relu(pair - self.config.bound)
        return (push + self.config.pull * pull).sum() / count_rows(embeddings)
