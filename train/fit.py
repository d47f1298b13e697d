"""The one training loop, plain torch: epochs of steps, a validation loss, early stopping, a state to go on from.

It runs the same alone and on W workers of a torch process group (train/collective.py), and from an epoch's state it
goes on to the same final weights as if it had never been interrupted.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from harvest.errors import ConfigError, TooLittleDataError
from train.batches import Array, Part, TrainingRows, epoch_parts, validation_parts
from train.collective import agreed, all_sum, rank, share_from_first, sum_gradients, workers
from train.config import FitConfig
from train.layers import BatchPlace
from train.networks import Network
from train.optimiser import build_optimiser, set_rates


@dataclass(frozen=True)
class EpochMetrics:
    """What an epoch came to; the same on every worker."""

    epoch: int
    """From 0."""
    train_loss: float
    """Mean over the epoch's steps, each before its own change of the weights."""
    validation_loss: float | None
    score: float | None
    """What `score` returned, higher is better."""
    rate: float
    """Learning rate of the epoch's last step."""
    best: bool
    """Whether the weights are the best so far."""


@dataclass(frozen=True)
class FitState:
    """All that a training needs to go on: one file of tensors, one of JSON."""

    tensors: dict[str, Tensor]
    """Contiguous and on the CPU; names begin with network., loss., optimiser. or best."""
    numbers: dict[str, Any]
    """Plain JSON."""


@dataclass
class Progress:
    """How far a training is."""

    epoch: int = 0
    step: int = 0
    lowest: float | None = None
    """Lowest figure so far, the validation loss or −score: the best weights are those."""
    reference: float | None = None
    """Figure that the next must fall below by `least_fall`."""
    stale: int = 0
    """Epochs since it last did."""


Hook = Callable[[EpochMetrics, "Fit"], None]
Score = Callable[[Network], float]


