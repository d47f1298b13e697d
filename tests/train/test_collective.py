"""W workers equal one: plain gloo processes, float64, dropout on, a batch that W does not divide."""

import faulthandler
import os
from multiprocessing import set_forkserver_preload
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as distributed
from safetensors.torch import load_file, save_file
from torch.multiprocessing.spawn import start_processes

from tests.train.pair_rows import PairRows
from train.batches import ArrayRows, FaceRows
from train.collective import agreed, all_sum, gather_rows, rank, workers
from train.config import FitConfig, NetworkConfig, OptimiserConfig
from train.fit import Fit
from train.loss_config import LossesConfig
from train.losses import LOSSES, build_loss
from train.masks import FacePairs
from train.networks import build_network

BATCH, ROWS, SIZE, EPOCHS = 23, 94, 16, 5  # 4 steps an epoch; 8 of the contrastive loss's pairs
MANY = (2, 3)
CASES = [*LOSSES, "imptriplet of two rows", "mvcorr by sigmoid"]


def training(name):
    """One short training in float64; its state, with the losses of its epochs."""
    torch.set_num_threads(1)
    loss_name = name.split()[0]
    rng = np.random.default_rng(1)
    rows = training_rows(loss_name, rng)
    network = NetworkConfig(
        name="ssiam" if loss_name == "contrastive" else "C1",
        activation="sigmoid" if "sigmoid" in name else "relu",
        unit=loss_name not in ("mvcorr", "contrastive"),
    )
    branches = 3 if loss_name == "mvcorr" else 0
    batch, epochs = (2, 1) if "two rows" in name else (BATCH, EPOCHS)
    settings = OptimiserConfig(threshold_frozen=1, rate=0.003, name="adam" if loss_name == "triplet" else "sgd")
    fit = Fit(
        build_network(network, SIZE, branches).double(),
        build_loss(loss_name, LossesConfig(), size=256, classes=9).double(),
        FitConfig(batch=batch, epochs=epochs, optimiser=settings),
    )
    history = fit.run(rows, validation=rows)
    losses = [[metrics.train_loss, metrics.validation_loss] for metrics in history]
    kept = {key: tensor for key, tensor in fit.state_dict().tensors.items() if not key.startswith("best")}
    return kept | {"losses": torch.tensor(losses, dtype=torch.float64)}


def training_rows(loss, rng):
    tracks = rng.normal(size=(ROWS, 1, SIZE)) + 0.5 * rng.normal(size=(ROWS, 3, SIZE))
    identities = rng.integers(0, 9, ROWS)
    if loss in ("mvcorr", "imptriplet"):
        return ArrayRows(tracks)
    if loss == "contrastive":
        pairs = np.array([(row, (row + step) % ROWS) for row in range(ROWS) for step in (1, 2)])
        return PairRows(tracks[:, 0], FacePairs(pairs, identities[pairs[:, 0]] == identities[pairs[:, 1]]))
    return FaceRows(list(tracks), identities, seed=0)


def worker(place, count, folder):
    faulthandler.enable()
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet{count}", rank=place, world_size=count)
    for name in CASES:
        outcome = training(name)
        save_file(outcome, f"{folder}/{name}.{count}.{place}")
    small_sums(place, count)
    distributed.barrier()
    distributed.destroy_process_group()
    os._exit(0)  # at the interpreter's end threads of gloo or Arrow may abort (pytorch#179291, apache/arrow#34314)


def small_sums(place, count):
    mine = torch.arange(2.0 * place, dtype=torch.float64).reshape(place, 2).requires_grad_()
    everyone = gather_rows(mine)
    expected = torch.cat([torch.arange(2.0 * other).reshape(other, 2) for other in range(count)])
    assert torch.equal(everyone.detach(), expected.double())
    # Every worker weighs the rows by its own place; the gradient is the sum of the weights.
    (everyone.sum() * place).backward()
    assert mine.grad is not None
    assert (mine.grad == sum(range(count))).all()
    assert float(all_sum(torch.tensor(float(place)))) == sum(range(count))
    assert agreed(place + 0.25) == 0.25
    assert (rank(), workers()) == (place, count)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("workers")
    # The five workers fork from one process that has imported torch and what its optimisers import when first used:
    # 4 s each, and a training takes 0.2.
    set_forkserver_preload([__name__, "torch._dynamo"])
    for count in MANY:
        start_processes(worker, (count, str(path)), nprocs=count, start_method="forkserver")
    return Path(path)


@pytest.mark.parametrize("name", CASES)
def test_after_twenty_steps_losses_and_parameters_are_those_of_one_worker(folder, name):
    alone = training(name)
    assert any(key.startswith("network") for key in alone)
    for count in MANY:
        for place in range(count):
            theirs = load_file(folder / f"{name}.{count}.{place}")
            assert theirs.keys() == alone.keys()
            for key, tensor in alone.items():
                # Biases that a loss does not see (MvCorr centres, pairs subtract) hold nothing but noise of 1e-16.
                scale = max(float(tensor.abs().max()), 1e-3)
                worst = float((theirs[key] - tensor).abs().max()) / scale
                assert worst <= 1e-9, f"{key}: {worst:.1e} with {count} workers"


def test_every_worker_has_the_same_bits(folder):
    for name in CASES:
        first, last = (load_file(folder / f"{name}.3.{place}") for place in (0, 2))
        assert all(torch.equal(tensor, last[key]) for key, tensor in first.items()), name


def test_one_process_needs_no_group():
    rows = torch.ones(3, 2)
    assert (rank(), workers()) == (0, 1)
    assert gather_rows(rows) is rows
    assert all_sum(rows) is rows
