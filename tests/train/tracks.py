"""The benchmark of photographed faces as arrays, and small made-up movies, for the tests of training."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from train.normalise import Floats, Integers, track_means


@dataclass(frozen=True)
class Movie:
    faces: list[Floats]
    links: Integers
    identities: list[str]

    @property
    def means(self) -> Floats:
        return track_means(self.faces)


def phototracks(path: Path) -> dict[str, Movie]:
    """Movies of a phototracks file; tracks of one shot that overlap in time are cannot-link."""
    table = pq.read_table(path)
    lists = table["embeddings"].combine_chunks()
    rows = lists.flatten().flatten().to_numpy(zero_copy_only=False).reshape(-1, 128).astype(np.float64)
    faces = np.split(rows, np.cumsum([len(track) for track in lists])[:-1])
    columns = {name: table[name].to_numpy() for name in ("movie_id", "shot_id", "start_frame", "end_frame", "identity")}
    movies = {}
    for movie in sorted(set(columns["movie_id"])):
        index = np.flatnonzero(columns["movie_id"] == movie)
        shot, start, end = (columns[name][index] for name in ("shot_id", "start_frame", "end_frame"))
        together = (shot[:, None] == shot) & (start[:, None] < end) & (start < end[:, None])
        movies[movie] = Movie(
            [faces[i] for i in index], np.argwhere(np.triu(together, k=1)), list(columns["identity"][index])
        )
    return movies


def made_up_movie(seed: int, tracks: int = 40, size: int = 8, people: int = 6) -> Movie:
    """Tracks of 3–12 noisy faces of a few people; neighbours of different people are cannot-link."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, size))
    who = rng.integers(0, people, tracks)
    faces = [centres[person] + 0.5 * rng.normal(size=(rng.integers(3, 13), size)) for person in who]
    pairs = [(track, track + 1) for track in range(tracks - 1) if who[track] != who[track + 1]]
    return Movie(faces, np.array(pairs, dtype=np.int64).reshape(-1, 2), [str(person) for person in who])
