"""A trained model as a folder: `model.safetensors` (the weights) and `card.json` (what it is and how it came to be).

The folder appears whole or not at all; a card names the digest of its weights, so the two are never mixed.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from harvest.errors import DatasetError
from train.config import NetworkConfig
from train.normalise import Floats, l2_normalised, track_means
from train.representation import Embedding
from train.subspace import Subspace
from train.validation import Gain

WEIGHTS, CARD = "model.safetensors", "card.json"
SAVED_WITHIN_S = 3600.0
"""Writing a model takes seconds: of one that was begun so much earlier the process has been killed."""


class ModelCard(BaseModel):
    """What a model is, what it was trained on and what it gained."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    method: str
    """Such as mvcorr-linear."""
    pack: str
    """Name of the pack of face models whose embeddings it takes."""
    pack_hash: str
    """Hash of the pack's files."""
    embedding_size: int
    """d of those embeddings."""
    output_size: int
    """d' of its own."""
    train_movies: tuple[str, ...]
    """movie_id of the movies it learned from."""
    validation_movies: tuple[str, ...]
    """movie_id of the movies it was checked on."""
    train_tracks: int
    """Mined tracks of the training movies."""
    validation_tracks: int
    """Mined tracks of the validation movies."""
    refit: bool = False
    """Whether, once checked, it was fitted anew to the movies of both parts: the weights are of all of them, `held_out`
    and `threshold` of the model that learned from `train_movies` alone."""
    threshold: float | None
    """Cosine distance at which clustering stops; null: not calibrated."""
    calibration: str
    """How the threshold came about, in words."""
    held_out: dict[str, Gain]
    """Figures on the validation movies by name (known_again, equal_error, rho), before: base, after: this model."""
    config: dict[str, Any]
    """The TrainConfig."""
    curve: tuple[dict[str, Any], ...] = ()
    """An epoch each of a trained network: train_loss, validation_loss or score, rate, best."""
    train_identities: int = 0
    """Identities that a method which needs labels learned from …"""
    validation_identities: int = 0
    """… and those it was stopped by, none of them among the former."""
    squared_radius: float | None = None
    """b of ball cluster learning, in squared Euclidean distance of its unit rows."""
    notes: tuple[str, ...] = ()
    """What was done otherwise than asked for, and what a reader must know, in words."""
    castmine_version: str
    created: str
    """When, UTC, ISO 8601."""
    weights_sha256: str = ""
    """Of model.safetensors; filled in by `save_model`."""

    @property
    def fitted_movies(self) -> tuple[str, ...]:
        """movie_id of every movie that the weights were fitted to, sorted: nothing measured on them is held out."""
        return tuple(sorted(self.train_movies + self.validation_movies)) if self.refit else self.train_movies

    @property
    def fitted_tracks(self) -> int:
        """Mined tracks of those movies."""
        return self.train_tracks + self.validation_tracks * self.refit


@dataclass(frozen=True)
class Model:
    """A loaded model, of the closed form or a network."""

    name: str
    """The folder's name."""
    card: ModelCard
    embedding: Embedding
    """A `Subspace`, or the `NetworkEmbedding` of a trained network."""

    @property
    def takes_faces(self) -> bool:
        """Whether it looks at each raw face, so that the unit means of tracks are not enough."""
        return self.embedding.centring is not None

    def embed_tracks(self, tracks: Sequence[npt.ArrayLike] | Floats) -> Floats:
        """Raw faces (n_i, d) of each track → (n, d') unit rows.

        The tracks' unit means (n, d) as one array will do, unless it `takes_faces`. Raises DatasetError where d is not
        the size the model was trained for.
        """
        if not len(tracks):
            return np.zeros((0, self.card.output_size))
        self._check_size(np.shape(tracks[0])[-1])
        if not isinstance(tracks, np.ndarray) or tracks.ndim != 2:
            centring = self.embedding.centring
            return self.embedding.embed(centring.track_means(list(tracks)) if centring else track_means(list(tracks)))
        if self.takes_faces:
            raise DatasetError(f"model '{self.name}' embeds tracks from their raw faces, and was given means")
        return self.embedding.embed(tracks)

    def embed_faces(self, faces: npt.ArrayLike) -> Floats:
        """Raw faces (n, d) → (n, d') unit rows: each as a track of its own. Raises as `embed_tracks` does."""
        faces = np.asarray(faces, dtype=np.float64)
        self._check_size(faces.shape[1])
        centring = self.embedding.centring
        return self.embedding.embed(l2_normalised(centring.apply(faces) if centring else faces, "faces of a track"))

    def _check_size(self, size: int) -> None:
        if size != self.card.embedding_size:
            raise DatasetError(
                f"model '{self.name}' is for {self.card.embedding_size}-d embeddings (pack {self.card.pack}) and the "
                f"dataset has {size}-d ones; harvest with that pack, or train a model on this dataset"
            )


