"""Precomputed tracks as a movie of a dataset: embeddings that somebody else has harvested."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvest.dataset.schema import SCHEMAS
from harvest.errors import CorpusError
from harvest.tracks import mean_embedding

REQUIRED = ("movie_id", "track_id", "shot_id", "start_frame", "end_frame", "embeddings")
FPS = 24.0
"""Assumed where the file has no column `fps` †."""


@dataclass(frozen=True)
class ImportedMovie:
    """The tables of one movie, the file's track ids kept."""

    movie_id: str
    fps: float
    frames: int
    content_hash: str
    embedding_size: int
    tables: dict[str, pa.Table]
    identities: dict[int, str]
    """By track_id, where the file has a column `identity`."""


def read_tracks(path: Path) -> Iterator[ImportedMovie]:
    """Movies of a Parquet file with a row per track.

    Columns: movie_id, track_id (unique in its movie), shot_id, start_frame, end_frame (exclusive), embeddings (a list
    of face embeddings, each of the same length, raw network output); optional identity and fps. Tracks of one shot
    whose frames overlap are cannot-link.

    Raises:
        CorpusError: not such a file; the movie and the row are named.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorpusError(f"{path}: cannot be read as a Parquet file of tracks ({error})") from error
    missing = [column for column in REQUIRED if column not in table.column_names]
    if missing:
        raise CorpusError(f"{path}: has no column {', '.join(missing)}; it needs {', '.join(REQUIRED)}")
    if any(movie_id in (None, "") for movie_id in pc.unique(table["movie_id"]).to_pylist()):
        raise CorpusError(f"{path}: a row without movie_id")
    for movie_id in sorted(pc.unique(table["movie_id"]).to_pylist()):
        rows = table.filter(pc.equal(table["movie_id"], movie_id)).sort_by("track_id")
        yield _movie(str(movie_id), rows, path)


def _movie(movie_id: str, rows: pa.Table, path: Path) -> ImportedMovie:
    fps = float(rows["fps"][0].as_py()) if "fps" in rows.column_names else FPS
    ids = rows["track_id"].to_pylist()
    _check_rows(rows, f"{path}: movie {movie_id!r}")
    faces = [
        _embeddings(row, f"{path}: movie {movie_id!r}, track {id_}")
        for id_, row in zip(ids, rows["embeddings"], strict=True)
    ]
    size = faces[0].shape[1]
    if any(track.shape[1] != size for track in faces):
        raise CorpusError(f"{path}: movie {movie_id!r} has embeddings of different lengths")
    pairs = _linked(rows)
    tables = {
        "shots": _shots(movie_id, rows, fps),
        "tracks": _tracks(movie_id, rows, faces, pairs, fps),
        "faces": _faces(movie_id, rows, faces, fps),
        "links": pa.Table.from_pylist([{"movie_id": movie_id, **pair} for pair in pairs], schema=SCHEMAS["links"]),
    }
    identities = rows["identity"].to_pylist() if "identity" in rows.column_names else [None] * len(ids)
    return ImportedMovie(
        movie_id,
        fps,
        int(pc.max(rows["end_frame"]).as_py()),
        _hash(rows),
        size,
        tables,
        {track: who for track, who in zip(ids, identities, strict=True) if who is not None},
    )


def _check_rows(rows: pa.Table, where: str) -> None:
    empty = [name for name in REQUIRED[:-1] if rows[name].null_count]
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


def _embeddings(row: pa.Scalar, where: str) -> np.ndarray:
    lists = row.as_py() or []
    faces = np.array(lists, np.float32) if len({len(each or []) for each in lists}) == 1 else np.zeros(0)
    if faces.ndim != 2 or not faces.size or not np.isfinite(faces).all() or not faces.any(axis=1).all():
        raise CorpusError(
            f"{where}: embeddings must be one or more lists of numbers of one length, none NaN or all zero"
        )
    return faces


def _linked(rows: pa.Table) -> list[dict[str, int]]:
    """Cannot-link pairs: tracks of one shot with overlapping [start_frame, end_frame)."""
    columns = (rows[name].to_pylist() for name in ("track_id", "shot_id", "start_frame", "end_frame"))
    by_shot: dict[int, list[tuple[int, int, int]]] = {}
    for track, shot, start, end in zip(*columns, strict=True):
        by_shot.setdefault(shot, []).append((track, start, end))
    pairs = []
    for tracks in by_shot.values():
        for (a, start_a, end_a), (b, start_b, end_b) in combinations(tracks, 2):
            first, last = max(start_a, start_b), min(end_a, end_b)
            if first < last:
                pair = {"track_a": a, "track_b": b, "frames_together": last - first}
                pairs.append(pair | {"first_frame": first, "last_frame": last - 1})
    return pairs


def _shots(movie_id: str, rows: pa.Table, fps: float) -> pa.Table:
    spans = rows.group_by("shot_id").aggregate([("start_frame", "min"), ("end_frame", "max")]).sort_by("shot_id")
    start, end = spans["start_frame_min"].to_numpy(), spans["end_frame_max"].to_numpy()
    return _table("shots", len(spans), {
        "movie_id": [movie_id] * len(spans), "shot_id": spans["shot_id"], "start_frame": start, "end_frame": end,
        "start_s": start / fps, "end_s": end / fps, "begins": ["cut"] * len(spans), "settled_frame": start,
    })  # fmt: skip


def _tracks(
    movie_id: str, rows: pa.Table, faces: list[np.ndarray], pairs: list[dict[str, int]], fps: float
) -> pa.Table:
    ids = rows["track_id"].to_pylist()
    partners = dict.fromkeys(ids, 0)
    for pair in pairs:
        partners[pair["track_a"]] += 1
        partners[pair["track_b"]] += 1
    start, end = rows["start_frame"].to_numpy(), rows["end_frame"].to_numpy()
    return _table("tracks", len(ids), {
        "movie_id": [movie_id] * len(ids), "track_id": ids, "shot_id": rows["shot_id"], "start_frame": start,
        "end_frame": end, "start_s": start / fps, "end_s": end / fps, "faces": [len(track) for track in faces],
        "cannot_links": list(partners.values()), "embedding": [mean_embedding(track) for track in faces],
    })  # fmt: skip


def _faces(movie_id: str, rows: pa.Table, faces: list[np.ndarray], fps: float) -> pa.Table:
    counts = [len(track) for track in faces]
    spans = zip(rows["start_frame"].to_pylist(), rows["end_frame"].to_pylist(), counts, strict=True)
    frames = np.concatenate([np.linspace(start, end - 1, n).astype(int) for start, end, n in spans])
    return _table("faces", len(frames), {
        "movie_id": [movie_id] * len(frames), "track_id": np.repeat(rows["track_id"].to_numpy(), counts),
        "frame": frames, "time_s": frames / fps, "detected": [True] * len(frames),
        "embedding": [face for track in faces for face in track.astype(np.float16)],
    })  # fmt: skip


def _table(name: str, n: int, columns: dict[str, object]) -> pa.Table:
    """A table of the schema; what an import does not know is null."""
    schema = SCHEMAS[name]
    arrays = [
        pa.chunked_array(columns[field.name]).cast(field.type) if isinstance(columns.get(field.name), pa.ChunkedArray)
        else pa.array(columns.get(field.name, [None] * n), field.type)
        for field in schema
    ]  # fmt: skip
    return pa.table(arrays, schema=schema)


def _hash(rows: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return hashlib.blake2b(sink.getvalue(), digest_size=16).hexdigest()
