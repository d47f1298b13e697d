"""When self-distillation is at which round and epoch, and the learning rate there.

VideoClusterNet appendix A.3: 30 epochs, then 10 each; each round warms up linearly, then falls by a cosine.
"""

from dataclasses import dataclass
from math import cos, pi

from cluster.config import SelfDistillConfig


@dataclass(frozen=True)
class RoundEpoch:
    """An epoch of a round, both from 0."""

    round: int
    epoch: int
    epochs: int
    """Of this round."""


def epochs_of(config: SelfDistillConfig) -> int:
    """Epochs of all rounds."""
    return config.first_epochs + (config.iterations - 1) * config.later_epochs


def place_of(epoch: int, config: SelfDistillConfig) -> RoundEpoch:
    """Where the epoch that many epochs from the start stands."""
    if epoch < config.first_epochs:
        return RoundEpoch(0, epoch, config.first_epochs)
    later, within = divmod(epoch - config.first_epochs, config.later_epochs)
    return RoundEpoch(later + 1, within, config.later_epochs)


def rate_at(place: RoundEpoch, done: float, config: SelfDistillConfig) -> float:
    """The learning rate where this share of the epoch's steps is done."""
    warmup = min(config.warmup_epochs, place.epochs - 1)
    at = place.epoch + done
    if at < warmup:
        return config.warmup_rate + (config.rate - config.warmup_rate) * at / warmup
    fallen = (at - warmup) / (place.epochs - warmup)
    return config.last_rate + (config.rate - config.last_rate) * (1 + cos(pi * fallen)) / 2
