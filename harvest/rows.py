"""Shots and tracks as rows of the tables; every id is local to its segment until `whole_movie.join_segments`."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from harvest.config import QualityConfig
from harvest.dataset.schema import SCHEMAS
from harvest.links import CannotLink
from harvest.quality import FaceQuality, track_flags
from harvest.shot_tracks import Shot, Track
from harvest.tracks import mean_embedding


def shot_row(movie_id: str, shot_id: int, shot: Shot, times_s: NDArray[np.float64]) -> dict[str, object]:
    """A row of `shots`."""
    return {
        "movie_id": movie_id,
        "shot_id": shot_id,
        "start_frame": shot.start,
        "end_frame": shot.end,
        "start_s": times_s[shot.start],
        "end_s": times_s[shot.end],
        "begins": shot.begins,
        "settled_frame": shot.settled,
    }


def track_row(
    movie_id: str, track_id: int, shot_id: int, track: Track, times_s: NDArray[np.float64], config: QualityConfig
) -> dict[str, object]:
    """A row of `tracks`, the number of its cannot-links left to `whole_movie.join_segments`."""
    seen, start, end = track.seen, int(track.frames[0]), int(track.frames[-1]) + 1
    measured = replace(seen.quality, yaw=np.abs(seen.quality.yaw))
    medians = FaceQuality(*(np.median(column) for column in vars(measured).values()))
    flags = track_flags(medians, config)
    return {
        "movie_id": movie_id,
        "track_id": track_id,
        "shot_id": shot_id,
        "start_frame": start,
        "end_frame": end,
        "start_s": times_s[start],
        "end_s": times_s[end],
        "faces": len(seen.frames),
        "size_px": float(np.median(np.min(seen.boxes[:, 2:] - seen.boxes[:, :2], axis=1))),
        "score": float(np.mean(seen.scores)),
        **{name: float(value) for name, value in vars(medians).items()},
        **{name: bool(value) for name, value in vars(flags).items()},
        "cannot_links": 0,
        "embedding": mean_embedding(track.embeddings),
    }


def face_rows(movie_id: str, track_id: int, track: Track, times_s: NDArray[np.float64]) -> pa.Table:
    """The rows of `faces` of one track: detected faces with all they have, interpolated ones with their box."""
    seen, n = track.seen, len(track.frames)
    at = np.searchsorted(track.frames, seen.frames)  # rows of the detected faces
    undetected = np.ones(n, bool)
    undetected[at] = False

    def measured(values: NDArray[np.float32]) -> pa.Array:
        column = np.zeros(n, np.float32)
        column[at] = values
        return pa.array(column, mask=undetected)

    landmarks, embeddings, chips = ([None] * n for _ in range(3))
    for row, points in zip(at, seen.landmarks.reshape(-1, 10), strict=True):
        landmarks[row] = points
    for row, embedding in zip(track.sampled, track.embeddings.astype(np.float16), strict=True):
        embeddings[at[row]], chips[at[row]] = embedding, seen.chips[row]
    schema = SCHEMAS["faces"]
    columns = {
        "movie_id": [movie_id] * n,
        "track_id": [track_id] * n,
        "frame": track.frames,
        "time_s": times_s[track.frames],
        **{side: track.boxes[:, number] for number, side in enumerate(("x1", "y1", "x2", "y2"))},
        "landmarks": landmarks,
        "score": measured(seen.scores),
        "detected": ~undetected,
        "sharpness": measured(seen.quality.sharpness),
        "brightness": measured(seen.quality.brightness),
        "yaw": measured(seen.quality.yaw),
        "pitch": measured(seen.quality.pitch),
        "embedding": embeddings,
        "chip": chips,
    }
    return pa.table([pa.array(columns[name], schema.field(name).type) for name in schema.names], schema=schema)


def link_row(movie_id: str, track_ids: list[int], link: CannotLink) -> dict[str, object]:
    """A row of `links`."""
    return {
        "movie_id": movie_id,
        "track_a": track_ids[link.a],
        "track_b": track_ids[link.b],
        "frames_together": link.frames_together,
        "first_frame": link.first_frame,
        "last_frame": link.last_frame,
    }
