"""What a trained model does to rows, whatever it is: the seam between training, the registry and those who embed."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy.typing as npt

from train.centring import FaceCentring
from train.normalise import Floats


class Embedding(Protocol):
    """A `Subspace` or a `NetworkEmbedding`."""

    @property
    def output_size(self) -> int:
        """d'."""
        ...

    @property
    def centring(self) -> FaceCentring | None:
        """What is done to raw faces before the mean that `embed` takes; None: they are l2-normalised, no more."""
        ...

    def embed(self, means: npt.ArrayLike) -> Floats:
        """Unit rows (…, d) → (…, d') unit rows."""
        ...

    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """All that is learned, by name."""
        ...
