"""The head that self-distillation puts behind an embedding: three layers, GELU, as long as the embedding, no norm.

VideoClusterNet appendix A.1 (methods.md §4.2).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Head(nn.Module):
    """(n, d) → (n, d), unnormalised.

    The first two layers are apart, for track quality drops some of the last one's inputs. With `skip` the input is
    added to the output †.
    """

    def __init__(self, size: int, skip: bool = False) -> None:
        super().__init__()
        self.skip = skip
        self.first, self.second, self.last = (nn.Linear(size, size) for _ in range(3))

    def hidden(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d), what the last layer sees."""
        return functional.gelu(self.second(functional.gelu(self.first(x))))

    def output(self, x: Tensor, hidden: Tensor) -> Tensor:
        """(n, d) inputs and what the last layer sees of them → (n, d)."""
        out: Tensor = self.last(hidden)
        return x + out if self.skip else out

    def forward(self, x: Tensor) -> Tensor:
        return self.output(x, self.hidden(x))


def build_heads(size: int, seed: int, skip: bool = False) -> tuple[Head, Head]:
    """Student's and teacher's, each initialised on its own; torch's own random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Head(size, skip), Head(size, skip)
