"""`castmine cluster`: one Ray task a movie groups its tracks into a cast; the assignments land in `clusters`."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Literal

import numpy as np
import pyarrow as pa

from cluster.constraints import Stop
from cluster.methods import METHODS
from cluster.metrics import CorpusMetrics, Metrics, score_corpus, score_movie
from cluster.movie import cluster_movie
from harvest.dataset.commit import commit_derived, note_failure
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord, failure_record_path
from harvest.dataset.schema import SCHEMAS
from harvest.errors import ConfigError, DatasetError, TooLittleDataError
from harvest.tracks import read_track_set
from train.registry import load_model
from workflows.config import Config
from workflows.console import meter
from workflows.labels import identities

KFrom = Literal["threshold", "labels", "corpus"] | int
"""Where the number of characters comes from."""

BASE = "base"
"""The model's name where there is none."""


@dataclass(frozen=True)
class ClusterJob:
    """All that a task needs to know."""

    root: str
    movie_id: str
    method: str
    model: str | None
    k_from: KFrom
    threshold: float | None
    """Used where k_from is threshold."""
    run: str
    config: Config


@dataclass(frozen=True)
class ClusteredMovie:
    """What a task did."""

    movie_id: str
    tracks: int
    clusters: int
    asked: int | None
    threshold: float | None
    violations: int
    seconds: float
    metrics: Metrics | None


@dataclass(frozen=True)
class ClusterSummary:
    """What a clustering did, as the command prints it and `--json` writes it."""

    run: str
    method: str
    model: str
    k_from: str
    threshold_source: str
    movies: list[ClusteredMovie]
    failed: dict[str, str]
    """Message by movie_id."""
    overall: CorpusMetrics | None
    seconds: float


def cluster(
    root: str,
    method: str,
    config: Config,
    model: str | None = None,
    k_from: KFrom = "threshold",
    run: str | None = None,
    movies: Sequence[str] = (),
    address: str | None = None,
) -> ClusterSummary:
    """Cluster the movies of a dataset (all, or those named).

    Raises:
        CastmineError: nothing could be begun: an empty dataset, an unknown movie or method, a model for another pack,
            no threshold to be had. What goes wrong with one movie is in the summary and in `failures` instead.
    """
    from workflows.ray_cluster import map_tasks, ray_cluster

    began = time.monotonic()
    if method not in METHODS:
        raise ConfigError(f"no clustering method {method!r}; there are: {', '.join(sorted(METHODS))}")
    dataset = Dataset.open(root)
    records = _chosen(dataset, movies)
    name = load_model(model).name if model else BASE
    run = run or (method if name == BASE else f"{method}-{name}")
    finished: list[ClusteredMovie] = []
    failed: dict[str, str] = {}
    with meter("cluster", "movies") as shown, ray_cluster(address, config.run.workers) as cores:
        in_flight = config.run.workers or cores
        thresholds, source = _thresholds(dataset, root, records, model, k_from, config, in_flight)
        jobs = [
            ClusterJob(root, record.movie_id, method, model, k_from, thresholds.get(record.models_hash), run, config)
            for record in sorted(records, key=lambda record: -record.rows("tracks"))
        ]
        for job, result in map_tasks(cluster_one, jobs, in_flight):
            if isinstance(result, ClusteredMovie):
                finished.append(result)
            else:
                failed[job.movie_id] = str(result)
                note_failure(dataset.store, job.movie_id, "", "cluster", type(result).__name__, str(result), 1)
            shown.update(len(finished) + len(failed), len(jobs), job.movie_id)
    finished.sort(key=lambda movie: movie.movie_id)
    overall = score_corpus([movie.metrics for movie in finished if movie.metrics])
    return ClusterSummary(run, method, name, str(k_from), source, finished, failed, overall, time.monotonic() - began)


