"""A movie's tracks as arrays: what training and clustering take."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.errors import DatasetError
from harvest.storage import said_plainly


@dataclass(frozen=True)
class TrackSet:
    """The tracks of one movie, by track_id."""

    track_ids: NDArray[np.int64]
    """(n,)"""
    means: NDArray[np.float32]
    """(n, d) unit track means."""
    cannot_link: NDArray[np.int64]
    """(m, 2) pairs of rows of `means`, not of track ids."""

    def rows(self, track_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the given tracks, which must be there."""
        return np.searchsorted(self.track_ids, track_ids)


def read_track_set(dataset: Dataset, movie: MovieRecord) -> TrackSet:
    """Track means and cannot-links of a movie."""
    tracks = dataset.read_shard(movie.shards["tracks"], ["track_id", "embedding"])
    links = dataset.read_shard(movie.shards["links"], ["track_a", "track_b"])
    ids = tracks["track_id"].to_numpy().astype(np.int64)
    means = to_matrix(tracks["embedding"], movie.embedding_size)
    pairs = np.stack([links["track_a"].to_numpy(), links["track_b"].to_numpy()], axis=1)
    return TrackSet(ids, means, np.searchsorted(ids, pairs).astype(np.int64).reshape(-1, 2))


def read_face_embeddings(dataset: Dataset, movie: MovieRecord) -> list[NDArray[np.float32]]:
    """Raw face embeddings of each track, (n_i, d) float32, by track_id and frame."""
    faces = dataset.read_shard(movie.shards["faces"], ["track_id", "embedding"])
    faces = faces.filter(faces["embedding"].is_valid())
    ids = faces["track_id"].to_numpy()
    borders = np.flatnonzero(np.diff(ids)) + 1
    return np.split(to_matrix(faces["embedding"], movie.embedding_size), borders) if len(ids) else []


def count_embedded(dataset: Dataset, movie: MovieRecord) -> int:
    """The faces that `read_face_embeddings` would read, from the shard's footer alone; a movie has many more rows.

    A shard that cannot be read counts with all its rows: the task that reads it says so, of its movie alone.
    """
    shard = movie.shards["faces"]
    try:
        with said_plainly(dataset.store.full(shard.path)), dataset.store.open(shard.path) as file:
            footer = pq.read_metadata(file)
    except (DatasetError, FileNotFoundError, pa.ArrowInvalid):
        return shard.rows
    numbers = 0
    for group in map(footer.row_group, range(footer.num_row_groups)):
        columns = map(group.column, range(group.num_columns))
        column = next(column for column in columns if column.path_in_schema.startswith("embedding"))
        if column.statistics is None:
            return shard.rows
        numbers += column.num_values - column.statistics.null_count  # a face without one counts as one null
    return numbers // max(movie.embedding_size, 1)


def read_chips(dataset: Dataset, movie: MovieRecord) -> tuple[tuple[bytes, ...], ...]:
    """JPEG chips of each track's embedded faces, by track_id and frame. Raises DatasetError where there are none."""
    faces = dataset.read_shard(movie.shards["faces"], ["track_id", "chip", "embedding"])
    faces = faces.filter(faces["embedding"].is_valid())
    if faces["chip"].null_count:
        raise DatasetError(
            f"{movie.movie_id}: no chips are stored (imported tracks have none); use --adapt selfdistill"
        )
    chips = faces["chip"].to_pylist()
    borders = [0, *(np.flatnonzero(np.diff(faces["track_id"].to_numpy())) + 1).tolist(), len(chips)]
    return tuple(tuple(chips[start:end]) for start, end in pairwise(borders)) if chips else ()


def to_matrix(lists: pa.ChunkedArray, size: int) -> NDArray[np.float32]:
    """A column of lists of one length → (n, size) float32."""
    flat = lists.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float32).reshape(len(lists), size)


def mean_embedding(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the l2-normalised faces, l2-normalised: (n, d) raw → (d,) float32."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    mean = unit.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)
