"""Logistic discriminant metric learning: a learned squared distance tells pairs of one person from pairs of two."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.collective import gather_rows
from train.loss_config import LdmlConfig
from train.losses.pairs import identity_pairs, mean_where, squared_distances


class LdmlLoss(nn.Module):
    """−mean log p over pairs of one identity − mean log(1 − p) over pairs of two, p = σ(β − d²).

    Guillaumin et al. (2009), as BCL §3.4 has it, there with sums; means of each kind, as in its authors' release †.

    >>> rows, identities = torch.eye(2)[[0, 0, 1]], torch.tensor([0, 0, 1])  # d² = 0 and 2, β = 0.5
    >>> expected = -torch.tensor(0.5).sigmoid().log() - (1 - torch.tensor(-1.5).sigmoid()).log()
    >>> torch.isclose(LdmlLoss()(rows, identities), expected).item()
    True
    """

    def __init__(self, config: LdmlConfig | None = None) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.tensor((config or LdmlConfig()).start))

    def forward(self, embeddings: Tensor, identities: Tensor) -> Tensor:
        """(n, D) unit rows and (n,) int64 → scalar."""
        logits = self.beta - squared_distances(embeddings, gather_rows(embeddings))
        same, different = identity_pairs(identities)
        terms = functional.binary_cross_entropy_with_logits(logits, same.to(logits.dtype), reduction="none")
        return mean_where(terms, same) + mean_where(terms, different)