def cluster_one(job: ClusterJob) -> ClusteredMovie:
    """Cluster one movie and commit its assignments."""
    dataset = Dataset.open(job.root)
    movie = dataset.record(job.movie_id)
    if movie is None:
        raise DatasetError(f"{job.root}: has no movie {job.movie_id!r} any more")
    tracks = read_track_set(dataset, movie)
    model = load_model(job.model) if job.model else None
    embeddings = model.embed_tracks(tracks.means.astype(np.float64)) if model else tracks.means
    named = identities(dataset, job.movie_id)
    stop = _stop(job, movie, named)
    cast = cluster_movie(embeddings, tracks.cannot_link, stop, job.config.cluster, job.method)
    metrics = score_movie(cast.labels, [named.get(int(track)) for track in tracks.track_ids], tracks.cannot_link)
    model_name = model.name if model else BASE
    n = len(tracks.track_ids)
    columns = [[job.run] * n, [job.movie_id] * n, tracks.track_ids, cast.labels, [job.method] * n, [model_name] * n]
    schema = SCHEMAS["clusters"]
    table = pa.table(
        [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)], schema=schema
    )
    notes = {
        "method": job.method,
        "model": model_name,
        "k_from": str(job.k_from),
        "threshold": stop.threshold,
        "clusters": cast.clusters,
        "violations": cast.violations,
        "seconds": round(cast.seconds, 4),
        "metrics": asdict(metrics) if metrics else None,
    }
    commit_derived(dataset.store, "clusters", job.run, job.movie_id, movie.harvest_id, table, notes)
    _forget_failure(dataset, job.movie_id)
    return ClusteredMovie(
        job.movie_id, n, cast.clusters, cast.asked, stop.threshold, cast.violations, cast.seconds, metrics
    )


def _stop(job: ClusterJob, movie: MovieRecord, named: dict[int, str]) -> Stop:
    if movie.rows("tracks") < 2:
        return Stop(clusters=1)  # nothing to decide, so nothing that could be missing
    if job.k_from == "threshold":
        return Stop(threshold=job.threshold)
    if job.k_from == "labels":
        if not named:
            raise DatasetError(f"{job.movie_id}: has no labels to take K from; import some, or use --k-from threshold")
        return Stop(clusters=len(set(named.values())))
    if job.k_from == "corpus":
        if not movie.facts.cast_size:
            raise DatasetError(
                f"{job.movie_id}: the corpus gives no cast_size; add it to the listing and harvest again"
            )
        return Stop(clusters=movie.facts.cast_size)
    return Stop(clusters=int(job.k_from))


def _chosen(dataset: Dataset, movies: Sequence[str]) -> list[MovieRecord]:
    records = {record.movie_id: record for record in dataset.records()}
    if not records:
        raise DatasetError(f"{dataset.store.root}: holds no movie yet; harvest or import some first")
    unknown = [movie for movie in movies if movie not in records]
    if unknown:
        raise DatasetError(
            f"{dataset.store.root}: has no movie {unknown[0]!r}; it has: {', '.join(list(records)[:10])}"
        )
    return [records[movie] for movie in movies] if movies else list(records.values())


def _thresholds(
    dataset: Dataset,
    root: str,
    records: list[MovieRecord],
    model: str | None,
    k_from: KFrom,
    config: Config,
    in_flight: int,
) -> tuple[dict[str, float], str]:
    """The threshold by models_hash, and where it comes from, in words."""
    if k_from != "threshold":
        return {}, ""
    packs = {record.models_hash for record in records if record.rows("tracks") > 1}
    if config.cluster.threshold is not None:
        return dict.fromkeys(packs, config.cluster.threshold), "cluster.threshold in the config"
    if model:
        card = load_model(model).card
        if card.threshold is None:
            raise TooLittleDataError(
                f"{model}: its card has no threshold; give --k-from N or --set cluster.threshold=0.5"
            )
        return dict.fromkeys(packs, card.threshold), f"the model's card: {card.calibration}"
    return _pack_thresholds(dataset, root, packs, config, in_flight)


def _pack_thresholds(
    dataset: Dataset, root: str, packs: set[str], config: Config, in_flight: int
) -> tuple[dict[str, float], str]:
    from workflows.thresholds import pack_card

    thresholds, sources = {}, []
    everything = sorted(dataset.records(), key=lambda record: (record.models_hash, record.movie_id))
    for models_hash, movies in groupby(everything, key=lambda record: record.models_hash):
        if models_hash not in packs:
            continue
        card = pack_card(dataset, root, movies, config.train, in_flight)
        threshold = card.shipped_threshold if card.threshold is None else card.threshold
        if threshold is None:
            raise TooLittleDataError(
                f"{card.name}: no threshold is known for this pack and {card.calibration}; "
                "give --k-from N, or --set cluster.threshold=0.5"
            )
        thresholds[models_hash] = threshold
        shipped = f"shipped with castmine for {card.name}; {card.calibration}"
        sources.append(card.calibration if card.threshold is not None else shipped)
    return thresholds, "; ".join(sources)


def _forget_failure(dataset: Dataset, movie_id: str) -> None:
    earlier = {failure.movie_id: failure.stage for failure in dataset.failures()}
    if earlier.get(movie_id) == "cluster":
        dataset.store.delete(failure_record_path(movie_id))
