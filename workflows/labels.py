"""`castmine labels import`: what a person knows of a movie, attached to its tracks, and again after a re-harvest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from harvest.dataset.commit import commit_derived, now, put_derived_record, put_derived_shard
from harvest.dataset.read import Dataset
from harvest.dataset.records import DerivedRecord, MovieRecord
from harvest.errors import DatasetError
from harvest.labels import FaceIndex, Label, attach, from_table, gather, one_identity_a_track, to_table
from workflows.label_remarks import beyond_film, doubled, nameless
from workflows.label_rows import by_track, placed_rows, read_rows

RUN = "labels"
"""The one run of the table `labels`."""


@dataclass(frozen=True)
class LabelChange:
    """How the labels of a movie stand after an import or a re-harvest."""

    movie_id: str
    attached: int
    """Labels that lie on a track."""
    lost: int
    """Labels on no track: kept, and tried again at the next harvest."""
    missed: tuple[str, ...] = ()
    """Of an import the rows that name no track: the line, what it says, and why …"""
    doubts: tuple[str, ...] = ()
    """… and the names on two tracks that are seen together, which were taken all the same."""
    replaced: int = 0
    """Earlier labels of the movie, which an import takes the place of."""
    kept: int = 0
    """Earlier labels on tracks that stay, for no row of the import is on any: none of it was taken."""
    not_carried: str = ""
    """Why the tracks of a new harvest have none of the labels, in a sentence; they stay as they are."""


def import_labels(file: Path, dataset: Dataset) -> list[LabelChange]:
    """Take labels from a CSV; those of each movie that it names replace the movie's earlier ones, if any is on a track.

    Columns: movie_id, track_id, identity; or movie_id, time_s, x1, y1, x2, y2, identity (seconds; px of the frame).
    Optional: flags, words separated by spaces. A place on no track is kept, for a later harvest may find the face; one
    beyond the film is not.

    Raises:
        CorpusError: not such a file. DatasetError: a movie or a track that the dataset has not.
    """
    by_movie = read_rows(file)
    for movie_id, rows in by_movie.items():
        if dataset.record(movie_id) is None:
            known = ", ".join(movie.movie_id for movie in dataset.records()[:10]) or "none"
            where = f"{file}: line {rows[0][0]}"
            raise DatasetError(f"{where}: movie {movie_id!r} is not in the dataset (it has: {known}); harvest it first")
    found = []
    for movie_id, rows in sorted(by_movie.items()):
        movie = dataset.movie(movie_id)
        index = _index(dataset, movie)
        placed = placed_rows(rows, movie, index, file)
        kept = [row.label for row in placed if not beyond_film(row, movie)]
        labels = (one_identity_a_track if by_track(rows) else gather)(kept)
        missed = nameless(placed, labels, movie, index)
        doubts = doubled(placed, labels, dataset.read_shard(movie.shards["links"]), movie)
        found.append((movie, labels, missed, doubts))
    return [  # all of the file is right, or none counts
        replace(_replace_labels(dataset, movie, labels), missed=missed, doubts=doubts)
        for movie, labels, missed, doubts in found
    ]


def _replace_labels(dataset: Dataset, movie: MovieRecord, labels: Sequence[Label]) -> LabelChange:
    """Write a movie's labels in place of the earlier ones; where none is on a track, those that are on some stay."""
    earlier = dataset.derived_record(RUN, RUN, movie.movie_id)
    if earlier and not any(label.track_id is not None for label in labels):
        tracks = dataset.read_shard(earlier.shard, ["track_id"])["track_id"]
        if on_tracks := len(tracks) - tracks.null_count:
            return LabelChange(movie.movie_id, 0, 0, kept=on_tracks)
    replaced = earlier.shard.rows if earlier and earlier.harvest_id == movie.harvest_id else 0
    return replace(put_labels(dataset, movie, labels), replaced=replaced)


def attach_labels(dataset: Dataset) -> list[LabelChange]:
    """Carry labels over to the current harvest of every movie that was harvested since they were attached.

    What goes wrong with one movie is in its change, and the others' are carried over. Labels imported meanwhile stay.
    Raises DatasetError where the records cannot be read.
    """
    current = {record.movie_id: record for record in dataset.records()}
    changes = []
    for record in dataset.derived_records(RUN):
        movie = current.get(record.movie_id)
        if movie and movie.harvest_id != record.harvest_id:
            try:
                changes += _carried_over(dataset, movie, record)
            except DatasetError as error:
                said = f"labels of {record.movie_id} are not on its new tracks: {error}"
                changes.append(LabelChange(record.movie_id, 0, 0, not_carried=said))
    return changes


def _carried_over(dataset: Dataset, movie: MovieRecord, record: DerivedRecord | None) -> list[LabelChange]:
    """Attach the labels of a record to a movie's new tracks, or those of an import that has replaced it meanwhile.

    Indexing the faces of a film takes seconds, and an import waits for nobody. No change where there is nothing (more)
    to carry over.
    """
    index = _index(dataset, movie)
    while record and record.harvest_id != movie.harvest_id:
        labels = attach(from_table(dataset.read_shard(record.shard)), index)
        table = to_table(movie.movie_id, labels)
        shard = put_derived_shard(dataset.store, RUN, RUN, movie.movie_id, movie.harvest_id, table)
        latest = dataset.derived_record(RUN, RUN, movie.movie_id)
        if latest == record:
            attached = {"harvest_id": movie.harvest_id, "shard": shard, "created_at": now()}
            put_derived_record(dataset.store, record.model_copy(update=attached))
            return [_change(movie, labels)]
        record = latest
    return []


def put_labels(dataset: Dataset, movie: MovieRecord, labels: Sequence[Label]) -> LabelChange:
    """Write a movie's labels as attached to its current harvest."""
    table = to_table(movie.movie_id, labels)
    commit_derived(dataset.store, RUN, RUN, movie.movie_id, movie.harvest_id, table)
    return _change(movie, labels)


def _change(movie: MovieRecord, labels: Sequence[Label]) -> LabelChange:
    attached = sum(label.track_id is not None for label in labels)
    return LabelChange(movie.movie_id, attached, len(labels) - attached)


def identities(dataset: Dataset, movie_id: str) -> dict[int, str]:
    """Identity by track_id, where a person named it."""
    return identities_in(dataset.derived(RUN, RUN, movie_id))


def labels_of(dataset: Dataset, movie: MovieRecord) -> pa.Table | None:
    """The `labels` on the tracks of just this harvest of a movie, whatever is committed meanwhile; None: none."""
    record = dataset.derived_record(RUN, RUN, movie.movie_id)
    return dataset.read_shard(record.shard) if record and record.harvest_id == movie.harvest_id else None


def identities_in(labels: pa.Table | None) -> dict[int, str]:
    """Identity by track_id in a movie's `labels`."""
    rows = labels.select(["track_id", "identity"]).to_pylist() if labels else []
    return {row["track_id"]: row["identity"] for row in rows if row["track_id"] is not None}


def flags_in(labels: pa.Table | None) -> dict[int, tuple[str, ...]]:
    """The flags, such as glasses, by track_id, where a label has any."""
    found = from_table(labels) if labels else []
    return {label.track_id: label.flags for label in found if label.track_id is not None and label.flags}


def _index(dataset: Dataset, movie: MovieRecord) -> FaceIndex:
    faces = dataset.read_shard(movie.shards["faces"], ["track_id", "time_s", "x1", "y1", "x2", "y2"])
    return FaceIndex(faces, movie.facts.width, movie.facts.height, movie.facts.fps)
