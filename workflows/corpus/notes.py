"""What each stage was made from, noted in the dataset when it was done: equal inputs need no second time."""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from harvest.dataset.commit import now
from harvest.dataset.records import file_name
from harvest.dataset.store import Store
from workflows.console import counted
from workflows.journal.records import FOLDER

STAGES_FOLDER = f"{FOLDER}/stages"
"""Where the notes lie: beside the journals, for no reader of tables looks there."""
REPORT = "report"
"""The stage whose note names a forgotten movie until its next run, which removes the movie's cast sheet by it."""


class StageNote(BaseModel):
    """How a stage ended, and from what."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    fingerprint: str
    """Of all inputs but the movies."""
    movies: dict[str, str]
    """What was taken of each movie, as a digest, by movie_id."""
    outcome: Literal["done", "refused"]
    said: str
    """What came of it. It names no movie that is not in `movies`: one that is forgotten is named nowhere."""
    made: str = ""
    """Digest of what came of it, where somebody else may change that."""
    at: str


@dataclass(frozen=True)
class Inputs:
    """What a stage would be made from now, beside the note of what it was made from: read once for a stage."""

    note: StageNote | None
    fingerprint: str
    movies: dict[str, str]

    def changes(self) -> str:
        """Why the stage is to be done again, in words; empty where nothing changed."""
        return changes(self.note, self.fingerprint, self.movies)


def digest(value: object) -> str:
    """A hash of anything that JSON can hold."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True, default=str).encode(), digest_size=12).hexdigest()


def read_note(store: Store, stage: str) -> StageNote | None:
    """The note of a stage; None where there is none that can be read: the stage is then done again."""
    try:
        return StageNote.model_validate_json(store.get(_path(stage)))
    except (FileNotFoundError, ValidationError):
        return None


def put_note(store: Store, stage: str, note: StageNote) -> None:
    """Put down how a stage ended, in place of what it said before."""
    store.put(_path(stage), note.model_copy(update={"at": now()}).model_dump_json(indent=1).encode() + b"\n")


def strike_from_notes(store: Store, movie_id: str) -> None:
    """Say of no stage any more that it was done with a movie. A note that cannot be read goes: it may name it."""
    for path in (f"{STAGES_FOLDER}/{name}" for name in store.names(STAGES_FOLDER)):
        try:
            named = movie_id in StageNote.model_validate_json(store.get(path)).movies and path != _path(REPORT)
        except FileNotFoundError:
            continue
        except ValidationError:
            named = True
        if named:
            store.delete(path)


def changes(note: StageNote | None, fingerprint: str, movies: dict[str, str]) -> str:
    """Why a stage is to be done again, in words; empty where nothing changed."""
    if note is None:
        return "not done yet"
    if note.fingerprint != fingerprint:
        return "its settings changed"
    other = sorted(movie for movie in movies.keys() | note.movies.keys() if movies.get(movie) != note.movies.get(movie))
    if not other:
        return ""
    shown = ", ".join(other[:3]) + (", …" if len(other) > 3 else "")
    return f"{counted(len(other), 'movie')} changed: {shown}"


def enough_changed(then: dict[str, str], now: dict[str, str], share: float) -> bool:
    """Whether at least this share of the movies that something was made from is new, changed or gone since."""
    other = sum(then.get(movie) != now.get(movie) for movie in then.keys() | now.keys())
    return other > 0 and other >= share * len(then)


def _path(stage: str) -> str:
    return f"{STAGES_FOLDER}/{file_name(stage)}.json"
