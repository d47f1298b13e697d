"""A pack's recognition network as a torch module that can learn: its ONNX graph, by onnx2torch.

Outputs equal onnxruntime's to 1e-4 (5e-6 on MobileFaceNet). Where a batch norm was not folded away at export, as in
ResNet-50's, it keeps to the statistics of the file, in learning too: a step's few crops have none worth knowing †.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from insightface.model_zoo.arcface_onnx import ArcFaceONNX
from onnx2torch import convert
from torch import Tensor, nn
from torch.nn import functional

from harvest.errors import ModelsError
from harvest.faces.batching import with_free_batch
from harvest.faces.sessions import open_session


@dataclass(frozen=True)
class Recogniser:
    """What embeds chips."""

    network: nn.Module
    """(n, 3, s, s) normalised chips → (n, d) raw embeddings."""
    size: int
    """d."""
    chip_size: int
    """s, px."""
    mean: float
    std: float
    """Chips are normalised as (value − mean) / std, value 0–255."""

    def normalised(self, chips: np.ndarray) -> Tensor:
        """RGB chips (n, s, s, 3) uint8 → (n, 3, s, s)."""
        normalised: Tensor = (torch.from_numpy(chips.transpose(0, 3, 1, 2).copy()).float() - self.mean) / self.std
        return normalised


class Scaled(nn.Module):
    """Embeddings made √d long, as stored ones are for the heads."""

    def forward(self, x: Tensor) -> Tensor:
        scaled: Tensor = functional.normalize(x, dim=1) * x.shape[1] ** 0.5
        return scaled


def load_recogniser(file: Path) -> Recogniser:
    """The network of an ArcFace-like ONNX file, made for batches. Raises ModelsError where it is no such file."""
    try:
        graph = onnx.load_from_string(with_free_batch(onnx.load(file), file.name))
        network = convert(graph)
        described = ArcFaceONNX(str(file), open_session(file, "cpu", file.name))
    except Exception as error:  # onnx, onnx2torch and onnxruntime share no base class
        raise ModelsError(
            f"{file}: cannot be made a network that learns ({error}); use --adapt selfdistill, which needs none"
        ) from error
    size, side = described.output_shape[-1], described.input_size[0]
    return Recogniser(network.eval(), size, side, described.input_mean, described.input_std)
