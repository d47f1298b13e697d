"""Train a network on Ray: `train.fit` on one worker, or on several that share each batch through Ray Train.

One worker on the CPU is a plain Ray task: Ray Train takes 13 to 32 s to start and one worker has nobody to talk to.
Several, and every GPU, are a TorchTrainer (gloo on the CPU, nccl on CUDA). Each CPU worker computes on one core, as it
declares; since W workers compute what one would, more workers are the way to use more cores.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harvest.dataset.read import Dataset
from harvest.errors import CastmineError
from train.config import FitConfig, TrainConfig
from train.presets import recipe
from train.split import Split
from workflows.config import RunConfig
from workflows.train.rows import read_learning

if TYPE_CHECKING:
    import torch
    from ray.train import FailureConfig

POLL_S = 0.5
"""How often the driver looks at how far the training is."""

EXTENT = "extent"
"""Where a state's numbers say how much its training sees: the workers have read the rows, the driver has not."""

Watch = Callable[[], None]


@dataclass(frozen=True)
class FitJob:
    """All that a worker needs to know."""

    root: str
    recipe: str
    config: TrainConfig
    split: Split
    embedding_size: int
    device: str
    checkpoints: Path
    """On storage that the driver and every worker see; what was learned is there when the training has ended."""
    memory_gb: float
    """What each worker declares."""


def run_fit(job: FitJob, run: RunConfig, watch: Watch) -> None:
    """Train to the end, from the last checkpoint on where there is one; a lost worker is replaced `run.attempts` times,
    and `run.losses` times more where its machine went: of several workers, only where it was called back.

    `watch` is called every half second. Raises CastmineError where the training cannot go on.
    """
    alone = run.device == "cpu" and (run.workers or 1) == 1
    failed = (_on_one_worker if alone else _on_workers)(job, run, watch)
    if failed is not None:
        raise failed


def fit_on_worker(job: FitJob) -> CastmineError | None:
    """What each worker runs; an error of ours is returned, lest it be taken for a lost worker and tried again."""
    try:
        _fit(job)
    except CastmineError as error:
        return error
    return None


def fitted(config: FitConfig, rows: int) -> tuple[FitConfig, int]:
    """The config with a batch that `rows` rows can fill, and how often an epoch goes through them."""
    batch = min(config.batch, rows)
    return config.model_copy(update={"batch": batch}), max(1, math.ceil(config.epoch_steps * batch / rows))


def _fit(job: FitJob) -> None:
    import torch

    from train.checkpoint import Checkpoints
    from train.collective import rank
    from train.fit import EpochMetrics, Fit, fit
    from train.identities import clustering_score
    from train.losses import build_loss
    from train.networks import Network, build_network, embed_rows
    from train.repeats import RepeatedRows

    chosen, config = recipe(job.recipe), job.config
    learning = read_learning(Dataset.open(job.root), chosen, job.split, config)
    device = _device(job)
    fit_config, repeats = fitted(config.fit, len(learning.rows))
    branches = config.mining.views if chosen.branches else 0
    network = build_network(config.network, job.embedding_size, branches, fit_config.seed).to(device)
    output = embed_rows(network, np.zeros((1, job.embedding_size)), unit=False).shape[1]
    loss = build_loss(chosen.loss, config.losses, output, learning.classes, fit_config.seed).to(device)

    def score(network: Network) -> float:
        assert learning.held_back is not None
        b = loss.squared_radius if chosen.loss == "ball" else None
        return clustering_score(
            embed_rows(network, learning.held_back.means),
            learning.held_back.identities,
            float(b.detach()) if isinstance(b, torch.Tensor) else None,
        )

    checkpoints = Checkpoints(job.checkpoints)

    def save(_: EpochMetrics, training: Fit) -> None:
        state = training.state_dict()
        checkpoints.save(replace(state, numbers=state.numbers | {EXTENT: asdict(learning.extent)}))

    fit(
        network,
        loss,
        RepeatedRows(learning.rows, repeats),
        fit_config,
        validation=learning.validation,
        score=score if learning.held_back else None,
        on_epoch=save if rank() == 0 else None,
        resume=checkpoints.load(),
    )


def _device(job: FitJob) -> "torch.device":
    """This worker's GPU; or the CPU, of which it takes the one core that it declares."""
    import torch

    if job.device == "cuda":
        from ray.train.torch import get_device

        device: torch.device = get_device()
        return device
    torch.set_num_threads(1)
    return torch.device("cpu")


def _on_one_worker(job: FitJob, run: RunConfig, watch: Watch) -> CastmineError | None:
    import ray
    from ray.exceptions import RayError, RayTaskError

    from workflows.lost import is_machines_fault, last_line
    from workflows.ray_cluster import cause

    task = ray.remote(fit_on_worker).options(num_cpus=1, memory=int(job.memory_gb * 1e9), max_retries=0)
    lost: BaseException = RuntimeError()
    tries = gone = 0
    while tries - gone < run.attempts:
        tries += 1
        reference = task.remote(job)
        while not ray.wait([reference], timeout=POLL_S)[0]:
            watch()
        try:
            return ray.get(reference)  # type: ignore[no-any-return]
        except RayTaskError as error:
            raise cause(error) from error
        except RayError as error:
            lost = error
            gone += is_machines_fault(error) and gone < run.losses
    return CastmineError(f"the training worker was lost {tries} times ({last_line(lost)}); --resume goes on")


def _on_workers(job: FitJob, run: RunConfig, watch: Watch) -> CastmineError | None:
    """Ray Train in a thread of its own: in the main thread it would take over Ctrl-C, and nobody could watch."""
    from ray.train import RunConfig as RayRunConfig, ScalingConfig  # isort: skip
    from ray.train.torch import TorchTrainer
    from ray.train.v2.api.config import LoggingConfig

    from workflows.lost import last_line

    gpu = run.device == "cuda"
    trainer = TorchTrainer(
        _loop,
        train_loop_config={"job": job},
        scaling_config=ScalingConfig(
            num_workers=run.workers or 1,
            use_gpu=gpu,
            resources_per_worker={"CPU": 1, "memory": int(job.memory_gb * 1e9)}
            | ({"GPU": run.gpus_per_worker} if gpu else {}),
        ),
        run_config=RayRunConfig(
            name="ray",
            storage_path=str(job.checkpoints),
            failure_config=failures_allowed(run),
            logging_config=LoggingConfig(log_level="CRITICAL"),
        ),
    )
    ended: list[Any] = []

    def work() -> None:
        try:
            ended.append(trainer.fit().return_value)
        except Exception as error:  # shown below, by the thread that may raise
            ended.append(CastmineError(f"the training workers were lost ({last_line(error)}); --resume goes on"))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL_S)
        watch()
    return ended[0]  # type: ignore[no-any-return]


def failures_allowed(run: RunConfig) -> "FailureConfig":
    """What Ray Train puts up with. A machine that is called back it knows by `RayActorError.preempted`, and that is not
    held against the training; one that vanishes is to it a worker that failed."""
    from ray.train import FailureConfig

    return FailureConfig(max_failures=run.attempts - 1, max_preemption_failures=run.losses)


def _loop(config: dict[str, Any]) -> CastmineError | None:
    return fit_on_worker(config["job"])
