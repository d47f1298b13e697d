"""What self-distillation looks at: faces of one movie, whole or as augmented crops; here, of stored embeddings."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from cluster.config import SelfDistillConfig
from cluster.constraints import Integers
from cluster.tracks import Faces

GLOBAL_SCALE, LOCAL_SCALE = (0.7, 1.0), (0.4, 0.6)
"""Scales of the crops (VideoClusterNet appendix A.2)."""


class Views(Protocol):
    """Faces by number, track by track, as the network takes them."""

    def whole(self, rows: Integers) -> Tensor:
        """Faces (n,) → (n, …), as they are."""

    def crops(self, rows: Integers, count: int, scale: tuple[float, float], generator: torch.Generator) -> Tensor:
        """Faces (n,) → (count · n, …), crop by crop: augmented, of scales drawn from the range."""


class EmbeddingViews:
    """Stored embeddings: a crop of scale s keeps that share of the dimensions, and is moved as faces of a track are."""

    def __init__(self, faces: Faces, config: SelfDistillConfig) -> None:
        """Unit faces (n_i, d), which are multiplied by √d, so that a coordinate varies by about 1, as first weights
        expect †."""
        size = faces[0].shape[1]
        rows = [torch.from_numpy(of_track * size**0.5).float() for of_track in faces]
        self._rows = torch.cat(rows)
        self._moves = torch.cat([of_track - of_track.mean(dim=0) for of_track in rows]) * config.noise

    def whole(self, rows: Integers) -> Tensor:
        return self._rows[torch.from_numpy(rows)]

    def crops(self, rows: Integers, count: int, scale: tuple[float, float], generator: torch.Generator) -> Tensor:
        chosen = self.whole(np.tile(rows, count))
        low, high = scale
        kept = low + (high - low) * torch.rand(len(chosen), 1, generator=generator)
        mask = torch.rand(chosen.shape, generator=generator) < kept
        moved = chosen + self._moves[torch.randint(len(self._moves), (len(chosen),), generator=generator)]
        return moved * mask / kept
