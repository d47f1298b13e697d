"""The losses of the papers by name, one file each. Each returns this worker's share: the shares add up to the loss."""

import torch
from torch import nn

from train.loss_config import LossesConfig
from train.losses.ball import BallLoss
from train.losses.contrastive import ContrastiveLoss, LearnedContrastiveLoss
from train.losses.cross_entropy import CrossEntropyLoss
from train.losses.imptriplet import ImpTripletLoss
from train.losses.ldml import LdmlLoss
from train.losses.mvcorr import MvCorrLoss
from train.losses.prototypical import PrototypicalLoss
from train.losses.triplet import TripletLoss

LOSSES: dict[str, type[nn.Module]] = {
    "mvcorr": MvCorrLoss,
    "imptriplet": ImpTripletLoss,
    "ball": BallLoss,
    "contrastive": ContrastiveLoss,
    "learned-contrastive": LearnedContrastiveLoss,
    "ldml": LdmlLoss,
    "prototypical": PrototypicalLoss,
    "triplet": TripletLoss,
    "cross-entropy": CrossEntropyLoss,
}
"""What each takes beside the embeddings: mvcorr and imptriplet nothing, contrastive two pair masks, the rest identities
(n,) int64."""


def build_loss(name: str, config: LossesConfig, size: int = 0, classes: int = 0, seed: int = 0) -> nn.Module:
    """The loss of that name; cross-entropy also needs the embedding size D, the number of classes and a seed."""
    if name == "cross-entropy":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return CrossEntropyLoss(size, classes)
    section = getattr(config, name.removeprefix("learned-"), None)
    return LOSSES[name](section) if section is not None else LOSSES[name]()
