"""What a reader of scores must know: that the model has seen the movie before, that labels have helped."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Protocol

from workflows.console import counted


class Known(Protocol):
    """What a result knew beforehand: a `ClusteredMovie`, or one read again."""

    @property
    def seen_in_training(self) -> bool: ...

    @property
    def labels_used(self) -> bool: ...


def cautions(movies: Sequence[Known]) -> list[str]:
    """What a reader of a run's scores must know, in words."""
    seen, used = (sum(map(attrgetter(name), movies)) for name in ("seen_in_training", "labels_used"))
    of = counted(len(movies), "movie")
    trained = f"the model was trained on {seen} of the {of}, whose scores say little of new ones"
    return [trained] * bool(seen) + ["labels were used: for K, or to train the model"] * bool(used)
