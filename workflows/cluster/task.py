"""The task of `castmine cluster`: one movie is read, clustered, scored, and its assignments committed."""

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cluster.constraints import Stop
from cluster.methods import METHODS
from cluster.metrics import Metrics, score_movie
from cluster.movie import cluster_movie
from harvest.dataset.commit import commit_derived
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord, failure_record_path
from harvest.dataset.schema import SCHEMAS
from harvest.errors import DatasetError
from harvest.tracks import read_track_set
from train.registry import load_model
from workflows.cluster.embedding import embed_movie
from workflows.config import Config
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


def cluster_one(job: ClusterJob) -> ClusteredMovie:
    """Cluster one movie and commit its assignments."""
    dataset = Dataset.open(job.root)
    movie = dataset.record(job.movie_id)
    if movie is None:
        raise DatasetError(f"{job.root}: has no movie {job.movie_id!r} any more")
    tracks = read_track_set(dataset, movie)
    model = load_model(job.model) if job.model else None
    embedded = embed_movie(dataset, movie, tracks, model, METHODS[job.method].needs_faces)
    named = identities(dataset, job.movie_id)
    stop = _stop(job, movie, named)
    cast = cluster_movie(
        embedded.means,
        tracks.cannot_link,
        stop,
        job.config.cluster,
        job.method,
        faces=embedded.student,
        teacher=embedded.teacher,
    )
    names = [named.get(int(track)) for track in tracks.track_ids]
    metrics = score_movie(cast.labels, names, tracks.cannot_link, _frames(dataset, movie))
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
        "k_from": source_of_k(job.method, job.k_from),
        "threshold": stop.threshold,
        "clusters": cast.clusters,
        "violations": cast.violations,
        "seconds": round(cast.seconds, 4),
        "metrics": asdict(metrics) if metrics else None,
    }
    commit_derived(dataset.store, "clusters", job.run, job.movie_id, movie.harvest_id, table, notes)
    dataset.store.delete(failure_record_path(job.movie_id, "cluster"))
    return ClusteredMovie(
        job.movie_id, n, cast.clusters, cast.asked, stop.threshold, cast.violations, cast.seconds, metrics
    )


def source_of_k(method: str, k_from: KFrom) -> str:
    """Where K came from, as it is noted beside a result."""
    return "method" if METHODS[method].finds_k else str(k_from)


def _frames(dataset: Dataset, movie: MovieRecord) -> NDArray[np.int64]:
    """(n,) frames that each track spans, by track_id."""
    spans = dataset.read_shard(movie.shards["tracks"], ["start_frame", "end_frame"])
    return np.asarray(spans["end_frame"].to_numpy() - spans["start_frame"].to_numpy(), dtype=np.int64)


def _stop(job: ClusterJob, movie: MovieRecord, named: dict[int, str]) -> Stop:
    if METHODS[job.method].finds_k:
        return Stop()
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
