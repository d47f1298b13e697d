"""Pairs as training rows, to put the contrastive loss into the loop as other losses are."""

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from train.masks import FacePairs
from train.normalise import Integers


@dataclass(frozen=True)
class PairRows:
    """A row is a pair of faces (n, d), alike or not; the loss gets the faces once each, with their masks."""

    faces: npt.NDArray[Any]
    pairs: FacePairs

    def __len__(self) -> int:
        return len(self.pairs.pairs)

    def take(self, rows: Integers, epoch: int) -> tuple[npt.NDArray[Any], tuple[npt.NDArray[Any], ...]]:
        """The same in every epoch."""
        return FacePairs(self.pairs.pairs[rows], self.pairs.must_link[rows]).batch(self.faces)