def refuse_other_folder(folder: Path | str) -> None:
    """Raise DatasetError where a folder holds anything but a model: better before training than after it."""
    if Path(folder).exists() and not _may_replace(Path(folder)):
        raise DatasetError(f"{folder} exists and is not a model; choose another folder for the model")


def save_model(folder: Path | str, embedding: Embedding, card: ModelCard) -> None:
    """Write the model in place of an earlier one. Raises DatasetError where `folder` holds anything but a model."""
    folder = Path(folder).absolute()
    refuse_other_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
    try:
        _write(staging / "new", embedding, card)
        if folder.exists():
            os.rename(folder, staging / "old")
        os.rename(staging / "new", folder)
        _sweep(folder, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sweep(folder: Path, staging: Path) -> None:
    """Remove what saves of this model left that were killed, now that it is whole; one may be at work just now."""
    ours, begun = re.compile(rf"\.{re.escape(folder.name)}\.[a-z0-9_]{{8}}"), staging.stat().st_mtime
    for left in filter(lambda path: ours.fullmatch(path.name), folder.parent.iterdir()):
        with suppress(OSError):  # another save sweeps too
            parts = {path.name for path in left.iterdir()}
            if parts <= {"new", "old"} and begun - left.stat().st_mtime > SAVED_WITHIN_S:
                shutil.rmtree(left, ignore_errors=True)


def load_model(folder: Path | str) -> Model:
    """Read a model folder. Raises DatasetError, naming the folder, where it is none or is damaged."""
    folder = Path(folder)
    if not (folder / CARD).is_file() or not (folder / WEIGHTS).is_file():
        raise DatasetError(
            f"{folder} is not a model folder ({CARD} and {WEIGHTS} are expected); castmine train makes one"
        )
    try:
        card = ModelCard.model_validate_json((folder / CARD).read_text(encoding="utf-8"))
        if hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest() != card.weights_sha256:
            raise DatasetError(f"{folder}: {WEIGHTS} is not the file that {CARD} describes; train the model again")
        embedding = _from_tensors(load_file(folder / WEIGHTS), card)
    except (ValidationError, SafetensorError, KeyError, ValueError, RuntimeError, OSError) as error:
        raise DatasetError(f"{folder} cannot be read as a model ({error}); train the model again") from error
    return Model(name=folder.absolute().name, card=card, embedding=embedding)


def _from_tensors(tensors: dict[str, Any], card: ModelCard) -> Embedding:
    if "V" in tensors:
        return Subspace.from_tensors(tensors)
    from train.embedding import embedding_from  # torch, 2 s: only where a model is a network

    network = NetworkConfig.model_validate(card.config["network"])
    return embedding_from(tensors, network, card.embedding_size)


def _write(folder: Path, embedding: Embedding, card: ModelCard) -> None:
    folder.mkdir()
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in embedding.tensors().items()}
    save_file(tensors, folder / WEIGHTS)
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    document = card.model_copy(update={"weights_sha256": digest}).model_dump(mode="json")
    (folder / CARD).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for path in (folder / WEIGHTS, folder / CARD):
        with path.open("rb") as handle:
            os.fsync(handle.fileno())


def _may_replace(folder: Path) -> bool:
    """Whether a folder is empty or holds a model and nothing else: a pack of face models has a card.json too."""
    return folder.is_dir() and {path.name for path in folder.iterdir()} in (set(), {WEIGHTS, CARD})
