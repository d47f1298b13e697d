"""The recipes: each can be built as it stands, keeps the papers' values, and gives way to what a user sets."""

import numpy as np
import pytest
import torch

from harvest.errors import ConfigError
from train.config import FitConfig, NetworkConfig, TrainConfig
from train.losses import build_loss
from train.networks import build_network
from train.presets import PRESETS, RECIPES, filled, recipe


@pytest.mark.parametrize("size", [128, 512])
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_a_network_and_a_loss_with_a_gradient(name: str, size: int) -> None:
    chosen = recipe(name)
    config = filled(chosen, TrainConfig())
    network = build_network(config.network, size, config.mining.views if chosen.branches else 0)
    shape = (12, size) if chosen.identities else (12, 3, size)
    network.eval()
    embedded = network(torch.as_tensor(np.random.default_rng(0).normal(size=shape), dtype=torch.float32))
    loss = build_loss(chosen.loss, config.losses, embedded.shape[-1], 4)
    targets = [torch.arange(12) % 4] if chosen.identities else []
    loss(embedded, *targets).backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.any() for gradient in gradients if gradient is not None)


PAPERS = {
    "multiface-mvcorr": ("C1", False, 1024, 0.01, 0.9, 1e-6, 1e-3, 5),
    "multiface-imptriplet": ("C2", True, 1024, 0.001, 0.9, 1e-6, 1e-3, 5),
    "bcl": ("bcl", True, 2000, 0.003, 0.9, 0.0, 1e-3, 60),
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_values_of_its_paper(name: str) -> None:
    config = filled(recipe(name), TrainConfig())
    optimiser = config.fit.optimiser
    found = (config.network.name, config.network.unit, config.fit.batch, optimiser.rate, optimiser.momentum)
    assert (*found, optimiser.step_decay, config.fit.least_fall, config.fit.patience) == PAPERS[name]
    assert PRESETS[name].branches == (name == "multiface-mvcorr")
    assert PRESETS[name].identities == (name == "bcl")
    losses = config.losses
    assert (losses.imptriplet.margin, losses.imptriplet.bound, losses.imptriplet.pull) == (1.0, 0.1, 0.02)
    assert (losses.ball.pull, losses.ball.margin, optimiser.threshold_rate, optimiser.threshold_frozen) == (
        4,
        0.1,
        0.1,
        5,
    )


def test_what_a_user_sets_stands_and_its_neighbours_are_the_recipes() -> None:
    mine = TrainConfig(fit=FitConfig(batch=64), network=NetworkConfig(dropout=0.5))
    config = filled(recipe("multiface-imptriplet"), mine)
    assert (config.fit.batch, config.network.dropout) == (64, 0.5)
    assert (config.fit.optimiser.rate, config.network.name) == (0.001, "C2")


def test_an_unknown_name_is_told_which_there_are() -> None:
    with pytest.raises(ConfigError, match="no training method or preset 'mvcor'; there are: mvcorr-linear, multiface"):
        recipe("mvcor")
