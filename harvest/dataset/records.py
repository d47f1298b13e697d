"""What a dataset remembers beside its shards: a commit record per movie, one per derived table, a note per failure.

Records are small JSON files and the only truth about which shards count. Their paths are made here and nowhere else.
"""

import hashlib
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from harvest.dataset.schema import SCHEMA_VERSION

HARVEST_STAGES = ("probe", "harvest", "finish")
"""Stages of a failure that are one kind of work: a harvest. Any other stage is a kind of its own."""


class Record(BaseModel):
    """What every record has: frozen, of one version, and no field that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = SCHEMA_VERSION  # type: ignore[assignment]

    def to_json(self) -> bytes:
        """As it lies in the dataset: UTF-8, a line a field."""
        return self.model_dump_json(indent=1).encode() + b"\n"


class Shard(BaseModel):
    """One Parquet file, as its record names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    rows: int
    bytes: int
    digest: str


class SourceStamp(BaseModel):
    """What tells, without reading it, that a file is the one that was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    modified: str


class MovieFacts(BaseModel):
    """What the corpus and the container say of a movie."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    title: str | None = None
    year: int | None = None
    split: str | None = None
    cast_size: int | None = None
    corpus: str | None = None
    """The corpus in which it was last seen; None: it is of none, as imported tracks are."""
    other_corpora: tuple[str, ...] = ()
    """Others that have listed it: while one of them still does, it is not gone."""
    fps: float
    frames: int
    duration_s: float
    width: int = 0
    height: int = 0
    seekable: bool = True

    @property
    def corpora(self) -> set[str]:
        """All that have listed it."""
        return {*self.other_corpora, *([self.corpus] if self.corpus else [])}


class MovieRecord(Record):
    """The commit record of a movie: its tables are what this names, whatever else lies in the dataset."""

    movie_id: str
    facts: MovieFacts
    stamp: SourceStamp
    content_hash: str
    harvest_id: str
    config_hash: str
    models: str
    models_hash: str
    embedding_size: int
    drops: dict[str, int] = {}
    shards: dict[str, Shard]
    committed_at: str

    def rows(self, table: str) -> int:
        """Rows of the movie in a harvest table."""
        return self.shards[table].rows


class DerivedRecord(Record):
    """The record of a derived table of one movie and run: valid while `harvest_id` is the movie's current one."""

    table: str
    run: str
    movie_id: str
    harvest_id: str
    shard: Shard
    notes: dict[str, Any] = {}
    """What the maker wants kept beside the rows: method, model, threshold, metrics, seconds."""
    created_at: str


class FailureRecord(Record):
    """What could not be done with a movie, one for each kind of work and run; until that succeeds or a harvest does."""

    movie_id: str
    uri: str
    stage: str
    run: str = ""
    """The clustering that failed, by the name of its run; empty: work that knows no runs."""
    error: str
    message: str
    attempts: int
    retry: str = ""
    """The command that tries it again, but for the movies; empty: the journal's."""
    at: str
    tried_with: str = ""
    """Digest of the file and the settings, where the movie itself was to blame; empty: it was not."""

    @property
    def kind(self) -> str:
        """The kind of work that failed."""
        return kind_of_work(self.stage)

    @property
    def where(self) -> str:
        """The stage and, of work that knows runs, the run: "cluster, hac-expanded"."""
        return ", ".join(filter(None, (self.stage, self.run)))


def kind_of_work(stage: str) -> str:
    """`harvest` for its stages, otherwise the stage itself: what failed in one kind hides nothing of another."""
    return "harvest" if stage in HARVEST_STAGES else stage


def file_name(name: str) -> str:
    """A movie id or run name as one safe path segment: no separator, no `.` or `..`, at most 160 bytes."""
    quoted = quote(name, safe=" ").replace("~", "%7E")  # a free ~ marks a shortened name, which no other may look like
    if quoted.startswith("."):
        quoted = "%2E" + quoted[1:]
    if len(quoted) <= 160:
        return quoted
    return quoted[:120] + "~" + hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


def movie_record_path(movie_id: str) -> str:
    """Where a movie's commit record lies, relative to the dataset."""
    return f"records/movies/{file_name(movie_id)}.json"


def derived_record_path(table: str, run: str, movie_id: str) -> str:
    """Where the record of a run, movie and derived table lies, relative to the dataset."""
    return f"records/{table}/{file_name(run)}/{file_name(movie_id)}.json"


def failure_record_path(movie_id: str, kind: str, run: str = "") -> str:
    """Of one kind of work and, where it knows runs, of one of them."""
    folder = "/".join(map(file_name, filter(None, (kind, run))))
    return f"records/failures/{folder}/{file_name(movie_id)}.json"


def shard_path(table: str, movie_id: str, name: str) -> str:
    """A hive path, `movie_id=…`, so that the shards are of use without castmine too."""
    return f"shards/{table}/movie_id={file_name(movie_id)}/{name}.parquet"


def derived_file_path(kind: str, movie_id: str, name: str) -> str:
    """Where a file of `DERIVED_FILES` lies; `name` with its ending."""
    return f"shards/{kind}/movie_id={file_name(movie_id)}/{name}"


def staging_folder(movie_id: str, harvest_id: str = "") -> str:
    """Where results of segments wait, of one harvest or of all of a movie; no reader looks here."""
    return f"_staging/{file_name(movie_id)}" + (f"/{harvest_id}" if harvest_id else "")
