"""`castmine cluster`: one Ray task a movie groups its tracks into a cast; the assignments land in `clusters`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.methods import METHODS
from cluster.metrics import CorpusMetrics, score_corpus
from harvest.dataset.commit import note_failure
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.errors import ConfigError, DatasetError
from train.registry import load_model
from workflows.cluster.task import BASE, ClusteredMovie, ClusterJob, KFrom, cluster_one, source_of_k
from workflows.config import Config
from workflows.console import meter


@dataclass(frozen=True)
class ClusterSummary:
    """What a clustering did, as the command prints it and `--json` writes it."""

    run: str
    method: str
    model: str
    k_from: str
    """`KFrom`, or "method" where the method finds K itself."""
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
    from workflows.cluster.thresholds import thresholds_for
    from workflows.ray_cluster import map_tasks, ray_cluster

    began = time.monotonic()
    _check_request(method, k_from)
    dataset = Dataset.open(root)
    records = _chosen(dataset, movies)
    name = BASE
    if model:
        name = _fitting_model(model, records)
        model = str(Path(model).absolute())  # tasks on a cluster run in folders of their own
    run = run or (method if name == BASE else f"{method}-{name}")
    uris = {record.movie_id: record.facts.uri for record in records}
    finished: list[ClusteredMovie] = []
    failed: dict[str, str] = {}
    with meter("cluster", "movies") as shown, ray_cluster(address, config.run.workers) as cores:
        in_flight = config.run.workers or cores
        wanted = k_from == "threshold" and not METHODS[method].finds_k
        thresholds, source = thresholds_for(dataset, records, model, config, in_flight) if wanted else ({}, "")
        jobs = [
            ClusterJob(
                dataset.root, record.movie_id, method, model, k_from, thresholds.get(record.models_hash), run, config
            )
            for record in sorted(records, key=lambda record: -record.rows("tracks"))
        ]
        for job, result in map_tasks(cluster_one, jobs, in_flight):
            if isinstance(result, ClusteredMovie):
                finished.append(result)
            else:
                failed[job.movie_id] = str(result)
                note_failure(
                    dataset.store, job.movie_id, uris[job.movie_id], "cluster", type(result).__name__, str(result), 1
                )
            shown.update(len(finished) + len(failed), len(jobs), job.movie_id)
    finished.sort(key=lambda movie: movie.movie_id)
    overall = score_corpus([movie.metrics for movie in finished if movie.metrics])
    k_source = source_of_k(method, k_from)
    return ClusterSummary(run, method, name, k_source, source, finished, failed, overall, time.monotonic() - began)


def _fitting_model(model: str, records: list[MovieRecord]) -> str:
    """The model's name. Raises DatasetError where it was trained on the embeddings of another pack."""
    loaded = load_model(model)
    others = {record.models for record in records if record.models_hash != loaded.card.pack_hash}
    if others:
        raise DatasetError(
            f"{model}: was trained on embeddings of {loaded.card.pack}, and the movies were harvested with "
            f"{', '.join(sorted(others))}; harvest them with that pack, or train a model on this dataset"
        )
    return loaded.name


def _check_request(method: str, k_from: KFrom) -> None:
    """Raise ConfigError where there is no such method, or where it finds K itself and is told where to take it from."""
    if method not in METHODS:
        raise ConfigError(f"no clustering method {method!r}; there are: {', '.join(METHODS)}")
    if METHODS[method].finds_k and k_from != "threshold":
        raise ConfigError(f"{method} finds the number of characters itself: leave out --k-from {k_from}")


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
