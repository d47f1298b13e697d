"""Small made-up movies to adapt to: a few people, tracks of a few faces, every second pair of neighbours linked."""

import numpy as np
import numpy.typing as npt


def made_up(
    seed: int = 0, tracks: int = 24, people: int = 4, size: int = 16, faces: int = 5, spread: float = 0.3
) -> tuple[tuple[npt.NDArray[np.float64], ...], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Unit faces of each track, cannot-links between tracks of two people, and who each track is."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, size))
    who = rng.integers(people, size=tracks)
    looks = centres[who] + spread * rng.normal(size=(tracks, size))
    rows = looks[:, None] + spread * rng.normal(size=(tracks, faces, size))
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    pairs = np.stack([np.arange(0, tracks - 1, 2), np.arange(1, tracks, 2)], axis=1)
    return tuple(rows), pairs[who[pairs[:, 0]] != who[pairs[:, 1]]], who


def one_track(faces: int = 3, size: int = 8) -> tuple[npt.NDArray[np.float64], ...]:
    """A movie of one track."""
    rows = np.random.default_rng(0).normal(size=(faces, size))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True),)
