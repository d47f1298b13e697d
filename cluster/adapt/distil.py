"""The loop of self-distillation: rounds of epochs, coarse matching between rounds, a state to go on from.

VideoClusterNet §3.4, §3.5 and appendix A.3. It knows neither where faces come from nor what embeds them.
"""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cluster.adapt.adapted import Adapted, Keeper
from cluster.adapt.coarse_matching import matched_tracks
from cluster.adapt.distillation import DistillationLoss
from cluster.adapt.heads import build_heads
from cluster.adapt.schedule import RoundEpoch, epochs_of, place_of, rate_at
from cluster.adapt.track_quality import face_quality, unknown_tracks
from cluster.adapt.views import GLOBAL_SCALE, LOCAL_SCALE, Views
from cluster.config import AdaptConfig
from cluster.constraints import Integers
from cluster.tracks import Faces
from train.fit import FitState

CHUNK = 512
"""Faces that go through a branch at a time outside of steps."""


class Distilling:
    """A movie's self-distillation under way."""

    def __init__(
        self,
        views: Views,
        backbone: nn.Module,
        size: int,
        counts: Integers,
        cannot_link: Integers,
        config: AdaptConfig,
        piece: int | None = None,
    ) -> None:
        """`counts` (n,) faces of each track; `backbone` gives embeddings of `size` d of what `views` gives; it is
        trained too, where it has parameters, by gradients of `piece` pairs at a time, unset: of a step's all."""
        self._views, self._counts, self._cannot_link = views, counts, cannot_link
        self._config, self._seed = config.selfdistill, config.seed
        self._piece = piece or config.selfdistill.batch
        self._track = np.repeat(np.arange(len(counts)), counts)
        self._first = np.cumsum(counts) - counts
        heads = build_heads(size, config.seed)
        self.student = nn.ModuleDict({"backbone": backbone, "head": heads[0]})
        self.teacher = nn.ModuleDict({"backbone": copy.deepcopy(backbone), "head": heads[1]})
        self.teacher.requires_grad_(False)
        self._loss = DistillationLoss(size, self._config.temperature, self._config.centre_momentum)
        self._optimiser = torch.optim.AdamW(self.student.parameters(), lr=self._config.rate)
        self._epoch, self._curve, self._matches = 0, list[float](), np.zeros((0, 2), dtype=np.int64)

    def run(self, keeper: Keeper, notes: dict[str, Any]) -> Adapted:
        """Learn to the end, from the start or from where an earlier try stopped."""
        if keeper.state is not None:
            self._load(keeper.state)
        while self._epoch < epochs_of(self._config):
            self._learn(place_of(self._epoch, self._config))
            self._epoch += 1
            if keeper.keep is not None:
                keeper.keep(self._state())
        student, unknown = self._outputs(self.student), self._unknown()
        weights = {f"student.{name}": tensor for name, tensor in self.student.state_dict().items()}
        weights |= {f"teacher.{name}": tensor for name, tensor in self.teacher.state_dict().items()}
        matched = len(np.unique(self._matches[:, 0])) / len(self._counts)
        notes = notes | {"matched_share": round(matched, 4), "unknown": int(unknown.sum())}
        return Adapted(student, self._outputs(self.teacher), unknown, tuple(self._curve), notes, weights)

    def _learn(self, place: RoundEpoch) -> None:
        """One epoch: every face once, as the student's; then the teacher follows."""
        if place.round and not place.epoch:
            self._matches = matched_tracks(
                self._outputs(self.student), self._cannot_link, self._unknown(), self._config.matching
            )
        resting = place.round == 0 and place.epoch < self._config.heads_only_epochs
        self.student["backbone"].requires_grad_(not resting)
        numbers = np.random.default_rng((self._seed, self._epoch))
        generator = torch.Generator().manual_seed(self._seed * 100_003 + self._epoch)
        order = numbers.permutation(len(self._track))
        partners = self._partners(numbers)
        losses = []
        for start in range(0, len(order), self._config.batch):
            faces = order[start : start + self._config.batch]
            for group in self._optimiser.param_groups:
                group["lr"] = rate_at(place, start / len(order), self._config)
            losses.append(self._step(faces, partners[faces], generator))
        self._curve.append(float(np.mean(losses)))
        self._follow()

    def _step(self, faces: Integers, partners: Integers, generator: torch.Generator) -> float:
        """One change of the student. Its gradient is summed over pieces of the pairs, so that one piece's memory is
        enough; the loss is a mean over pairs, so the sum is the whole's."""
        groups = ((self._config.global_crops, GLOBAL_SCALE), (self._config.local_crops, LOCAL_SCALE))
        taught, seen = [], []
        for count, scale in groups:
            if not count:
                continue
            crops = self._views.crops(partners, count, scale, generator)
            with torch.no_grad():
                taught.append(_branch(self.teacher, _by_crop(crops, count)))
            seen.append(_by_crop(self._views.crops(faces, count, scale, generator), count))
        self._loss.observe(taught)
        self._optimiser.zero_grad()
        total = 0.0
        for start in range(0, len(faces), self._piece):
            piece = slice(start, min(start + self._piece, len(faces)))
            learned = [_branch(self.student, crops[:, piece]) for crops in seen]
            loss = self._loss([outputs[:, piece] for outputs in taught], learned) * (
                (piece.stop - piece.start) / len(faces)
            )
            loss.backward()
            total += float(loss.detach())
        self._optimiser.step()
        return total

    def _partners(self, numbers: np.random.Generator) -> Integers:
        """(f,) of each face a face of a track that matches its own; of an unmatched track another of its own faces,
        which is itself where there is no other."""
        own = np.arange(len(self._track)) - self._first[self._track]
        chosen = self._track.copy()
        choices = np.bincount(self._matches[:, 0], minlength=len(self._counts))
        begins = np.cumsum(choices) - choices
        matched = np.flatnonzero(choices[self._track])
        drawn = (numbers.random(len(matched)) * choices[self._track[matched]]).astype(np.int64)
        chosen[matched] = self._matches[begins[self._track[matched]] + drawn, 1]
        alone = chosen == self._track
        drawn = (numbers.random(len(chosen)) * np.maximum(self._counts[chosen] - alone, 1)).astype(np.int64)
        drawn += alone & (drawn >= own) & (self._counts[chosen] > 1)
        return np.asarray(self._first[chosen] + drawn)

    @torch.no_grad()
    def _follow(self) -> None:
        for kept, new in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            kept.lerp_(new, 1 - self._config.momentum)

    @torch.no_grad()
    def _embedded(self, branch: nn.ModuleDict) -> list[Tensor]:
        rows = np.arange(len(self._track))
        return [branch["backbone"](self._views.whole(part)) for part in np.split(rows, range(CHUNK, len(rows), CHUNK))]

    @torch.no_grad()
    def _outputs(self, branch: nn.ModuleDict) -> Faces:
        outputs = torch.cat([branch["head"](part) for part in self._embedded(branch)]).double().numpy()
        return tuple(np.split(outputs, self._first[1:]))

    def _unknown(self) -> npt.NDArray[np.bool_]:
        head: Any = self.student["head"]
        quality = [face_quality(head, part, self._config.quality, self._seed) for part in self._embedded(self.student)]
        return unknown_tracks(np.concatenate(quality), self._track, self._config.quality)

    def _state(self) -> FitState:
        tensors: dict[str, Tensor] = {"matches": torch.from_numpy(self._matches)}
        for name, module in self._modules().items():
            tensors |= {f"{name}.{key}": tensor for key, tensor in module.state_dict().items()}
        for number, moments in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{key}": tensor for key, tensor in moments.items()}
        copies = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
        return FitState(copies, {"epoch": self._epoch, "curve": list(self._curve)})

    def _load(self, state: FitState) -> None:
        for name, module in self._modules().items():
            prefix = f"{name}."
            module.load_state_dict({k[len(prefix) :]: v for k, v in state.tensors.items() if k.startswith(prefix)})
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in state.tensors.items():
            if name.startswith("optimiser."):
                _, number, moment = name.split(".")
                moments.setdefault(int(number), {})[moment] = tensor.clone()
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": moments})
        self._matches = state.tensors["matches"].numpy()
        self._epoch, self._curve = state.numbers["epoch"], list(state.numbers["curve"])

    def _modules(self) -> dict[str, nn.Module]:
        return {"student": self.student, "teacher": self.teacher, "loss": self._loss}


def _by_crop(crops: Tensor, count: int) -> Tensor:
    """(count · n, …) → (count, n, …)."""
    return crops.reshape(count, -1, *crops.shape[1:])


def _branch(branch: nn.ModuleDict, crops: Tensor) -> Tensor:
    """(count, n, …) crops → (count, n, d)."""
    outputs: Tensor = branch["head"](branch["backbone"](crops.flatten(0, 1)))
    return _by_crop(outputs, len(crops))
