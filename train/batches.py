"""Training rows as arrays, and which of them a step sees: an order from (seed, epoch), cut evenly over the workers.

Every worker holds (or maps) the same arrays and takes its own part of each global batch, so no row is ever sent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harvest.errors import DatasetError, TooLittleDataError
from train.normalise import Integers

Array = npt.NDArray[Any]


class TrainingRows(Protocol):
    """Where a training finds its rows. Batches of one epoch may be taken in any order and by any worker."""

    def __len__(self) -> int:
        """Rows of the whole corpus."""

    def take(self, rows: Integers, epoch: int) -> tuple[Array, tuple[Array, ...]]:
        """What the network maps, (n, …, d), and what the loss takes beside its output."""


class ArrayRows:
    """Rows that stand in arrays: tracklets (t, M, d), triples (t, 3, d), or track means (t, d) with identities (t,)."""

    def __init__(self, inputs: Array, *targets: Array, what: str = "training rows") -> None:
        """Raises TooLittleDataError where there is no row, DatasetError where one is not finite."""
        _refuse_empty(len(inputs), what)
        if any(len(target) != len(inputs) for target in targets):
            raise DatasetError(f"{what}: {len(inputs)} rows with {[len(target) for target in targets]} targets")
        _refuse_not_finite(inputs, what)
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: Integers, epoch: int) -> tuple[Array, tuple[Array, ...]]:
        return self.inputs[rows], tuple(target[rows] for target in self.targets)


class FaceRows:
    """One face of each track, drawn anew every epoch from (seed, epoch), with the track's identity (BCL §4)."""

    def __init__(self, tracks: Sequence[Array], identities: Integers, seed: int) -> None:
        """`tracks`: faces (n_i, d), n_i ≥ 1, of each; `identities` (n,). Raises as ArrayRows."""
        _refuse_empty(len(tracks), "training tracks")
        self._counts = np.array([len(faces) for faces in tracks])
        if len(identities) != len(tracks) or not self._counts.all():
            raise DatasetError("every training track needs an identity and at least one face")
        self._first = np.cumsum(self._counts) - self._counts
        self._faces = np.concatenate(tracks)
        _refuse_not_finite(self._faces, "faces of training tracks")
        self._identities, self._seed = identities, seed

    def __len__(self) -> int:
        return len(self._counts)

    def take(self, rows: Integers, epoch: int) -> tuple[Array, tuple[Array, ...]]:
        drawn = np.random.default_rng((self._seed, epoch)).random(len(self))[rows]
        return self._faces[self._first[rows] + (drawn * self._counts[rows]).astype(np.int64)], (self._identities[rows],)


@dataclass(frozen=True)
class Part:
    """One worker's part of a global batch."""

    rows: Integers
    first_row: int
    """Place of its first row in the batch."""
    of: int
    """Rows of the whole batch."""


def epoch_parts(rows: int, batch: int, seed: int, epoch: int, rank: int, workers: int) -> Iterator[Part]:
    """Worker `rank`'s part of each batch of an epoch. What is left of a whole number of batches waits for the next
    epoch's order: the losses that count over a batch depend on its size †."""
    order = np.random.default_rng((seed, epoch)).permutation(rows)
    for first in range(0, rows - batch + 1, batch):
        yield _part(order[first : first + batch], rank, workers)


def validation_parts(rows: int, batch: int, rank: int, workers: int) -> Iterator[Part]:
    """Every row once, in their own order, in batches of `batch` rows or a little more."""
    for whole in np.array_split(np.arange(rows), max(1, rows // batch)):
        yield _part(whole, rank, workers)


def _part(whole: Integers, rank: int, workers: int) -> Part:
    edges = np.linspace(0, len(whole), workers + 1).astype(np.int64)
    return Part(whole[edges[rank] : edges[rank + 1]], int(edges[rank]), len(whole))


def _refuse_empty(rows: int, what: str) -> None:
    if not rows:
        raise TooLittleDataError(f"no {what}: no movie has a track to learn from; harvest more movies")


def _refuse_not_finite(inputs: Array, what: str) -> None:
    """In pieces, so that a corpus mapped from disk is not copied."""
    for first in range(0, len(inputs), 8192):
        finite = np.isfinite(inputs[first : first + 8192]).reshape(len(inputs[first : first + 8192]), -1).all(axis=1)
        if not finite.all():
            raise DatasetError(f"{what}: row {first + int(np.argmin(finite))} holds NaN or infinity; harvest it again")
