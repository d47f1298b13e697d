"""The training stage: learn again where the movies to learn from, or how to, have changed; a refusal is remembered."""

import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harvest.dataset.read import Dataset
from harvest.errors import CastmineError, OtherTrainingError, TooLittleDataError
from train.presets import RECIPES, filled, recipe
from train.split import split_movies
from workflows.config import Config
from workflows.console import counted
from workflows.corpus.notes import Inputs, StageNote, digest, enough_changed, put_note, read_note
from workflows.corpus.outcome import StageOutcome
from workflows.corpus.packs import left_out, of_pack
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
    pack, others = session.pack.hash, left_out(dataset, session.pack.hash)
    inputs = _inputs(dataset, config, pack)
    earlier, reason = inputs.note, _reason(inputs, places, config.corpus.renew_share)
    if earlier and not reason and not session.force:
        since = inputs.changes()
        said = earlier.said + others + (f"; kept, {since} since" if since else "")
        return StageOutcome(STAGE, "unchanged" if earlier.outcome == "done" else "refused", said)
    session.start_ray()
    try:
        card = _learn(session, method, places.model)
    except TooLittleDataError as error:
        _note(session, inputs, "refused", str(error))
        return StageOutcome(STAGE, "refused", f"{error}{others}", time.monotonic() - began)
    except CastmineError as error:
        return StageOutcome(STAGE, "failed", f"{error}; {_used(session)}", time.monotonic() - began)
    said = f"{card.method} from {card.fitted_tracks} tracks of {counted(len(card.fitted_movies), 'movie')}"
    _note(session, inputs, "done", said, weights_digest(places))
    figures = {"model": str(places.model), "card": card.model_dump(mode="json", exclude={"config", "curve"})}
    done = f"{said}{others} ({reason or 'forced'})"
    return StageOutcome(STAGE, "done", done, time.monotonic() - began, figures=figures)


def _learn(session: Session, method: str, folder: Path) -> "ModelCard":
    """Train, going on from where Ctrl-C stopped a training of just these movies and settings."""
    from workflows.train.run import train

    root, config, address, pack = session.dataset.root, session.config, session.address, session.pack.hash
    try:
        return train(root, method, folder, config, address, resume=True, models_hash=pack).card
    except OtherTrainingError:
        return train(root, method, folder, config, address, models_hash=pack).card


def why(dataset: Dataset, places: Places, config: Config, pack: str) -> str:
    """Why to train, in words; empty where the model, or the refusal, is of these settings and nearly these movies.

    `pack`: hash of the face models of the run; movies harvested with others are not learned from.
    """
    return _reason(_inputs(dataset, config, pack), places, config.corpus.renew_share)


def _reason(inputs: Inputs, places: Places, share: float) -> str:
    note, changed = inputs.note, inputs.changes()
    if note and note.fingerprint == inputs.fingerprint and not enough_changed(note.movies, inputs.movies, share):
        changed = ""
    if not changed and note and note.outcome == "done" and note.made != weights_digest(places):
        return f"{places.model} is not the model that was made"
    return changed


def model_folder(dataset: Dataset, places: Places, config: Config, pack: str) -> str | None:
    """The model to cluster with: that of the last training, unless it was refused or was of another pack; without
    training, what is named."""
    if places.model is None:
        return None
    if config.corpus.train is None:
        return str(places.model)
    note = read_note(dataset.store, STAGE)
    current = note and note.outcome == "done" and note.made == weights_digest(places)
    # with --only, a model of other settings must not pass for the new one
    usable = current and note and note.fingerprint == _fingerprint(config, pack)
    return str(places.model) if usable else None


def weights_digest(places: Places) -> str:
    """SHA-256 of the model's weights, as its card says; empty where there is no model."""
    from train.registry import CARD

    try:
        card = json.loads((places.model / CARD).read_text(encoding="utf-8")) if places.model else {}
    except (OSError, ValueError):
        return ""
    return str(card.get("weights_sha256", ""))


def _inputs(dataset: Dataset, config: Config, pack: str) -> Inputs:
    return Inputs(read_note(dataset.store, STAGE), _fingerprint(config, pack), _taken(dataset, config, pack))


def _fingerprint(config: Config, pack: str) -> str:
    return digest([config.corpus.train, pack, _settings(config), version("castmine")])


def _settings(config: Config) -> dict[str, Any]:
    """With what a preset fills in."""
    method = config.corpus.train
    chosen = filled(recipe(method), config.train) if method in RECIPES else config.train
    return chosen.model_dump(mode="json")


def _taken(dataset: Dataset, config: Config, pack: str) -> dict[str, str]:
    """Of every movie that is learned from or checked on: its harvest, its side, and its labels where those are used."""
    records, method = of_pack(dataset, pack), config.corpus.train
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


def _note(session: Session, inputs: Inputs, outcome: Any, said: str, made: str = "") -> None:
    """`inputs`: as they were before the training."""
    taken = {"fingerprint": inputs.fingerprint, "movies": inputs.movies}
    put_note(session.dataset.store, STAGE, StageNote(**taken, outcome=outcome, said=said, made=made, at=""))


def _used(session: Session) -> str:
    model = model_folder(session.dataset, session.places, session.config, session.pack.hash)
    return f"clustering by {model}" if model else "clustering as the pack embeds"
