"""A corpus as every method of training meets it, mined and measured, and what a method hands back."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from harvest.dataset.records import MovieRecord
from train.centring import FaceCentring
from train.config import TrainConfig
from train.representation import Embedding
from train.split import Split
from train.validation import MovieMeasures, total

Show = Callable[[float, float, str], None]
"""Is told how much is done, of how much, and what is going on."""


class Measure(Protocol):
    """Measures every movie, a Ray task each, as a model embeds it or, without one, as it is mined after `centring`."""

    def __call__(
        self, embedding: Embedding | None = None, centring: FaceCentring | None = None
    ) -> dict[str, MovieMeasures]:
        """By movie_id."""
        ...


@dataclass(frozen=True)
class Corpus:
    """What a training begins with."""

    root: str
    """Absolute, or a URL: tasks on a cluster run in folders of their own."""
    records: list[MovieRecord]
    split: Split
    config: TrainConfig
    """With what a preset fills in."""
    base: dict[str, MovieMeasures]
    """By movie_id, as the pack embeds."""
    measure: Measure

    @property
    def movie(self) -> MovieRecord:
        """One of them: all are of one pack."""
        return self.records[0]

    def total(self, measured: dict[str, MovieMeasures], movies: Iterable[str]) -> MovieMeasures:
        """The sum over movies, always in their sorted order: floating-point sums depend on it."""
        return total(measured[movie_id] for movie_id in movies)


@dataclass(frozen=True)
class Learned:
    """What a method found."""

    embedding: Embedding
    adapted: dict[str, MovieMeasures]
    """By movie_id, as it embeds."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Fields of the card that only it knows."""
    notes: tuple[str, ...] = ()
