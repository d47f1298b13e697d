"""The training stage: learn again where the movies to learn from, or how to, have changed; a refusal is remembered."""

import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harvest.dataset.read import Dataset
from harvest.errors import CastmineError, ConfigError, TooLittleDataError
from train.presets import RECIPES, filled, recipe
from train.split import split_movies
from workflows.config import Config
from workflows.corpus.notes import StageNote, changes, digest, put_note, read_note
from workflows.corpus.outcome import StageOutcome
from workflows.corpus.places import Places
from workflows.corpus.session import Session
from workflows.labels import RUN as LABELS

if TYPE_CHECKING:  # planning must not load scipy
    from train.registry import ModelCard

STAGE = "train"


def train_stage(session: Session) -> StageOutcome:
    """Bring the model up to date. What goes wrong is in the outcome, and clustering goes on without a new model."""
    began, dataset, places, config = time.monotonic(), session.dataset, session.places, session.config
    method = config.corpus.train
    if method is None or places.model is None:
        return StageOutcome(STAGE, "left out", f"corpus.train is null; {_used(session)}")
    earlier, reason = read_note(dataset.store, STAGE), why(dataset, places, config)
    if earlier and not reason and not session.force:
        return StageOutcome(STAGE, "unchanged" if earlier.outcome == "done" else "refused", earlier.said)
    session.start_ray()
    try:
        card = _learn(session, method, places.model)
    except TooLittleDataError as error:
        _note(session, "refused", f"{error}; going on with the pack itself")
        return StageOutcome(STAGE, "refused", f"{error}; going on with the pack itself", time.monotonic() - began)
    except CastmineError as error:
        return StageOutcome(STAGE, "failed", f"{error}; {_used(session)}", time.monotonic() - began)
    said = f"{card.method} from {card.train_tracks} tracks of {len(card.train_movies)} movies"
    _note(session, "done", said, weights_digest(places))
    figures = {"model": str(places.model), "card": card.model_dump(mode="json", exclude={"config", "curve"})}
    return StageOutcome(STAGE, "done", f"{said} ({reason or 'forced'})", time.monotonic() - began, figures=figures)


def _learn(session: Session, method: str, folder: Path) -> "ModelCard":
    """Train, going on from where Ctrl-C stopped a training of just these movies and settings."""
    from workflows.train.run import train

    root, config, address = session.dataset.root, session.config, session.address
    try:
        return train(root, method, folder, config, address, resume=True).card
    except ConfigError:  # what was stopped was another training; or the config is wrong, and that is raised once more
        return train(root, method, folder, config, address).card


def why(dataset: Dataset, places: Places, config: Config) -> str:
    """Why to train, in words; empty where the model, or the refusal, is of just these movies and settings."""
    note = read_note(dataset.store, STAGE)
    changed = changes(note, _fingerprint(config), _taken(dataset, config))
    if not changed and note and note.outcome == "done" and note.made != weights_digest(places):
        return f"{places.model} is not the model that was made"
    return changed


def model_folder(dataset: Dataset, places: Places, config: Config) -> str | None:
    """The model to cluster with: that of the last training, unless it was refused; without training, what is named."""
    if places.model is None:
        return None
    if config.corpus.train is None:
        return str(places.model)
    note = read_note(dataset.store, STAGE)
    usable = note and note.outcome == "done" and note.made == weights_digest(places) and not _outdated(note, config)
    return str(places.model) if usable else None


def weights_digest(places: Places) -> str:
    """SHA-256 of the model's weights, as its card says; empty where there is no model."""
    from train.registry import CARD

    try:
        card = json.loads((places.model / CARD).read_text(encoding="utf-8")) if places.model else {}
    except (OSError, ValueError):
        return ""
    return str(card.get("weights_sha256", ""))


def _outdated(note: StageNote, config: Config) -> bool:
    """Whether the settings have changed since: with --only, an older model must not pass for the new one."""
    return note.fingerprint != _fingerprint(config)


def _fingerprint(config: Config) -> str:
    return digest([config.corpus.train, _settings(config), version("castmine")])


def _settings(config: Config) -> dict[str, Any]:
    """With what a preset fills in."""
    method = config.corpus.train
    chosen = filled(recipe(method), config.train) if method in RECIPES else config.train
    return chosen.model_dump(mode="json")


def _taken(dataset: Dataset, config: Config) -> dict[str, str]:
    """Of every movie that is learned from or checked on: its harvest, its side, and its labels where those are used."""
    records, method = dataset.records(), config.corpus.train
    split = split_movies({record.movie_id: record.facts.split for record in records}, config.train.split)
    learns_names = method in RECIPES and recipe(method).identities
    named = dataset.derived_records("labels", LABELS) if learns_names else []
    labels = {record.movie_id: record.shard.digest for record in named}
    harvests = {record.movie_id: record.harvest_id for record in records}
    sides = {"train": split.train, "validation": split.validation}
    return {
        movie: " ".join((harvests[movie], side, labels.get(movie, ""))).strip()
        for side, movies in sides.items()
        for movie in movies
    }


def _note(session: Session, outcome: Any, said: str, made: str = "") -> None:
    taken = _taken(session.dataset, session.config)
    fingerprint = _fingerprint(session.config)
    note = StageNote(fingerprint=fingerprint, movies=taken, outcome=outcome, said=said, made=made, at="")
    put_note(session.dataset.store, STAGE, note)


def _used(session: Session) -> str:
    model = model_folder(session.dataset, session.places, session.config)
    return f"clustering by {model}" if model else "clustering as the pack embeds"
