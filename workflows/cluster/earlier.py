"""What an earlier run of the same name left: whether it is what would come out again, so that it need not be done."""

import hashlib
import json
from dataclasses import dataclass, fields
from importlib.metadata import version
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from cluster.methods import METHODS
from cluster.metrics import Metrics
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from workflows.cluster.job import ClusteredMovie, ClusterJob, source_of_k
from workflows.labels import RUN as LABELS

CLUSTER_VERSION = 4
"""Raised whenever the same input gives another clustering, or other figures, than it did before."""


@dataclass(frozen=True)
class Earlier:
    """A clustering that is what the job would do."""

    labels: NDArray[np.int64]
    """(n,) by track_id."""
    answer: ClusteredMovie


def fingerprint(job: ClusterJob, movie: MovieRecord, labels: str) -> str:
    """Of all that decides which track gets which character; `labels`, their digest, only where K is taken from them."""
    decisive = {
        "harvest": movie.harvest_id,
        "method": job.method,
        "model": job.model_digest,
        "k_from": source_of_k(job.method, job.k_from),
        "threshold": job.threshold,
        "cast_size": movie.facts.cast_size if job.k_from == "corpus" else None,
        "labels": labels if job.k_from == "labels" else None,
        "config": {place: _dumped(attrgetter(place)(job.config.cluster)) for place in sorted(_read_by(job))},
        "adapt": job.adapt,
        "castmine": version("castmine"),
        "version": CLUSTER_VERSION,
    }
    return hashlib.blake2b(json.dumps(decisive, sort_keys=True).encode(), digest_size=12).hexdigest()


def _read_by(job: ClusterJob) -> set[str]:
    """Where in the cluster section that stands which the job reads."""
    read = {"curve_points", *METHODS[job.method].sections}
    if job.adapt:  # of a section, whose name ends at the first hyphen
        own = job.adapt.partition("-")[0]
        read |= {f"adapt.{name}" for name in ("seed", "threshold", "calibration", own)}
    return read


def _dumped(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def labels_digest(dataset: Dataset, movie: MovieRecord) -> str:
    """Of the labels on the movie's current tracks; empty where there are none."""
    record = dataset.derived_record(LABELS, LABELS, movie.movie_id)
    return record.shard.digest if record and record.harvest_id == movie.harvest_id else ""


def nothing_to_do(dataset: Dataset, movie: MovieRecord, job: ClusterJob) -> ClusteredMovie | None:
    """What a task would answer that clusters and scores as an earlier one did; None: it is to be run."""
    notes, labels = _notes(dataset, movie, job)
    return _answer(notes, movie) if notes and notes["labels"] == labels else None


def is_clustered(dataset: Dataset, movie: MovieRecord, job: ClusterJob) -> bool:
    """Whether an earlier run clustered just so: a task would only score, by the labels that there are now."""
    return _notes(dataset, movie, job)[0] is not None


def read_earlier(dataset: Dataset, movie: MovieRecord, job: ClusterJob) -> Earlier | None:
    """The assignments of an earlier run that clustered just so, whatever the labels were then."""
    notes, _ = _notes(dataset, movie, job)
    table = dataset.derived("clusters", job.run, job.movie_id) if notes else None
    if notes is None or table is None:
        return None
    return Earlier(table["cluster_id"].to_numpy().astype(np.int64), _answer(notes, movie))


def _notes(dataset: Dataset, movie: MovieRecord, job: ClusterJob) -> tuple[dict[str, Any] | None, str]:
    """The notes of a run that clustered the movie's current harvest just so, if any; the digest of its labels now."""
    record = None if job.force else dataset.derived_record("clusters", job.run, job.movie_id)
    labels = labels_digest(dataset, movie)
    if record is None or record.harvest_id != movie.harvest_id:
        return None, labels
    same = record.notes.get("fingerprint") == fingerprint(job, movie, labels)
    return (record.notes if same else None), labels


def _answer(notes: dict[str, Any], movie: MovieRecord) -> ClusteredMovie:
    known = {field.name: notes[field.name] for field in fields(ClusteredMovie) if field.name in notes}
    metrics = Metrics(**notes["metrics"]) if notes["metrics"] else None
    return ClusteredMovie(**known | {"movie_id": movie.movie_id, "metrics": metrics, "unchanged": True})
