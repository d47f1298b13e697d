"""Face models behind one small protocol: detect faces in frames, cut aligned chips, embed the chips.

`find_pack` says which files a name means without loading anything; `load_models` loads them. One file per model family.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from harvest.config import DetectConfig
from harvest.errors import ModelsError
from harvest.faces.packs import Pack, find_pack

__all__ = ["Detections", "FaceModels", "Pack", "find_pack", "load_models"]


@dataclass(frozen=True)
class Detections:
    """The faces of one frame, best score first."""

    boxes: np.ndarray
    """(n, 4) float32: x1, y1, x2, y2 in px of the frame, clipped to it."""
    scores: np.ndarray
    """(n,) float32, 0-1."""
    landmarks: np.ndarray
    """(n, 5, 2) float32 px: left eye, right eye (the viewer's left first), nose, left and right mouth corner."""

    @classmethod
    def clipped(cls, boxes: np.ndarray, scores: np.ndarray, landmarks: np.ndarray, shape: tuple[int, ...]) -> Self:
        """Boxes clipped to a frame of `shape`; what then has no area or is not finite is left out."""
        height, width = shape[:2]
        boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
        sound = np.isfinite(boxes).all(1) & np.isfinite(landmarks).all((1, 2))
        sound &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        return cls(boxes[sound], scores[sound], landmarks[sound])


class FaceModels(Protocol):
    """A detector, an alignment and a recogniser that belong together."""

    embedding_size: int
    chip_size: int

    def detect(self, frames: Sequence[np.ndarray]) -> list[Detections]:
        """Faces of RGB uint8 frames (h, w, 3), whatever the call's length; none below `detect.score`."""

    def chips(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Aligned RGB crops (n, chip_size, chip_size, 3) uint8 of one frame's faces, landmarks (n, 5, 2)."""

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """Raw network outputs (n, embedding_size) float32; a chip's embedding does not depend on its neighbours."""


def load_models(pack: Pack, detect: DetectConfig, device: str = "cpu", batch: int = 1) -> FaceModels:
    """The models of `pack`, ready on `device` ("cpu" or "cuda").

    `batch` > 1 runs that many frames or chips at once, always in that one shape: worth it on a GPU only. On the CPU
    each network takes one core.

    Raises ModelsError when the device is not there, the files are not what they should be or cannot run in batches.
    """
    if device not in ("cpu", "cuda"):
        raise ModelsError(f"device {device!r}: give cpu or cuda")
    if batch < 1:
        raise ModelsError(f"batch {batch}: give 1 or more")
    if pack.family == "bundled":
        from harvest.faces.bundled import BundledModels

        return BundledModels(pack, detect, device, batch)
    from harvest.faces.insightface import InsightFaceModels

    return InsightFaceModels(pack, detect, device, batch)
