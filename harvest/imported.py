"""Tracks that somebody else has harvested, as the tables of a movie."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa

from harvest.dataset.schema import SCHEMAS
from harvest.errors import CorpusError
from harvest.tracks import mean_embedding

FPS = 24.0
"""Assumed where nothing says it †."""
SHORTEST_MEAN = 1e-3
"""Of a track's unit faces: half floats are off by up to half of that, and so might cancel out where these do not."""


@dataclass(frozen=True)
class TrackRows:
    """The n tracks of one movie, by track_id."""

    track_ids: np.ndarray
    """(n,) int64, rising."""
    shot_ids: np.ndarray
    start_frames: np.ndarray
    end_frames: np.ndarray
    """Exclusive."""
    faces: list[np.ndarray]
    """Of each track (n_i, d) float32, n_i ≥ 1: raw network output."""
    fps: float = FPS

    @classmethod
    def in_a_row(cls, track_ids: list[int], faces: list[np.ndarray]) -> "TrackRows":
        """Tracks of which nobody knows when they are seen: by number, one after another, each a shot of its own.

        Each has as many frames as faces, so that counts of frames are right; none is seen together with another.
        """
        order = np.argsort(track_ids)
        ordered = [faces[track] for track in order]
        ends = np.cumsum([len(track) for track in ordered])
        starts = ends - [len(track) for track in ordered]
        return cls(np.array(track_ids, np.int64)[order], np.arange(len(order)), starts, ends, ordered)


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


def imported_movie(
    movie_id: str, rows: TrackRows, identities: dict[int, str], content_hash: str, where: str
) -> ImportedMovie:
    """A movie's tables from its tracks. Raises CorpusError, naming `where`, on embeddings that are none."""
    for track, faces in zip(rows.track_ids.tolist(), rows.faces, strict=True):
        _check_faces(faces, f"{where}, track {track}")
    sizes = {faces.shape[1] for faces in rows.faces}
    if len(sizes) != 1:
        raise CorpusError(f"{where} has embeddings of different lengths" if sizes else f"{where} has no track")
    pairs = _linked(rows)
    tables = {
        "shots": _shots(movie_id, rows),
        "tracks": _tracks(movie_id, rows, pairs),
        "faces": _faces(movie_id, rows),
        "links": pa.Table.from_pylist([{"movie_id": movie_id, **pair} for pair in pairs], schema=SCHEMAS["links"]),
    }
    frames = int(rows.end_frames.max())
    return ImportedMovie(movie_id, rows.fps, frames, content_hash, sizes.pop(), tables, identities)


def _check_faces(faces: np.ndarray, where: str) -> None:
    """Raise CorpusError where a track's faces (n, d) are no embeddings, or none that can be kept or averaged."""
    if faces.ndim != 2 or not faces.size or not np.isfinite(faces).all() or not faces.any(axis=1).all():
        raise CorpusError(
            f"{where}: embeddings must be one or more lists of numbers of one length, none NaN or all zero"
        )
    largest, half = np.abs(faces).max(axis=1), np.finfo(np.float16)
    if largest.max() > half.max or largest.min() < half.tiny:
        raise CorpusError(
            f"{where}: embeddings are kept as half floats, so the largest number of each must be {half.tiny:.1e} to "
            f"{half.max:g}, whatever its sign (has {largest.min():.3g} to {largest.max():.3g}); scale those of the "
            "whole file"
        )
    if np.linalg.norm((faces / np.linalg.norm(faces, axis=1, keepdims=True)).mean(axis=0)) < SHORTEST_MEAN:
        raise CorpusError(f"{where}: its embeddings cancel out, so that their mean is 0; leave the track out")


def _linked(rows: TrackRows) -> list[dict[str, int]]:
    """Cannot-link pairs: tracks of one shot with overlapping [start_frame, end_frame)."""
    columns = (column.tolist() for column in (rows.track_ids, rows.shot_ids, rows.start_frames, rows.end_frames))
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


def _shots(movie_id: str, rows: TrackRows) -> pa.Table:
    shots, of = np.unique(rows.shot_ids, return_inverse=True)
    start, end = np.full(len(shots), np.iinfo(np.int64).max), np.zeros(len(shots), np.int64)
    np.minimum.at(start, of, rows.start_frames)
    np.maximum.at(end, of, rows.end_frames)
    return _table("shots", len(shots), {
        "movie_id": [movie_id] * len(shots), "shot_id": shots, "start_frame": start, "end_frame": end,
        "start_s": start / rows.fps, "end_s": end / rows.fps, "begins": ["cut"] * len(shots), "settled_frame": start,
    })  # fmt: skip


def _tracks(movie_id: str, rows: TrackRows, pairs: list[dict[str, int]]) -> pa.Table:
    ids, start, end = rows.track_ids.tolist(), rows.start_frames, rows.end_frames
    partners = dict.fromkeys(ids, 0)
    for pair in pairs:
        partners[pair["track_a"]] += 1
        partners[pair["track_b"]] += 1
    return _table("tracks", len(ids), {
        "movie_id": [movie_id] * len(ids), "track_id": ids, "shot_id": rows.shot_ids, "start_frame": start,
        "end_frame": end, "start_s": start / rows.fps, "end_s": end / rows.fps,
        "faces": [len(track) for track in rows.faces], "cannot_links": list(partners.values()),
        "embedding": [mean_embedding(track) for track in rows.faces],
    })  # fmt: skip


def _faces(movie_id: str, rows: TrackRows) -> pa.Table:
    counts = [len(track) for track in rows.faces]
    spans = zip(rows.start_frames.tolist(), rows.end_frames.tolist(), counts, strict=True)
    frames = np.concatenate([np.linspace(start, end - 1, n).astype(int) for start, end, n in spans])
    return _table("faces", len(frames), {
        "movie_id": [movie_id] * len(frames), "track_id": np.repeat(rows.track_ids, counts),
        "frame": frames, "time_s": frames / rows.fps, "detected": [True] * len(frames),
        "embedding": [face for track in rows.faces for face in track.astype(np.float16)],
    })  # fmt: skip


def _table(name: str, n: int, columns: dict[str, object]) -> pa.Table:
    """A table of the schema; what an import does not know is null."""
    schema = SCHEMAS[name]
    arrays = [pa.array(columns.get(field.name, [None] * n), field.type) for field in schema]
    return pa.table(arrays, schema=schema)
