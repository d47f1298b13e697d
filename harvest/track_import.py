"""Precomputed tracks in a Parquet file: a row a track, with the embeddings of its faces."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvest.errors import CorpusError
from harvest.imported import FPS, ImportedMovie, TrackRows, imported_movie

NUMBERS = ("track_id", "shot_id", "start_frame", "end_frame")
REQUIRED = ("movie_id", *NUMBERS, "embeddings")
_NEEDED = f"it needs a row a track with the columns {', '.join(REQUIRED)}"


def read_tracks(path: Path) -> Iterator[ImportedMovie]:
    """Movies of a Parquet file with a row per track.

    Columns: movie_id, track_id (unique in its movie), shot_id, start_frame, end_frame (exclusive), embeddings (a list
    of face embeddings, each of the same length, raw network output); optional identity and fps. Tracks of one shot
    whose frames overlap are cannot-link.

    Raises:
        CorpusError: not such a file; the row, or the movie and the track, is named.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise CorpusError(f"{path}: no such file; {_NEEDED}") from error
    except (pa.ArrowInvalid, OSError) as error:
        first = " ".join(str(error).split()).partition(". ")[0]  # Arrow adds three sentences on dictionaries and ORC
        raise CorpusError(f"{path}: cannot be read as a Parquet file of tracks ({first}); {_NEEDED}") from error
    missing = [column for column in REQUIRED if column not in table.column_names]
    if missing:
        raise CorpusError(f"{path}: has no column {', '.join(missing)}; {_NEEDED}")
    if any(movie_id in (None, "") for movie_id in pc.unique(table["movie_id"]).to_pylist()):
        raise CorpusError(f"{path}: a row without movie_id")
    _check_types(table, path)
    for movie_id in sorted(pc.unique(table["movie_id"]).to_pylist()):
        rows = table.filter(pc.equal(table["movie_id"], movie_id)).sort_by("track_id")
        yield _movie(str(movie_id), rows, path)


def _movie(movie_id: str, rows: pa.Table, path: Path) -> ImportedMovie:
    where = f"{path}: movie {movie_id!r}"
    _check_rows(rows, where)
    ids, shots, starts, ends = (rows[name].to_numpy().astype(np.int64) for name in NUMBERS)
    fps = float(rows["fps"][0].as_py()) if "fps" in rows.column_names else FPS
    faces = [_embeddings(row) for row in rows["embeddings"]]
    names = rows["identity"].to_pylist() if "identity" in rows.column_names else [None] * len(ids)
    identities = {int(track): str(name) for track, name in zip(ids, names, strict=True) if name is not None}
    return imported_movie(movie_id, TrackRows(ids, shots, starts, ends, faces, fps), identities, _hash(rows), where)


def _check_types(table: pa.Table, path: Path) -> None:
    """Raise CorpusError at the first row of which a number is none that the tables can hold."""
    for name in NUMBERS:
        whole = "must be a whole number from -2147483648 to 2147483647; number the file's anew"
        _refuse(table[name], _is_whole, f"{path}, column {name}", whole)
    if "fps" in table.column_names:
        _refuse(table["fps"], _is_rate, f"{path}, column fps", f"must be over 0; leave the column out for {FPS:g}")
    kind, depth = table.schema.field("embeddings").type, 0
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    if depth != 2 or not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        held = table.schema.field("embeddings").type
        raise CorpusError(
            f"{path}, column embeddings: a row must be a list of faces, each a list of numbers (is {held})"
        )


def _refuse(column: pa.ChunkedArray, good: Callable[[pa.ChunkedArray], bool], where: str, must: str) -> None:
    """Raise CorpusError at the first row that is not good."""
    if len(column) and not good(column):
        row = next(row for row in range(len(column)) if not good(column[row : row + 1]))
        raise CorpusError(f"{where}, row {row + 1}: {must} (has {column[row].as_py()!r})")


def _is_whole(column: pa.ChunkedArray) -> bool:
    """Whether all values fit 32 bits as they are; absent ones are told of their movie."""
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_null(column.type)):
        return False
    try:
        column.cast(pa.int32())
    except pa.ArrowInvalid:
        return False
    return True


def _is_rate(column: pa.ChunkedArray) -> bool:
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)) or column.null_count:
        return False
    rates = column.to_numpy()
    return bool((np.isfinite(rates) & (rates > 0)).all())


def _check_rows(rows: pa.Table, where: str) -> None:
    empty = [name for name in NUMBERS if rows[name].null_count]
    if empty:
        raise CorpusError(f"{where} has a row without {empty[0]}")
    ids = rows["track_id"].to_pylist()
    if len(set(ids)) < len(ids):
        raise CorpusError(f"{where} has two tracks with one track_id")
    for id_, start, end in zip(ids, rows["start_frame"].to_pylist(), rows["end_frame"].to_pylist(), strict=True):
        if not 0 <= start < end:
            raise CorpusError(
                f"{where}, track {id_}: end_frame must be after start_frame, both from 0 (has {start}, {end})"
            )


def _embeddings(row: pa.Scalar) -> np.ndarray:
    """The faces of a track; an array of no faces where the lists are of different lengths."""
    lists = row.as_py() or []
    return np.array(lists, np.float32) if len({len(each or []) for each in lists}) == 1 else np.zeros(0, np.float32)


def _hash(rows: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return hashlib.blake2b(sink.getvalue(), digest_size=16).hexdigest()
