"""What adapting a movie takes and returns: its tracks in, its faces through what was fitted to it out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from cluster.config import AdaptConfig
from cluster.constraints import Floats, Integers
from cluster.tracks import Faces
from train.fit import EpochMetrics, Fit, FitState
from train.networks import SharedNetwork
from train.normalise import track_means

Unknown = npt.NDArray[np.bool_]

NO_PATIENCE = 10**9
"""Of a fit to one movie: there is nothing to validate on, for all its links are trained on."""


@dataclass(frozen=True)
class Keeper:
    """Carries an adaptation over an interruption."""

    state: FitState | None = None
    """Where an earlier try stopped."""
    keep: Callable[[FitState], None] | None = None
    """Called with a state to go on from, after each epoch at most."""

    def after_epoch(self, metrics: EpochMetrics, training: Fit) -> None:
        """What `train.fit.fit` is to call after each epoch."""
        if self.keep is not None:
            self.keep(training.state_dict())


@dataclass(frozen=True)
class Chips:
    """A movie's stored chips, and the network that embedded them."""

    jpegs: tuple[tuple[bytes, ...], ...]
    """Of each track those of its embedded faces, in their order."""
    recogniser: Path
    """The pack's ONNX file."""


@dataclass(frozen=True)
class Start:
    """What a model learned on the whole corpus, from which a movie's own learning goes on."""

    network: SharedNetwork
    squared_radius: float
    """b of ball cluster learning."""


@dataclass(frozen=True)
class Adapted:
    """The n tracks of a movie through what was fitted to it."""

    student: Faces
    """(n_i, D) outputs of the faces of each track; lengths count for methods that look at faces."""
    teacher: Faces | None
    """The same through the teacher; None: there is one branch, the student is the teacher too."""
    unknown: Unknown
    """(n,) tracks too poor to be anybody; in no cluster."""
    curve: tuple[float, ...] = ()
    """Mean loss of each epoch."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What a reader of the result must know: plain JSON. `not_adapted`: why the faces are as they came."""
    weights: dict[str, Tensor] = field(default_factory=dict)
    """All that was fitted, by name."""

    def means(self) -> Floats:
        """(n, D) unit track means of the student's outputs."""
        return track_means(self.student)


class Adaptation(Protocol):
    """A way to fit a representation to one movie."""

    def __call__(
        self, faces: Faces, cannot_link: Integers, config: AdaptConfig, keeper: Keeper, chips: Chips | None = None
    ) -> Adapted:
        """Unit faces (n_i, d) of n tracks, n_i ≥ 1, and index pairs (m, 2) → the same tracks, adapted.

        `chips`: only for those that NEED_CHIPS, which may return fewer faces of a track. The same input gives the same
        result, interrupted or not. A movie with nothing to learn from is returned as it came, and `notes` say why.
        """


def as_they_came(faces: Faces, why: str) -> Adapted:
    """A movie that was not adapted."""
    return Adapted(faces, None, np.zeros(len(faces), dtype=np.bool_), notes={"not_adapted": why})


def by_track(rows: Floats, faces: Faces) -> Faces:
    """Rows of all faces, track by track, as one array a track."""
    return tuple(np.split(rows, np.cumsum([len(of_track) for of_track in faces])[:-1]))
