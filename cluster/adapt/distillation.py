"""VideoClusterNet's loss: the student of one face answers as the teacher of another face of the same person does."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class DistillationLoss(nn.Module):
    """L = −softmax((e_t − c)/temp) · log softmax(e_s), VideoClusterNet eq. 2; c a running mean of teacher outputs.

    >>> loss = DistillationLoss(size=2, temperature=1.0, momentum=0.9)
    >>> flat = torch.zeros(1, 1, 2)
    >>> loss([flat], [flat]).item()  # two equally likely answers: log 2
    0.6931471824645996
    """

    centre: Tensor
    steps: Tensor

    def __init__(self, size: int, temperature: float, momentum: float) -> None:
        super().__init__()
        self.temperature, self.momentum = temperature, momentum
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, teacher: list[Tensor], student: list[Tensor]) -> Tensor:
        """Groups of crops (k, n, d) of the teacher's face of each of n pairs, and of the student's → scalar.

        Within a group (global, local) every crop of the one meets every crop of the other; a group's mean counts as
        much as another's †. L is linear in each crop's distribution, so the mean over pairs is that of two means.
        """
        terms = []
        for taught, learned in zip(teacher, student, strict=True):
            target = torch.softmax((taught - self.centre) / self.temperature, dim=-1).mean(dim=0)
            answer = functional.log_softmax(learned, dim=-1).mean(dim=0)
            terms.append(-(target * answer).sum(dim=-1).mean())
        return torch.stack(terms).mean()

    @torch.no_grad()
    def observe(self, teacher: list[Tensor]) -> None:
        """Move c towards the mean of a step's teacher outputs; the first step's is c itself."""
        mean = torch.cat([taught.flatten(0, 1) for taught in teacher]).mean(dim=0)
        self.centre.lerp_(mean, 1 - self.momentum if self.steps else 1.0)
        self.steps += 1
