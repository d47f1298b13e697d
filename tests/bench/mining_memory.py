"""Mining a corpus movie by movie: tracks a second, and whether memory stays flat.

`python -m tests.bench.mining_memory --movies 240` is the published corpus: 240 movies of 704 tracks of 63 faces, 512-d.
"""

import argparse
import resource
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from train.mining import mine_movie

TRACKS, FACES, SIZE, PARTNERS = 704, 63, 512, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--movies", type=int, default=4)
    movies = parser.parse_args().movies
    table = Table("movies mined", "tracks", "tracks/s", "peak MB of the process")
    before = peak_mb()
    table.add_row("0: everything imported", "", "", f"{before:.0f}")
    mined, seconds = 0, 0.0
    for movie in range(movies):
        tracks, took = mine(movie)
        mined, seconds = mined + tracks, seconds + took
        if movie + 1 in (1, movies // 2, movies):
            table.add_row(str(movie + 1), f"{mined:,}", f"{mined / seconds:.0f}", f"{peak_mb():.0f}")
    console = Console(width=100)
    console.print(table)
    faces_mb = TRACKS * FACES * SIZE * 4 / 1e6
    console.print(f"A movie is {TRACKS} tracks × {FACES} faces × {SIZE}-d float32: {faces_mb:.0f} MB.")


def mine(seed: int) -> tuple[int, float]:
    """One movie, which is forgotten again: tracks mined and seconds."""
    tracks, links = made_up(seed)
    began = time.perf_counter()
    return len(mine_movie(tracks, links).tracks), time.perf_counter() - began


def made_up(seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Tracks of one movie, their faces float32 as they are read from a dataset, and about 5 partners each."""
    generator = np.random.default_rng(seed)
    tracks = [generator.standard_normal((FACES, SIZE), dtype=np.float32) for _ in range(TRACKS)]
    first = np.repeat(np.arange(TRACKS), PARTNERS)
    return tracks, np.stack([first, (first + np.tile(np.arange(1, PARTNERS + 1), TRACKS)) % TRACKS], axis=1)


def peak_mb() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
