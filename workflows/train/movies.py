"""What training asks of a movie, a Ray task each: mine it into `tracklets`, measure it as the pack or a model does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harvest.dataset.commit import commit_derived
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.dataset.schema import SCHEMAS
from harvest.errors import CastmineError, DatasetError
from harvest.tracks import TrackSet, read_face_embeddings, read_track_set, to_matrix
from train.centring import CentringSums, FaceCentring
from train.config import MiningConfig, TrainConfig
from train.mining import MinedTracks, mine_movie
from train.normalise import Integers, track_means
from train.representation import Embedding
from train.validation import MovieMeasures, measure_movie
from workflows.config import RunConfig
from workflows.train.memory import PROCESS_GB

TRACKLETS = "mined"
"""The run of the table `tracklets`: faces as the pack embeds them. Each training mines anew, in place of the last."""
MINING = "mining"
"""Where its notes say with which MiningConfig."""

Progress = Callable[[int], None]
"""Is told how many movies are done."""


@dataclass(frozen=True)
class MovieJob:
    """All that a task needs to know."""

    root: str
    movie_id: str
    config: TrainConfig
    embedding: Embedding | None = None
    centring: FaceCentring | None = None
    """What is done to the faces before they are mined, where there is no `embedding`, which knows its own."""
    held_out: bool = False
    """Whether it is a validation movie, of which more is asked."""
    memory_gb: float = PROCESS_GB
    """What the task declares."""


@dataclass(frozen=True)
class MinedRows:
    """What was mined of a movie, as committed."""

    tracklets: np.ndarray
    """(t, M, d) float32."""
    hard_negatives: Integers
    """(t,) track ids."""


def measure_movies(
    jobs: list[MovieJob], in_flight: int, run: RunConfig, on_progress: Progress
) -> dict[str, MovieMeasures]:
    """Measure every movie, by movie_id; one whose worker is lost is tried again as often as `run` allows.

    Raises the first movie's error: a model of part of the corpus is another.
    """
    from workflows.ray_cluster import TaskLostError, map_tasks

    measured: dict[str, MovieMeasures] = {}
    for job, result in map_tasks(measure_one, jobs, in_flight, lambda job: job.memory_gb, run.attempts, run.losses):
        if isinstance(result, TaskLostError):
            raise CastmineError(f"{job.movie_id}: {result}") from result
        if isinstance(result, CastmineError):
            raise type(result)(f"{job.movie_id}: {result}") from result
        if isinstance(result, BaseException):
            raise result
        measured[job.movie_id] = result
        on_progress(len(measured))
    return measured


def measure_one(job: MovieJob) -> MovieMeasures:
    """Sums and distances of one movie: after mining it, as it is or centred, or as a model embeds what was mined."""
    dataset = Dataset.open(job.root)
    movie = dataset.movie(job.movie_id)
    tracks = read_track_set(dataset, movie)
    centring = job.embedding.centring if job.embedding else job.centring
    if centring:
        return _centred(dataset, movie, tracks, job, centring)
    if job.embedding:
        tracklets = read_mined(dataset, movie, job.config.mining).tracklets
        return measure_movie(
            tracklets, tracks.means, tracks.cannot_link, job.config, job.embedding, held_out=job.held_out
        )
    return _mined(dataset, movie, tracks, job)


def _mined(dataset: Dataset, movie: MovieRecord, tracks: TrackSet, job: MovieJob) -> MovieMeasures:
    """As the pack embeds it: mined, and committed to `tracklets`, which says what anyone would mine."""
    faces = read_face_embeddings(dataset, movie)
    mined = mine_movie(faces, tracks.cannot_link, job.config.mining)
    rows, notes = _table(movie, tracks, mined), {MINING: job.config.mining.model_dump(mode="json")}
    commit_derived(dataset.store, "tracklets", TRACKLETS, movie.movie_id, movie.harvest_id, rows, notes)
    measured = measure_movie(
        _of_size(mined.tracklets, movie), tracks.means, tracks.cannot_link, job.config, held_out=job.held_out
    )
    degree = job.config.centring.degree
    return measured if degree is None else replace(measured, faces=CentringSums.of(faces, degree))


def _centred(
    dataset: Dataset, movie: MovieRecord, tracks: TrackSet, job: MovieJob, centring: FaceCentring
) -> MovieMeasures:
    """With centred faces, for which other tracklets are mined, one model's own; of a model also of the same ones as the
    base."""
    raw = read_face_embeddings(dataset, movie)
    faces: Sequence[npt.ArrayLike] = centring.apply_all(raw)
    means = track_means(faces, by_length=True) if faces else tracks.means
    mined = mine_movie(faces, tracks.cannot_link, job.config.mining, by_length=True)
    rest = (means, tracks.cannot_link, job.config, job.embedding)
    measured = measure_movie(
        _of_size(mined.tracklets, movie), *rest, held_out=job.held_out and job.embedding is not None
    )
    if job.embedding is None:
        return measured
    same = mine_movie(raw, tracks.cannot_link, job.config.mining)
    rows = centring.track_means(same.faces(raw)).reshape(*same.tracklets.shape[:2], movie.embedding_size)
    return replace(measured, same_pairs=measure_movie(rows, *rest))


def _of_size(tracklets: npt.NDArray[Any], movie: MovieRecord) -> npt.NDArray[Any]:
    """(t, M, d), also of no track at all."""
    return tracklets.reshape(*tracklets.shape[:2], movie.embedding_size)


def read_mined(dataset: Dataset, movie: MovieRecord, mining: MiningConfig) -> MinedRows:
    """What `measure_one` committed. Raises DatasetError where the movie was harvested, or mined otherwise, since."""
    record = dataset.derived_record("tracklets", TRACKLETS, movie.movie_id)
    if record is None or record.harvest_id != movie.harvest_id:
        raise DatasetError(
            f"{movie.movie_id}: was harvested anew while it was being trained on; run the training again"
        )
    if record.notes.get(MINING) != mining.model_dump(mode="json"):
        raise DatasetError(
            f"{movie.movie_id}: another training mined it with other settings (train.mining) meanwhile; run this "
            "training again once that one has ended"
        )
    table = dataset.read_shard(record.shard)
    rows = to_matrix(table["embedding"], movie.embedding_size).reshape(-1, mining.views, movie.embedding_size)
    return MinedRows(rows, table["hard_negative"].to_numpy()[:: mining.views].astype(np.int64))


def of_one_pack(dataset: Dataset, models_hash: str | None = None) -> list[MovieRecord]:
    """All movies, or those of this pack. Raises DatasetError where there is none, or where packs are several."""
    records = [record for record in dataset.records() if models_hash in (None, record.models_hash)]
    if not records:
        which = "no movie yet" if models_hash is None else "no movie yet that was harvested with these models"
        raise DatasetError(f"{dataset.root}: holds {which}; harvest or import some first")
    packs = {record.models_hash: record.models for record in records}
    if len(packs) > 1:
        raise DatasetError(
            f"{dataset.root}: its movies were harvested with different models ({', '.join(packs.values())}); "
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
