"""What the shots of a segment are worked with: models, tracker, config; what is counted and measured on the way."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harvest.config import HarvestConfig
from harvest.faces import FaceModels
from harvest.track import FaceTracker

Item = TypeVar("Item")

Stage = Callable[[str], AbstractContextManager[object]]
"""Called with the name of a stage, entered while it runs: for whoever measures where the time goes."""


def unmeasured(stage: str) -> AbstractContextManager[object]:
    """A `Stage` that measures nothing."""
    return nullcontext()


def staged(items: Iterator[Item], name: str, stage: Stage) -> Iterator[Item]:
    """The same items, their making measured as a stage."""
    while True:
        with stage(name):
            item = next(items, None)
        if item is None:
            return
        yield item


@dataclass
class Workbench:
    """What every shot of a segment is worked with."""

    models: FaceModels
    tracker: FaceTracker
    config: HarvestConfig
    fps: float
    times_s: NDArray[np.float64]
    """(frames + 1,) seconds at which each frame is shown; the last: the movie's end."""
    threshold: float | None = None
    """Cosine distance up to which two fragments of a track are one person; None: not known for these models."""
    batch: int = 1
    stage: Stage = unmeasured
    drops: Counter[str] = field(default_factory=Counter)
    """Detections and tracks that were dropped, by reason."""
