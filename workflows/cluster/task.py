"""The task of `castmine cluster`: one movie is read, clustered, scored, and its assignments committed."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cluster.constraints import Stop
from cluster.curve import k_curve
from cluster.methods import BESIDE, METHODS
from cluster.metrics import UNKNOWN, score_movie
from cluster.movie import cluster_movie
from cluster.screen_time import numbered_by_screen_time
from cluster.tracks import Tracks
from harvest.dataset.commit import commit_derived, end_failure
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.dataset.schema import SCHEMAS
from harvest.errors import DatasetError
from harvest.tracks import TrackSet, read_track_set
from train.registry import ModelCard, load_model
from workflows.cluster.earlier import Earlier, fingerprint, labels_digest, read_earlier
from workflows.cluster.embedding import Embedded, embed_movie
from workflows.cluster.job import ClusteredMovie, ClusterJob, adapted_name, source_of_k
from workflows.cluster.retry import retry_command
from workflows.labels import identities


def cluster_one(job: ClusterJob) -> ClusteredMovie:
    """Cluster one movie and commit its assignments; what an earlier run clustered just so is only scored again."""
    dataset = Dataset.open(job.root)
    movie = dataset.movie(job.movie_id)
    tracks = read_track_set(dataset, movie)
    model = load_model(job.model) if job.model else None
    earlier = read_earlier(dataset, movie, job)
    needs_faces = METHODS[job.method].needs_faces and earlier is None
    embedded = embed_movie(dataset, movie, tracks, model, job, needs_faces)
    named = identities(dataset, job.movie_id)
    stop = _stop(job, movie, named, embedded.threshold)
    seconds, frames = _spans(dataset, movie)
    found = earlier or _clustered(job, tracks, seconds, embedded, stop, model.card if model else None)
    names = [named.get(int(track)) for track in tracks.track_ids]
    metrics = score_movie(found.labels, names, tracks.cannot_link, frames)
    answer = replace(found.answer, metrics=metrics)
    digest = labels_digest(dataset, movie)
    notes = {
        "method": job.method,
        "model": adapted_name(job.model_name, job.adapt),
        "adaptation": embedded.adaptation,
        "k_from": source_of_k(job.method, job.k_from),
        **asdict(answer),
        "fingerprint": fingerprint(job, movie, digest),
        "labels": digest,
        "retry": retry_command(replace(job, root="DIR")),
        "k_curve": _curve(job, tracks, embedded, names, stop) if metrics else None,
    }
    table = _table(job, tracks, found.labels, notes["model"])
    commit_derived(dataset.store, "clusters", job.run, job.movie_id, movie.harvest_id, table, notes)
    end_failure(dataset.store, job.movie_id, "cluster", job.run)
    return answer


def _clustered(
    job: ClusterJob,
    tracks: TrackSet,
    spans: NDArray[np.float64],
    embedded: Embedded,
    stop: Stop,
    card: ModelCard | None,
) -> Earlier:
    cast = cluster_movie(
        embedded.means,
        tracks.cannot_link,
        stop,
        job.config.cluster,
        job.method,
        faces=embedded.student,
        teacher=embedded.teacher,
        unknown=embedded.unknown,
    )
    seconds, n = round(cast.seconds, 4), len(tracks.track_ids)
    answer = ClusteredMovie(
        job.movie_id,
        n,
        cast.clusters,
        cast.asked,
        stop.threshold,
        cast.violations,
        seconds,
        metrics=None,
        unknown=int((cast.labels == UNKNOWN).sum()),
        adapt_seconds=embedded.adaptation["seconds"] if embedded.adaptation else 0.0,
        seen_in_training=card is not None and job.movie_id in card.fitted_movies,
        labels_used=job.k_from == "labels" or (card is not None and card.train_identities > 0),
    )
    return Earlier(numbered_by_screen_time(cast.labels, spans), answer)


def _stop(job: ClusterJob, movie: MovieRecord, named: dict[int, str], threshold: float | None) -> Stop:
    if METHODS[job.method].finds_k:
        return Stop()
    if movie.rows("tracks") < 2:
        return Stop(clusters=1)  # nothing to decide, so nothing that could be missing
    if job.k_from == "threshold":
        return Stop(threshold=threshold)
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


def _curve(
    job: ClusterJob, tracks: TrackSet, embedded: Embedded, names: list[str | None], stop: Stop
) -> dict[str, Any]:
    """WCP and NMI against K, of the method where it merges; the name of the one that was scored stands with them."""
    method = job.method if METHODS[job.method].merges else BESIDE
    merging = METHODS[method].merges
    assert merging is not None
    unknown = np.zeros(len(names), bool) if embedded.unknown is None else embedded.unknown
    seen = Tracks.of(embedded.means, tracks.cannot_link).take(np.flatnonzero(~unknown))
    named, left_out = ([names[track] for track in np.flatnonzero(which)] for which in (~unknown, unknown))
    merges = merging(seen, stop, job.config.cluster)
    curve = k_curve(merges, named, left_out).thinned(job.config.cluster.curve_points)
    scores = {"wcp": curve.wcp.round(5).tolist(), "nmi": curve.nmi.round(5).tolist()}
    return {"method": method, "clusters": curve.clusters.tolist(), **scores}


def _spans(dataset: Dataset, movie: MovieRecord) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """By track_id: (n, 2) when each track begins and ends, seconds; (n,) frames that it spans."""
    found = dataset.read_shard(movie.shards["tracks"], ["start_s", "end_s", "start_frame", "end_frame"])
    start_s, end_s, start, end = (found[name].to_numpy() for name in ("start_s", "end_s", "start_frame", "end_frame"))
    return np.stack([start_s, end_s], axis=1).astype(np.float64), np.asarray(end - start, dtype=np.int64)


def _table(job: ClusterJob, tracks: TrackSet, labels: NDArray[np.int64], model: str) -> pa.Table:
    n, schema = len(tracks.track_ids), SCHEMAS["clusters"]
    columns = [[job.run] * n, [job.movie_id] * n, tracks.track_ids, labels, [job.method] * n, [model] * n]
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)], schema=schema)