class Fit:
    """A training: `run` takes it to its end, `state_dict` and `load_state_dict` carry it over an interruption."""

    def __init__(self, network: Network, loss: nn.Module, config: FitConfig) -> None:
        """`network` and `loss` are changed in place; of W workers, all start from worker 0's weights."""
        self.network, self.loss, self.config = network, loss, config
        self.progress = Progress()
        self.history: list[EpochMetrics] = []
        self.best: dict[str, Tensor] = {}
        learned = list(loss.parameters())
        self._thresholds = [parameter for parameter in learned if not parameter.ndim]
        self._weights = [*network.parameters(), *(parameter for parameter in learned if parameter.ndim)]
        share_from_first([*_named(network, "").values(), *_named(loss, "").values()])
        self.optimiser = build_optimiser(config.optimiser, self._weights, self._thresholds)

    def run(
        self,
        rows: TrainingRows,
        validation: TrainingRows | None = None,
        *,
        score: Score | None = None,
        on_epoch: Hook | None = None,
    ) -> list[EpochMetrics]:
        """Train until the figure stops falling, or to the last epoch; the network and loss end as the best epoch left
        them (without validation and score: the last).

        The figure is the validation loss, or −`score(network)` where a score is given. `on_epoch` is called after each
        epoch with its metrics and this training, whose `state_dict()` is then complete.
        Raises TooLittleDataError where a batch is larger than the corpus, ConfigError where the loss diverges.
        """
        if self.config.batch > len(rows):
            raise TooLittleDataError(
                f"a batch of {self.config.batch} rows is larger than the {len(rows)} there are to train on; "
                f"harvest more movies, or --set train.fit.batch={max(2, len(rows) // 4)}"
            )
        while not self.finished:
            metrics = self._epoch(rows, validation, score)
            self.history.append(metrics)
            if on_epoch is not None:
                on_epoch(metrics, self)
        if self.best:
            _restore(self.network, self.best, "best.network.")
            _restore(self.loss, self.best, "best.loss.")
        return self.history

    @property
    def finished(self) -> bool:
        """Whether `run` has nothing left to do but to put the best weights in place."""
        return self.progress.epoch >= self.config.epochs or self.progress.stale >= self.config.patience

    def state_dict(self) -> FitState:
        """A copy of everything, after an epoch."""
        tensors = _named(self.network, "network.") | _named(self.loss, "loss.") | self.best
        for parameter, values in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{parameter}.{name}": value for name, value in values.items() if value is not None}
        return FitState(
            {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()},
            {"progress": asdict(self.progress), "history": [asdict(metrics) for metrics in self.history]},
        )

    def load_state_dict(self, state: FitState) -> None:
        """Go on from there; the networks, the loss and the config must be those of the training it came from."""
        _restore(self.network, state.tensors, "network.")
        _restore(self.loss, state.tensors, "loss.")
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in state.tensors.items():
            if name.startswith("optimiser."):
                _, parameter, moment = name.split(".")
                moments.setdefault(int(parameter), {})[moment] = tensor.clone()
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})
        self.best = {name: tensor.clone() for name, tensor in state.tensors.items() if name.startswith("best.")}
        self.progress = Progress(**state.numbers["progress"])
        self.history = [EpochMetrics(**metrics) for metrics in state.numbers["history"]]

    def _epoch(self, rows: TrainingRows, validation: TrainingRows | None, score: Score | None) -> EpochMetrics:
        epoch, config = self.progress.epoch, self.config
        self.network.train()
        losses = []
        for part in epoch_parts(len(rows), config.batch, config.seed, epoch, rank(), workers()):
            losses.append(self._step(*rows.take(part.rows, epoch), part))
        train_loss = float(all_sum(torch.stack(losses).mean()))
        if not math.isfinite(train_loss):
            raise ConfigError(f"the loss of epoch {epoch} is not a number; lower train.fit.optimiser.rate")
        self.network.eval()
        validation_loss = self._validation_loss(validation) if validation is not None else None
        scored = agreed(score(self.network)) if score is not None else None
        best = self._judge(-scored if scored is not None else validation_loss)
        self.progress.epoch += 1
        return EpochMetrics(epoch, train_loss, validation_loss, scored, self.optimiser.param_groups[0]["lr"], best)

    def _step(self, inputs: Array, targets: tuple[Array, ...], part: Part) -> Tensor:
        """One change of the weights; returns this worker's share of the loss."""
        place = BatchPlace(self.config.seed, self.progress.step, part.first_row)
        self.optimiser.zero_grad()
        share: Tensor = self.loss(self.network(self._tensor(inputs), place), *map(self._tensor, targets))
        share.backward()  # type: ignore[no-untyped-call]
        set_rates(self.optimiser, self.config.optimiser, self.progress.step, self.progress.epoch)
        sum_gradients([*self._weights, *self._thresholds])
        self.optimiser.step()
        self.progress.step += 1
        return share.detach()

    @torch.no_grad()
    def _validation_loss(self, rows: TrainingRows) -> float:
        """Mean over the rows; the faces of FaceRows are those of epoch 0."""
        total = torch.zeros((), dtype=torch.float64, device=self._weights[0].device)
        for part in validation_parts(len(rows), self.config.batch, rank(), workers()):
            inputs, targets = rows.take(part.rows, 0)
            share = self.loss(self.network(self._tensor(inputs)), *map(self._tensor, targets))
            total += share.double() * part.of / len(rows)
        return float(all_sum(total))

    def _judge(self, figure: float | None) -> bool:
        """Keep the weights where the figure is the lowest so far, and count the epochs without a fall."""
        progress = self.progress
        if figure is None:
            return True
        fell = progress.reference is None or figure < progress.reference - self.config.least_fall
        progress.reference = figure if fell else progress.reference
        progress.stale = 0 if fell else progress.stale + 1
        if progress.lowest is not None and not figure < progress.lowest:
            return False
        progress.lowest = figure
        named = _named(self.network, "best.network.") | _named(self.loss, "best.loss.")
        self.best = {name: tensor.detach().clone() for name, tensor in named.items()}
        return True

    def _tensor(self, array: Array) -> Tensor:
        """Onto the network's device; floats in the network's precision."""
        first = self._weights[0]
        tensor = torch.as_tensor(array).to(first.device)
        return tensor.to(first.dtype) if tensor.is_floating_point() else tensor


def fit(
    network: Network,
    loss: nn.Module,
    rows: TrainingRows,
    config: FitConfig,
    *,
    validation: TrainingRows | None = None,
    score: Score | None = None,
    on_epoch: Hook | None = None,
    resume: FitState | None = None,
) -> list[EpochMetrics]:
    """Train `network` and `loss` in place, from the start or from a state; see Fit.run."""
    training = Fit(network, loss, config)
    if resume is not None:
        training.load_state_dict(resume)
    return training.run(rows, validation, score=score, on_epoch=on_epoch)


def _named(module: nn.Module, prefix: str) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in module.state_dict().items()}


def _restore(module: nn.Module, tensors: Mapping[str, Tensor], prefix: str) -> None:
    module.load_state_dict({name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)})
