"""The memory that a movie's task takes, which it declares to Ray: how many run at once on a machine follows from it."""

from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.tracks import count_embedded

PROCESS_GB = 0.5
"""Memory of a task beside its arrays: Python with all it imports, torch among it."""
MINED_FACE_BYTES = 32
"""Per number of a face that is mined or verified: raw as float32, centred as float64, those that were mined, and these
centred again; 30 were measured on 704 tracks of 63 faces of 512-d (tests.bench.task_memory)."""
ROW_BYTES = 32
"""Per number of a tracklet, of a track's mean and of the two ends of a link: mined, mapped, normalised, multiplied."""
PAIR_BYTES = 82
"""Per pair of tracks in a verification: distance, sorted, both rates; 370 MB were measured on 4.5 million pairs."""

FIT_GB = 1.0
"""A training's process with Ray Train, torch, the network with its momentum and best copy, and a batch's pairs."""


def mining_gb(dataset: Dataset, movie: MovieRecord, views: int) -> float:
    """What mining a movie takes, and measuring what was mined as a model embeds it.

    `views`: M. Reads the footer of one shard. 704 tracks of 63 faces of 512-d, the mean of the published corpus: 1.3.
    """
    faces = count_embedded(dataset, movie) * MINED_FACE_BYTES
    rows = (movie.rows("tracks") * (views + 1) + movie.rows("links") * 2) * ROW_BYTES
    return PROCESS_GB + (faces + rows) * movie.embedding_size / 1e9


def verification_gb(dataset: Dataset, movie: MovieRecord, views: int) -> float:
    """What verifying a movie takes: mining it, and every pair of its tracks. 5,000 tracks: 1.0 more."""
    tracks = movie.rows("tracks")
    return mining_gb(dataset, movie, views) + PAIR_BYTES * tracks * (tracks - 1) / 2 / 1e9


def fitting_gb(numbers: int) -> float:
    """What a worker that trains a network takes whose rows are so many numbers: as read, and joined, in float32.

    126,000 mined tracks of 3 views of 512-d: 2.5.
    """
    return FIT_GB + 2 * 4 * numbers / 1e9
