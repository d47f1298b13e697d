"""The rows a training learns from, read from the committed tables of its movies; every worker reads them for itself.

float32 in memory, whole: 126,000 mined tracks of 3 views of 512-d are 774 MB on each worker.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harvest.dataset.read import Dataset
from harvest.tracks import read_face_embeddings, read_track_set
from train.batches import ArrayRows, FaceRows, TrainingRows
from train.config import TrainConfig
from train.identities import person
from train.normalise import l2_normalised, track_mean
from train.presets import Recipe
from train.split import Split
from workflows.labels import identities
from workflows.train.movies import read_mined
from workflows.train.refusal import kept_back

Rows32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class HeldBack:
    """The tracks of the identities that validate."""

    means: Rows32
    """(n, d) unit."""
    identities: tuple[str, ...]


@dataclass(frozen=True)
class Extent:
    """How much a training sees: all that its driver needs to know of the rows."""

    rows: int
    validates: bool
    """Whether anything is held out to stop it by."""
    classes: int
    """Identities that are learned from …"""
    held_back: int
    """… and those that validate."""


@dataclass(frozen=True)
class Learning:
    """What one training sees."""

    rows: TrainingRows
    validation: TrainingRows | None
    """Of the validation movies; None where there are none, or where identities validate."""
    held_back: HeldBack | None = None
    classes: int = 0
    """Identities that are learned from."""

    @property
    def extent(self) -> Extent:
        """Its counts, without the rows."""
        people = len(set(self.held_back.identities)) if self.held_back else 0
        return Extent(len(self.rows), bool(self.validation or self.held_back), self.classes, people)


def read_learning(dataset: Dataset, recipe: Recipe, split: Split, config: TrainConfig) -> Learning:
    """Rows of the training movies, and what validates them: the validation movies, or people kept back.

    Raises TooLittleDataError where there is nothing to learn from, DatasetError where a row is not finite.
    """
    if recipe.identities:
        return _of_people(dataset, split, config)
    train, validation = (_mined(dataset, recipe, movies, config) for movies in (split.train, split.validation))
    rows = ArrayRows(train, what="mined tracks with a cannot-link partner in the training movies")
    return Learning(rows, ArrayRows(validation, what="mined tracks") if len(validation) else None)


def _mined(dataset: Dataset, recipe: Recipe, movies: Sequence[str], config: TrainConfig) -> Rows32:
    """(t, M, d) tracklets, or (t, 3, d) anchor, first hard positive and the hard negative's mean."""
    found = [np.zeros((0, 0, 0), np.float32)]
    for movie_id in movies:
        movie = dataset.movie(movie_id)
        mined = read_mined(dataset, movie, config.mining)
        if recipe.rows == "tracklets":
            found.append(mined.tracklets)
        else:
            tracks = read_track_set(dataset, movie)
            negatives = tracks.means[tracks.rows(mined.hard_negatives)]
            found.append(np.concatenate([mined.tracklets[:, :2], negatives[:, None]], axis=1))
    filled = [rows for rows in found if len(rows)] or found[:1]
    return np.concatenate(filled).astype(np.float32, copy=False)


def _of_people(dataset: Dataset, split: Split, config: TrainConfig) -> Learning:
    """Named tracks of the training movies, those of one `person` together."""
    named = list(_named_tracks(dataset, split.train))
    held = kept_back((name for name, _ in named), config.split)
    classes = {name: number for number, name in enumerate(sorted({name for name, _ in named} - held))}
    learned = [(faces, classes[name]) for name, faces in named if name in classes]
    rows = FaceRows([faces for faces, _ in learned], np.array([code for _, code in learned]), config.fit.seed)
    validating = [(track_mean(faces), name) for name, faces in named if name in held]
    means = np.array([mean for mean, _ in validating], dtype=np.float32)
    return Learning(rows, None, HeldBack(means, tuple(name for _, name in validating)), len(classes))


def _named_tracks(dataset: Dataset, movies: Sequence[str]) -> Iterator[tuple[str, Rows32]]:
    """Person and unit faces (n, d) of every named track."""
    for movie_id in movies:
        movie = dataset.movie(movie_id)
        names = identities(dataset, movie_id)
        tracks = read_track_set(dataset, movie).track_ids if names else ()
        for track, faces in zip(tracks, read_face_embeddings(dataset, movie) if names else (), strict=True):
            if int(track) in names:
                unit = l2_normalised(faces, f"{movie_id}, track {track}").astype(np.float32)
                yield person(names[int(track)], movie_id), unit
