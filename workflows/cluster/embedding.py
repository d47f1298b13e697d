"""What clustering sees of a movie's tracks: the pack's own embeddings, or those of a model."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.tracks import TrackSet, read_face_embeddings
from train.normalise import l2_normalised
from train.registry import Model

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


def embed_movie(
    dataset: Dataset, movie: MovieRecord, tracks: TrackSet, model: Model | None, needs_faces: bool
) -> Embedded:
    """The tracks of a movie, and their faces where asked for, through the model where there is one."""
    means = model.embed_tracks(tracks.means.astype(np.float64)) if model else tracks.means
    return Embedded(means, _faces(dataset, movie, model) if needs_faces else None)


def _faces(dataset: Dataset, movie: MovieRecord, model: Model | None) -> Faces:
    """Unit faces of each track, each through the model where there is one."""
    tracks = read_face_embeddings(dataset, movie)
    unit = [l2_normalised(faces, f"{movie.movie_id}, faces of track {row}") for row, faces in enumerate(tracks)]
    return [model.embed_tracks(faces) for faces in unit] if model else unit
