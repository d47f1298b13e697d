"""What training asks of a movie, a Ray task each: mine it into `tracklets`, measure it as the pack or a model does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from harvest.dataset.commit import commit_derived
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.dataset.schema import SCHEMAS
from harvest.errors import CastmineError, DatasetError
from harvest.tracks import TrackSet, read_face_embeddings, read_track_set, to_matrix
from train.config import TrainConfig
from train.mining import MinedTracks, mine_movie
from train.normalise import Integers
from train.representation import Embedding
from train.validation import MovieMeasures, measure_movie

TRACKLETS = "mined"
"""The run of the table `tracklets`."""

Progress = Callable[[int], None]
"""Is told how many movies are done."""


@dataclass(frozen=True)
class MovieJob:
    """All that a task needs to know."""

    root: str
    movie_id: str
    config: TrainConfig
    embedding: Embedding | None = None


@dataclass(frozen=True)
class MinedRows:
    """What was mined of a movie, as committed."""

    tracklets: np.ndarray
    """(t, M, d) float32."""
    hard_negatives: Integers
    """(t,) track ids."""


def measure_movies(jobs: list[MovieJob], in_flight: int, on_progress: Progress) -> dict[str, MovieMeasures]:
    """Measure every movie, by movie_id. Raises the first movie's error: a model of part of the corpus is another."""
    from workflows.ray_cluster import map_tasks

    measured: dict[str, MovieMeasures] = {}
    for job, result in map_tasks(measure_one, jobs, in_flight):
        if isinstance(result, CastmineError):
            raise type(result)(f"{job.movie_id}: {result}") from result
        if isinstance(result, BaseException):
            raise result
        measured[job.movie_id] = result
        on_progress(len(measured))
    return measured


def measure_one(job: MovieJob) -> MovieMeasures:
    """Sums and distances of one movie: in the base embedding after mining it, or as a model embeds what was mined."""
    dataset = Dataset.open(job.root)
    movie = current(dataset, job.movie_id)
    tracks = read_track_set(dataset, movie)
    if job.embedding is None:
        mined = mine_movie(read_face_embeddings(dataset, movie), tracks.cannot_link, job.config.mining)
        commit_derived(
            dataset.store, "tracklets", TRACKLETS, movie.movie_id, movie.harvest_id, _table(movie, tracks, mined)
        )
        tracklets = mined.tracklets.reshape(*mined.tracklets.shape[:2], movie.embedding_size)  # of no track: (0, M, 0)
    else:
        tracklets = read_mined(dataset, movie, job.config.mining.views).tracklets
    return measure_movie(tracklets, tracks.means, tracks.cannot_link, job.config, job.embedding)


def current(dataset: Dataset, movie_id: str) -> MovieRecord:
    """The movie's record. Raises DatasetError where it is gone."""
    movie = dataset.record(movie_id)
    if movie is None:
        raise DatasetError(f"{dataset.store.root}: has no movie {movie_id!r} any more")
    return movie


def read_mined(dataset: Dataset, movie: MovieRecord, views: int) -> MinedRows:
    """What `measure_one` committed. Raises DatasetError where the movie was harvested anew since."""
    table = dataset.derived("tracklets", TRACKLETS, movie.movie_id)
    if table is None:
        raise DatasetError(
            f"{movie.movie_id}: was harvested anew while it was being trained on; run the training again"
        )
    rows = to_matrix(table["embedding"], movie.embedding_size).reshape(-1, views, movie.embedding_size)
    return MinedRows(rows, table["hard_negative"].to_numpy()[::views].astype(np.int64))


def of_one_pack(dataset: Dataset) -> list[MovieRecord]:
    """All movies. Raises DatasetError where there is none, or where they are of different packs."""
    records = dataset.records()
    if not records:
        raise DatasetError(f"{dataset.store.root}: holds no movie yet; harvest or import some first")
    packs = {record.models_hash: record.models for record in records}
    if len(packs) > 1:
        raise DatasetError(
            f"{dataset.store.root}: its movies were harvested with different models ({', '.join(packs.values())}); "
            "harvest all of them with one pack"
        )
    return records


def _table(movie: MovieRecord, tracks: TrackSet, mined: MinedTracks) -> pa.Table:
    count, views = mined.tracklets.shape[:2]
    negatives = tracks.track_ids[mined.hard_negatives] if count else np.zeros(0, np.int64)
    columns = [
        pa.array([movie.movie_id] * count * views, pa.string()),
        pa.array(np.repeat(tracks.track_ids[mined.tracks], views), pa.int32()),
        pa.array(np.tile(np.arange(views), count), pa.int32()),
        pa.array(list(mined.tracklets.astype(np.float32).reshape(-1, movie.embedding_size)), pa.list_(pa.float32())),
        pa.array(np.repeat(negatives, views), pa.int32()),
    ]
    return pa.table(columns, schema=SCHEMAS["tracklets"])
