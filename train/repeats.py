"""The rows of a small corpus several times an epoch, so that an epoch has as many steps as the papers' corpora gave.

Patience, frozen epochs and falling learning rates are counted in epochs; with two steps to an epoch they end before a
network has begun to learn.
"""

import numpy as np

from train.batches import Array, TrainingRows
from train.normalise import Integers


class RepeatedRows:
    """Row r of repeat k stands at place k·n + r; FaceRows draw another face in each repeat."""

    def __init__(self, rows: TrainingRows, repeats: int) -> None:
        self._rows, self.repeats = rows, repeats

    def __len__(self) -> int:
        return len(self._rows) * self.repeats

    def take(self, rows: Integers, epoch: int) -> tuple[Array, tuple[Array, ...]]:
        """In the order of `rows`, which decides over each row's dropout."""
        repeat, row = np.divmod(rows, len(self._rows))
        if self.repeats == 1:
            return self._rows.take(row, epoch)
        order = np.argsort(repeat, kind="stable")
        present, first = np.unique(repeat[order], return_index=True)
        groups = np.split(order, first[1:])
        parts = [
            self._rows.take(row[group], epoch * self.repeats + int(k)) for k, group in zip(present, groups, strict=True)
        ]
        if not parts:
            return self._rows.take(row, epoch)
        place = np.argsort(np.concatenate(groups), kind="stable")
        targets = zip(*(beside for _, beside in parts), strict=True)
        return np.concatenate([inputs for inputs, _ in parts])[place], tuple(
            np.concatenate(columns)[place] for columns in targets
        )
