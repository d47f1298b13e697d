"""What clustering sees of a movie's tracks: the pack's own embeddings, or those of a model."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.config import NEED_MODEL
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.tracks import TrackSet, read_face_embeddings
from train.normalise import l2_normalised
from train.registry import Model
from workflows.cluster.job import ClusterJob

Faces = list[NDArray[np.float64]]
"""(n_i, d) of the faces of each track."""


@dataclass(frozen=True)
class Embedded:
    """The n tracks of a movie as `cluster_movie` takes them."""

    means: NDArray[np.floating]
    """(n, d) unit track embeddings."""
    student: Faces | None = None
    """Faces of each track, where the method asks for them."""
    teacher: Faces | None = None
    """The same through the teacher of an adapted movie; None: not adapted, the student is the teacher too."""
    unknown: NDArray[np.bool_] | None = None
    """(n,) tracks that the adaptation found too poor to be anybody; None: not adapted."""
    threshold: float | None = None
    """Cosine distance at which clusters end; None: K is known, or the method needs neither."""
    adaptation: dict[str, Any] | None = None
    """How the movie was adapted, as it is noted beside a result."""


def embed_movie(
    dataset: Dataset, movie: MovieRecord, tracks: TrackSet, model: Model | None, job: ClusterJob, needs_faces: bool
) -> Embedded:
    """The tracks of a movie, and their faces where asked for, through the model where there is one, and adapted to the
    movie where the job says so."""
    means = _means(dataset, movie, tracks, model) if model else tracks.means
    if job.adapt is None or not len(means):
        return Embedded(means, _faces(dataset, movie, model) if needs_faces else None, threshold=job.threshold)
    faces = _faces(dataset, movie, None if job.adapt in NEED_MODEL else model)
    return _adapted(dataset, movie, tracks, np.asarray(means, dtype=np.float64), faces, job)


def _adapted(
    dataset: Dataset, movie: MovieRecord, tracks: TrackSet, base: NDArray[np.float64], faces: Faces, job: ClusterJob
) -> Embedded:
    from cluster.adapt.threshold import adapted_threshold  # torch, 2 s: only where a movie is adapted
    from workflows.cluster.adaptation import adapted_movie

    kept = adapted_movie(dataset, movie, tuple(faces), tracks.cannot_link, job)
    adapted, threshold, how = kept.adapted, None, None
    if job.threshold is not None and job.method == "ball" and job.adapt in NEED_MODEL:
        threshold, how = job.threshold, "τ = 4b of the model: the radius was not fitted"
    elif job.threshold is not None and len(base) > 1:
        config = job.config.cluster.adapt
        threshold, how = adapted_threshold(adapted, tracks.cannot_link, base, job.threshold, config)
    notes = {"name": job.adapt, "seconds": kept.seconds, "curve": adapted.curve, "threshold": how, **adapted.notes}
    teacher = list(adapted.teacher) if adapted.teacher else None
    return Embedded(adapted.means(), list(adapted.student), teacher, adapted.unknown, threshold, notes)


def _means(dataset: Dataset, movie: MovieRecord, tracks: TrackSet, model: Model) -> NDArray[np.float64]:
    """The tracks through the model."""
    if model.takes_faces:
        return model.embed_tracks(read_face_embeddings(dataset, movie))
    return model.embed_tracks(tracks.means.astype(np.float64))


def _faces(dataset: Dataset, movie: MovieRecord, model: Model | None) -> Faces:
    """Unit faces of each track, each through the model where there is one."""
    tracks = read_face_embeddings(dataset, movie)
    if model:
        return [model.embed_faces(faces) for faces in tracks]
    return [l2_normalised(faces, f"{movie.movie_id}, faces of track {row}") for row, faces in enumerate(tracks)]
