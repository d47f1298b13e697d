"""Training at the size of the papers' corpus: the closed form movie by movie, and epochs of deep MvCorr.

`python -m tests.bench.train_speed [--rows N] [--tracks N] [--share S]`; the deep loop, here and in a worker of Ray
Train, is compared with a bare torch loop that takes the same batches through torch's own layers. Of an epoch the first
share S is run and the rest extrapolated, which the table says.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from train.batches import ArrayRows, epoch_parts
from train.config import FitConfig, NetworkConfig
from train.fit import Fit
from train.loss_config import LossesConfig
from train.losses import build_loss
from train.networks import build_network
from train.normalise import Floats
from train.subspace import SubspaceSums, fit_subspace

MOVIES, VIEWS, SIZE = 240, 3, 512
GOAL_S = 60
TURNS, TURN_STEPS = 4, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=169_000, help="mined tracks of the closed form")
    parser.add_argument("--rows", type=int, default=126_000, help="training rows of deep MvCorr")
    parser.add_argument("--share", type=float, default=1.0, help="share of an epoch of deep MvCorr that is run")
    settings = parser.parse_args()
    console = Console(width=120)
    console.print(closed_form(settings.tracks))
    console.print(deep(settings.rows, settings.share))
    console.print(wrapped(settings.rows))


def movies(tracks: int) -> Iterator[Floats]:
    """Tracklets (t, M, d) of one movie after another, unit rows, views of a track alike."""
    rng = np.random.default_rng(0)
    for count in np.diff(np.linspace(0, tracks, MOVIES + 1).astype(int)):
        made = rng.standard_normal((count, 1, SIZE), dtype=np.float32)
        made = made + rng.standard_normal((count, VIEWS, SIZE), dtype=np.float32)
        yield made / np.linalg.norm(made, axis=2, keepdims=True)


def closed_form(tracks: int) -> Table:
    """Seconds of sums and solution, without making the tracklets; peak memory after a quarter and at the end."""
    sums, seconds, peaks = None, 0.0, []
    for movie, tracklets in enumerate(movies(tracks)):
        began = time.perf_counter()
        ours = SubspaceSums.of(tracklets)
        sums = ours if sums is None else sums + ours
        seconds += time.perf_counter() - began
        if movie + 1 in (MOVIES // 4, MOVIES):
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    assert sums is not None
    began = time.perf_counter()
    fit_subspace(sums)
    solved = time.perf_counter() - began
    table = Table(f"closed form, {tracks:,} × {VIEWS} tracklets of {SIZE}-d in {MOVIES} movies", "")
    table.add_row("seconds, sums", f"{seconds:.1f}")
    table.add_row("seconds, solution", f"{solved:.1f}")
    table.add_row(f"together (goal {GOAL_S})", f"{seconds + solved:.1f}")
    table.add_row("peak memory after a quarter of the movies, MB", f"{peaks[0]:.0f}")
    table.add_row("peak memory at the end, MB", f"{peaks[1]:.0f}")
    return table


def deep(rows: int, share: float) -> Table:
    """Seconds of an epoch, whole or extrapolated from its first `share`; and the loop against the bare one."""
    config = FitConfig(epochs=1, batch=min(1024, rows))
    steps = rows // config.batch
    run = max(1, round(share * steps))
    wall, busy = timed(epoch_of_the_loop(ArrayRows(some(run * config.batch)), config))
    table = Table(f"deep MvCorr C1, {rows:,} × {VIEWS} × {SIZE}, batches of {config.batch}", "")
    how = f", extrapolated from {run}" if run < steps else ""
    table.add_row(f"seconds per epoch of {steps} steps{how}", f"{wall * steps / run:.1f}")
    table.add_row(f"CPU seconds of it, {torch.get_num_threads()} threads", f"{busy * steps / run:.1f}")
    return with_ratio(table, "train.fit", *turns(config))


def wrapped(rows: int) -> Table:
    """The same two loops in a worker of Ray Train, as several workers or a GPU are trained."""
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    config = FitConfig(epochs=1, batch=min(1024, rows))
    scaling = ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1})
    with tempfile.TemporaryDirectory() as folder:
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        run = RunConfig(name="ray", storage_path=folder)
        ended = TorchTrainer(turns, train_loop_config=config, scaling_config=scaling, run_config=run).fit()
        ray.shutdown()
    return with_ratio(Table("deep MvCorr C1 in a worker of Ray Train", ""), "train.fit", *ended.return_value)


def some(rows: int) -> Floats:
    """(rows, M, d) float32 tracklets."""
    return np.concatenate([movie.astype(np.float32) for movie in movies(rows)])


def turns(config: FitConfig) -> tuple[float, float]:
    """CPU seconds per step of the loop and of a bare loop: of some steps of each in turn the least, which what else the
    machine does moves least."""
    few = some(TURN_STEPS * config.batch)
    loop, bare = epoch_of_the_loop(ArrayRows(few), config), epoch_of_a_bare_loop(few, config)
    ours, theirs = np.array([(timed(loop)[1], timed(bare)[1]) for _ in range(TURNS)]).min(axis=0) / TURN_STEPS
    return float(ours), float(theirs)


def with_ratio(table: Table, name: str, ours: float, bare: float) -> Table:
    table.add_row(f"CPU ms per step, {name}", f"{ours * 1000:.0f}")
    table.add_row("CPU ms per step, bare torch loop on the same batches", f"{bare * 1000:.0f}")
    table.add_row("ratio (goal 1.15 or less)", f"{ours / bare:.2f}")
    return table


def timed(epoch: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    began = time.perf_counter(), time.process_time()
    epoch()
    return time.perf_counter() - began[0], time.process_time() - began[1]


def epoch_of_the_loop(rows: ArrayRows, config: FitConfig) -> Callable[[], object]:
    def epoch() -> object:
        network = build_network(NetworkConfig(), SIZE, branches=VIEWS)
        training = Fit(network, build_loss("mvcorr", LossesConfig()), config.model_copy(update={"epochs": 1}))
        return training.run(rows)

    return epoch


def epoch_of_a_bare_loop(tracklets: Floats, config: FitConfig) -> Callable[[], object]:
    """What one would write by hand: three Sequentials, torch's dropout and batch norm, the loss inline."""

    def epoch() -> None:
        branches = nn.ModuleList(_bare_c1() for _ in range(VIEWS))
        optimiser = torch.optim.SGD(branches.parameters(), lr=0.01, momentum=0.9)
        for part in epoch_parts(len(tracklets), config.batch, config.seed, 0, 0, 1):
            batch = torch.from_numpy(tracklets[part.rows])
            views = torch.stack([branch(batch[:, view]) for view, branch in enumerate(branches)])
            centred = views - views.mean(dim=1, keepdim=True)
            rows, summed = centred.reshape(-1, 256), centred.sum(dim=0)
            within, total = rows.T @ rows, summed.T @ summed
            ridged = within + 1e-3 * within.trace() / 256 * torch.eye(256)
            loss = -torch.linalg.solve(ridged, total - within).trace() / (256 * 2)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    return epoch


def _bare_c1() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(SIZE, 512), nn.ReLU(), nn.BatchNorm1d(512), nn.Dropout(0.2),
        nn.Linear(512, 256), nn.ReLU(), nn.BatchNorm1d(256),
    )  # fmt: skip


if __name__ == "__main__":
    main()
