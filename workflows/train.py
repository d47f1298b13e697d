"""`castmine train`: mine every movie, sum movie by movie, solve, check on held-out movies, save model and card."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa

from harvest.dataset.commit import commit_derived
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.dataset.schema import SCHEMAS
from harvest.errors import ConfigError, DatasetError, TooLittleDataError
from harvest.tracks import TrackSet, read_face_embeddings, read_track_set, to_matrix
from train.calibration import equal_error_threshold
from train.config import TrainConfig
from train.mining import MinedTracks, mine_movie
from train.registry import ModelCard, save_model
from train.split import Split, split_movies
from train.subspace import Subspace, fit_subspace
from train.validation import MovieMeasures, held_out_gains, measure_movie, total
from workflows.config import Config
from workflows.console import meter

METHODS = ("mvcorr-linear",)
"""Training methods, as `--method` names them."""
TRACKLETS = "mined"
"""The run of the table `tracklets`."""


@dataclass(frozen=True)
class MovieJob:
    """All that a task needs to know."""

    root: str
    movie_id: str
    config: TrainConfig
    subspace: Subspace | None = None


@dataclass(frozen=True)
class TrainSummary:
    """What a training did, as the command prints it and `--json` writes it."""

    model: str
    card: ModelCard
    mined: dict[str, int]
    """Mined tracks by movie_id."""
    seconds: float


def train(root: str, method: str, out: Path, config: Config, address: str | None = None) -> TrainSummary:
    """Learn a representation from a dataset's links and write it to the folder `out`.

    Raises:
        TooLittleDataError: too few movies or co-occurring tracks to learn anything but noise.
        CastmineError: an empty dataset, movies of different packs, a folder that is not a model's.
    """
    from workflows.ray_cluster import ray_cluster

    began = time.monotonic()
    if method not in METHODS:
        raise ConfigError(f"no training method {method!r}; there are: {', '.join(METHODS)}")
    dataset = Dataset.open(root)
    records = _of_one_pack(dataset)
    split = split_movies({record.movie_id: record.facts.split for record in records}, config.train.split)
    with meter("train", "movies") as shown, ray_cluster(address, config.run.workers) as cores:
        in_flight = config.run.workers or cores
        jobs = [MovieJob(root, movie_id, config.train) for movie_id in split.train + split.validation]
        base = _measure(jobs, in_flight, lambda done: shown.update(done, 2 * len(jobs), "mining"))
        _refuse_few_movies(split, config.train)
        subspace = fit_subspace(_total(base, split.train).sums, config.train.subspace)
        jobs = [replace(job, subspace=subspace) for job in jobs]
        adapted = _measure(jobs, in_flight, lambda done: shown.update(len(jobs) + done, 2 * len(jobs), "checking"))
    card = _card(method, records[0], split, base, adapted, subspace, config.train)
    save_model(out, subspace, card)
    mined = {movie_id: measures.sums.tracks for movie_id, measures in base.items()}
    return TrainSummary(str(out), card, mined, time.monotonic() - began)


def measure_one(job: MovieJob) -> MovieMeasures:
    """Sums and distances of one movie: in the base embedding after mining it, or as a model embeds what was mined."""
    dataset = Dataset.open(job.root)
    movie = dataset.record(job.movie_id)
    if movie is None:
        raise DatasetError(f"{job.root}: has no movie {job.movie_id!r} any more")
    tracks = read_track_set(dataset, movie)
    if job.subspace is None:
        mined = mine_movie(read_face_embeddings(dataset, movie), tracks.cannot_link, job.config.mining)
        commit_derived(
            dataset.store, "tracklets", TRACKLETS, movie.movie_id, movie.harvest_id, _table(movie, tracks, mined)
        )
        tracklets = mined.tracklets.reshape(*mined.tracklets.shape[:2], movie.embedding_size)  # of no track: (0, M, 0)
    else:
        tracklets = _read_tracklets(dataset, movie, job.config.mining.views)
    return measure_movie(tracklets, tracks.means, tracks.cannot_link, job.config, job.subspace)


def _measure(jobs: list[MovieJob], in_flight: int, on_progress: object) -> dict[str, MovieMeasures]:
    from workflows.ray_cluster import map_tasks

    measured: dict[str, MovieMeasures] = {}
    for job, result in map_tasks(measure_one, jobs, in_flight):
        if not isinstance(result, MovieMeasures):
            raise result  # a model of part of the corpus would be another model
        measured[job.movie_id] = result
        on_progress(len(measured))  # type: ignore[operator]
    return measured


def _card(
    method: str,
    movie: MovieRecord,
    split: Split,
    base: dict[str, MovieMeasures],
    adapted: dict[str, MovieMeasures],
    subspace: Subspace,
    config: TrainConfig,
) -> ModelCard:
    after = _total(adapted, split.train)
    held_out = {}
    if split.validation:
        held_out = held_out_gains(_total(base, split.validation), _total(adapted, split.validation), config)
    try:
        found = equal_error_threshold(after.distances, config.calibration)
        threshold, how = (
            found.value,
            (
                f"equal error {found.equal_error:.4f} between {found.positive_pairs} hard-positive pairs and "
                f"{found.negative_pairs} cannot-link pairs of the {len(split.train)} training movies"
            ),
        )
    except TooLittleDataError as error:
        threshold, how = None, str(error)
    return ModelCard(
        method=method,
        pack=movie.models,
        pack_hash=movie.models_hash,
        embedding_size=movie.embedding_size,
        output_size=subspace.V.shape[1],
        train_movies=split.train,
        validation_movies=split.validation,
        train_tracks=after.sums.tracks,
        validation_tracks=sum(base[movie_id].sums.tracks for movie_id in split.validation),
        threshold=threshold,
        calibration=how,
        held_out=held_out,
        config=config.model_dump(mode="json"),
        castmine_version=version("castmine"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _total(measured: dict[str, MovieMeasures], movies: Iterable[str]) -> MovieMeasures:
    """The sum over movies, always in their sorted order: floating-point sums depend on it."""
    return total(measured[movie_id] for movie_id in movies)


def _refuse_few_movies(split: Split, config: TrainConfig) -> None:
    movies, least = len(split.train) + len(split.validation), config.subspace.movies
    if len(split.train) < least:
        raise TooLittleDataError(
            f"the dataset has {movies} movie{'s' * (movies != 1)}, {len(split.train)} to learn from and "
            f"{len(split.validation)} held out to check it; it takes at least {least} to learn from, since one movie's "
            "cast and light are no corpus: harvest more movies"
        )


def _of_one_pack(dataset: Dataset) -> list[MovieRecord]:
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


def _read_tracklets(dataset: Dataset, movie: MovieRecord, views: int) -> np.ndarray:
    table = dataset.derived("tracklets", TRACKLETS, movie.movie_id)
    if table is None:
        raise DatasetError(
            f"{movie.movie_id}: was harvested anew while it was being trained on; run the training again"
        )
    return to_matrix(table["embedding"], movie.embedding_size).reshape(-1, views, movie.embedding_size)
