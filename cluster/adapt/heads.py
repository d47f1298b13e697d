"""The head that self-distillation puts behind an embedding: three layers, GELU, as long as the embedding, no norm.

VideoClusterNet appendix A.1 (methods.md §4.2).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Head(nn.Module):
    """(n, d) → (n, d), unnormalised.

    The first two layers are apart, for track quality drops some of the last one's inputs.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.first, self.second, self.last = (nn.Linear(size, size) for _ in range(3))

    def hidden(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d), what the last layer sees."""
        return functional.gelu(self.second(functional.gelu(self.first(x))))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.hidden(x))
        return out


def build_heads(size: int, seed: int) -> tuple[Head, Head]:
    """Student's and teacher's, each initialised on its own; torch's own random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Head(size), Head(size)
