"""Which movies train and which validate: by movie, never by track (methods.md §1).

The corpus's own `split` column decides where it is filled; elsewhere a hash of movie_id, so that a movie keeps its side
when the corpus grows.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from train.config import SplitConfig


@dataclass(frozen=True)
class Split:
    """The two sides, each in sorted order; no movie is on both."""

    train: tuple[str, ...]
    validation: tuple[str, ...]


def split_movies(movies: Mapping[str, str | None], config: SplitConfig | None = None) -> Split:
    """movie_id → its `split` (train, validation, any other word: on neither side; None: by hash) → the two sides.

    Where no movie has a `split` and the hashes leave one side of two or more movies empty, the movie whose hash lies
    nearest to the border changes sides.
    """
    share = (config or SplitConfig()).validation_share
    validation = {movie for movie, side in movies.items() if (side or _by_hash(movie, share)) == "validation"}
    train = {movie for movie, side in movies.items() if (side or _by_hash(movie, share)) == "train"}
    if len(movies) > 1 and not any(movies.values()) and not (train and validation):
        nearest = min(movies, key=lambda movie: (abs(_unit_hash(movie) - share), movie))
        train, validation = train ^ {nearest}, validation ^ {nearest}
    return Split(tuple(sorted(train)), tuple(sorted(validation)))


def _by_hash(movie: str, share: float) -> str:
    return "validation" if _unit_hash(movie) < share else "train"


def _unit_hash(movie: str) -> float:
    """A number in [0, 1) that depends on the id alone."""
    return int.from_bytes(hashlib.sha256(movie.encode()).digest()[:8], "big") / 2**64
