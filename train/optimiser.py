"""The optimiser and its learning rates, which follow from step and epoch alone, so that there is no state to keep."""

from collections.abc import Sequence

import torch
from torch import nn

from train.config import OptimiserConfig


def build_optimiser(
    config: OptimiserConfig, weights: Sequence[nn.Parameter], thresholds: Sequence[nn.Parameter]
) -> torch.optim.Optimizer:
    """Two groups of parameters: the weights, and the thresholds that a loss learns (there may be none)."""
    groups = [{"params": list(parameters)} for parameters in (weights, thresholds) if parameters]
    if config.name == "adam":
        return torch.optim.Adam(groups, lr=config.rate)
    return torch.optim.SGD(groups, lr=config.rate, momentum=config.momentum)


def set_rates(optimiser: torch.optim.Optimizer, config: OptimiserConfig, step: int, epoch: int) -> None:
    """Set the rates of a step, after its backward: frozen thresholds lose their gradient, so that no momentum of the
    frozen epochs moves them later."""
    rate = config.rate / (1 + config.step_decay * step) * config.epoch_factor ** (epoch // config.epoch_every)
    frozen = epoch < config.threshold_frozen or not config.threshold_rate
    for group, share in zip(optimiser.param_groups, (1.0, config.threshold_rate), strict=False):
        group["lr"] = rate * share
    for threshold in optimiser.param_groups[1]["params"] if frozen and len(optimiser.param_groups) > 1 else ():
        threshold.grad = None
