"""The CSV of labels, row by row: what each says of which track, and where it cannot be used."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from harvest.dataset.records import MovieRecord
from harvest.errors import CorpusError, DatasetError
from harvest.labels import Anchor, FaceIndex, Label

BY_TRACK = ("movie_id", "track_id", "identity")
BY_PLACE = ("movie_id", "time_s", "x1", "y1", "x2", "y2", "identity")
_NEEDED = f"a CSV of labels needs rows with the columns {', '.join(BY_TRACK)}, or {', '.join(BY_PLACE)}"

Rows = Sequence[tuple[int, dict[str, Any]]]
"""Of one movie, each with its line in the file."""


@dataclass(frozen=True)
class LabelRow:
    """A row as it stands alone."""

    line: int
    where: str
    """The track or place that it names, in words."""
    label: Label
    """On the track that is there."""


def read_rows(file: Path) -> dict[str, Rows]:
    """The rows by movie_id. Raises CorpusError where the file is no CSV of labels."""
    text = pa.csv.ConvertOptions(column_types={"movie_id": pa.string(), "identity": pa.string(), "flags": pa.string()})
    try:
        rows: list[dict[str, Any]] = pa.csv.read_csv(file, convert_options=text).to_pylist()
        with file.open(newline="", encoding="utf-8") as opened:
            reader = csv.reader(opened)
            lines = [reader.line_num for row in reader if row]  # Arrow skips empty lines too, and numbers none
    except FileNotFoundError as error:
        raise CorpusError(f"{file}: no such file; {_NEEDED}") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise CorpusError(f"{file}: cannot be read as a CSV of labels ({error})") from error
    columns = set(rows[0]) if rows else set()
    if not any(columns.issuperset(wanted) for wanted in (BY_TRACK, BY_PLACE)):
        raise CorpusError(f"{file}: {_NEEDED}")
    by_movie: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for line, row in zip(lines[1:], rows, strict=True):
        if not row["identity"] or not row["movie_id"]:
            raise CorpusError(f"{file}: line {line} is without an identity or a movie_id")
        if "track_id" not in columns and not all(isinstance(row[name], int | float) for name in BY_PLACE[1:-1]):
            raise CorpusError(f"{file}: line {line}: {', '.join(BY_PLACE[1:-1])} must be numbers (seconds; px)")
        by_movie[row["movie_id"]].append((line, row))
    return dict(by_movie)


def by_track(rows: Rows) -> bool:
    """Whether the rows name their tracks by number, not by place."""
    return "track_id" in rows[0][1]


def placed_rows(rows: Rows, movie: MovieRecord, index: FaceIndex, file: Path) -> list[LabelRow]:
    """Each row with its track. Raises DatasetError on a number that no track has, and on places in a movie without
    frames."""
    return [(_of_track if by_track(rows) else _of_place)(line, row, movie, index, file) for line, row in rows]


def _of_track(line: int, row: dict[str, Any], movie: MovieRecord, index: FaceIndex, file: Path) -> LabelRow:
    track = row["track_id"]
    if not isinstance(track, int) or not index.has_track(track):
        known = f"{movie.movie_id!r} has no track {track!r} (it has {movie.rows('tracks')} tracks)"
        raise DatasetError(f"{file}: line {line}: {known}")
    return LabelRow(line, f"track {track}", Label(row["identity"], index.anchors_of(track), _flags(row), track))


def _of_place(line: int, row: dict[str, Any], movie: MovieRecord, index: FaceIndex, file: Path) -> LabelRow:
    width, height = movie.facts.width, movie.facts.height
    if not width:
        raise DatasetError(f"{file}: {movie.movie_id!r} was imported without frames; label its tracks by track_id")
    sides = (row["x1"] / width, row["y1"] / height, row["x2"] / width, row["y2"] / height)
    anchor = Anchor(float(row["time_s"]), *sides)
    time_s, *box = (f"{row[name]:.10g}" for name in BY_PLACE[1:-1])
    return LabelRow(
        line, f"{time_s} s, box {' '.join(box)}", Label(row["identity"], (anchor,), _flags(row), index.track_at(anchor))
    )


def _flags(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple((row.get("flags") or "").split())
