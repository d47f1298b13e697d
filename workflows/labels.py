"""`castmine labels import`: what a person knows of a movie, attached to its tracks, and again after a re-harvest."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from harvest.dataset.commit import commit_derived
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.errors import CorpusError, DatasetError
from harvest.labels import Anchor, FaceIndex, Label, attach, from_table, gather, one_identity_a_track, to_table

RUN = "labels"
"""The one run of the table `labels`."""

BY_TRACK = ("movie_id", "track_id", "identity")
BY_PLACE = ("movie_id", "time_s", "x1", "y1", "x2", "y2", "identity")


@dataclass(frozen=True)
class LabelChange:
    """How the labels of a movie stand after an import or a re-harvest."""

    movie_id: str
    attached: int
    """Labels that lie on a track."""
    lost: int
    """Labels on no track: kept, and tried again at the next harvest."""


def import_labels(file: Path, dataset: Dataset) -> list[LabelChange]:
    """Take labels from a CSV; those of each movie that it names replace the movie's earlier ones.

    Columns: movie_id, track_id, identity; or movie_id, time_s, x1, y1, x2, y2, identity (seconds; px of the frame).
    Optional: flags, words separated by spaces.

    Raises:
        CorpusError: not such a file. DatasetError: a movie or a track that the dataset has not.
    """
    by_movie: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _read(file):
        by_movie[str(row["movie_id"])].append(row)
    records = {movie_id: dataset.record(movie_id) for movie_id in by_movie}
    unknown = [movie_id for movie_id, record in records.items() if record is None]
    if unknown:
        known = ", ".join(record.movie_id for record in dataset.records()[:10]) or "none"
        raise DatasetError(f"{file}: movie {unknown[0]!r} is not in the dataset (it has: {known}); harvest it first")
    found = []
    for movie_id, rows in sorted(by_movie.items()):
        record = records[movie_id]
        assert record is not None
        labels = (_from_tracks if "track_id" in rows[0] else _from_places)(rows, record, _index(dataset, record), file)
        found.append((record, labels))
    return [put_labels(dataset, record, labels) for record, labels in found]  # all of the file is right, or none counts


def attach_labels(dataset: Dataset) -> list[LabelChange]:
    """Carry labels over to the current harvest of every movie that was harvested since they were attached."""
    current = {record.movie_id: record for record in dataset.records()}
    changes = []
    for record in dataset.derived_records(RUN):
        movie = current.get(record.movie_id)
        if movie and movie.harvest_id != record.harvest_id:
            labels = attach(from_table(dataset.read_shard(record.shard)), _index(dataset, movie))
            changes.append(put_labels(dataset, movie, labels))
    return changes


def put_labels(dataset: Dataset, movie: MovieRecord, labels: Sequence[Label]) -> LabelChange:
    """Write a movie's labels as attached to its current harvest."""
    table = to_table(movie.movie_id, labels)
    commit_derived(dataset.store, RUN, RUN, movie.movie_id, movie.harvest_id, table)
    attached = sum(label.track_id is not None for label in labels)
    return LabelChange(movie.movie_id, attached, len(labels) - attached)


def identities(dataset: Dataset, movie_id: str) -> dict[int, str]:
    """Identity by track_id, where a person named it."""
    table = dataset.derived(RUN, RUN, movie_id)
    labels = from_table(table) if table is not None else []
    return {label.track_id: label.identity for label in labels if label.track_id is not None}


def flags_by_track(dataset: Dataset, movie_id: str) -> dict[int, tuple[str, ...]]:
    """The flags, such as glasses, by track_id, where a label has any."""
    table = dataset.derived(RUN, RUN, movie_id)
    labels = from_table(table) if table is not None else []
    return {label.track_id: label.flags for label in labels if label.track_id is not None and label.flags}


def _read(file: Path) -> list[dict[str, Any]]:
    text = pa.csv.ConvertOptions(column_types={"movie_id": pa.string(), "identity": pa.string(), "flags": pa.string()})
    try:
        rows: list[dict[str, Any]] = pa.csv.read_csv(file, convert_options=text).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise CorpusError(f"{file}: cannot be read as a CSV of labels ({error})") from error
    columns = set(rows[0]) if rows else set()
    if not any(columns.issuperset(wanted) for wanted in (BY_TRACK, BY_PLACE)):
        raise CorpusError(f"{file}: needs rows with the columns {', '.join(BY_TRACK)}, or {', '.join(BY_PLACE)}")
    for number, row in enumerate(rows, start=2):
        if not row["identity"] or not row["movie_id"]:
            raise CorpusError(f"{file}: line {number} is without an identity or a movie_id")
        if "track_id" not in columns and not all(isinstance(row[name], int | float) for name in BY_PLACE[1:-1]):
            raise CorpusError(f"{file}: line {number}: {', '.join(BY_PLACE[1:-1])} must be numbers (seconds; px)")
    return rows


def _from_tracks(rows: list[dict[str, Any]], movie: MovieRecord, index: FaceIndex, file: Path) -> list[Label]:
    tracks = movie.rows("tracks")
    labels = []
    for row in rows:
        if not isinstance(row["track_id"], int) or not index.has_track(row["track_id"]):
            raise DatasetError(f"{file}: {movie.movie_id!r} has no track {row['track_id']!r} (it has {tracks} tracks)")
        anchors = index.anchors_of(row["track_id"])
        labels.append(Label(row["identity"], anchors, _flags(row), row["track_id"]))
    return one_identity_a_track(labels)


def _from_places(rows: list[dict[str, Any]], movie: MovieRecord, index: FaceIndex, file: Path) -> list[Label]:
    width, height = movie.facts.width, movie.facts.height
    if not width:
        raise DatasetError(f"{file}: {movie.movie_id!r} was imported without frames; label its tracks by track_id")
    placed = []
    for row in rows:
        sides = (row["x1"] / width, row["y1"] / height, row["x2"] / width, row["y2"] / height)
        placed.append((row["identity"], Anchor(float(row["time_s"]), *sides)))
    return gather(placed, index)


def _flags(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple((row.get("flags") or "").split())


def _index(dataset: Dataset, movie: MovieRecord) -> FaceIndex:
    faces = dataset.read_shard(movie.shards["faces"], ["track_id", "time_s", "x1", "y1", "x2", "y2"])
    return FaceIndex(faces, movie.facts.width, movie.facts.height, movie.facts.fps)
