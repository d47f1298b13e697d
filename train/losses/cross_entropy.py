"""Cross-entropy over the identities: a classifier on top of the embedding, thrown away after training."""

from torch import Tensor, nn
from torch.nn import functional

from train.collective import count_rows


class CrossEntropyLoss(nn.Module):
    """mean −log softmax(W f + c)[identity], by torch's own cross_entropy: BCL's baseline CE (§5).

    >>> import torch
    >>> loss = CrossEntropyLoss(size=4, classes=3)
    >>> loss(torch.zeros(8, 4), torch.zeros(8, dtype=torch.int64)).shape
    torch.Size([])
    """

    def __init__(self, size: int, classes: int) -> None:
        """`size`: D of the embeddings; identities are 0 … classes − 1."""
        super().__init__()
        self.classifier = nn.Linear(size, classes)

    def forward(self, embeddings: Tensor, identities: Tensor) -> Tensor:
        """(n, D) rows and (n,) int64 → scalar."""
        surprise = functional.cross_entropy(self.classifier(embeddings), identities, reduction="sum")
        return surprise / count_rows(embeddings)
