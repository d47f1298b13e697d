"""What a person should hear of the labels that were given: rows that name no track, and names that links contradict."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from harvest.dataset.records import MovieRecord
from harvest.labels import MATCH_IOU, FaceIndex, Label
from harvest.track import iou
from workflows.label_rows import LabelRow

LINES = 3
"""Lines of the file named in one remark."""


def nameless(rows: Sequence[LabelRow], taken: Sequence[Label], movie: MovieRecord, index: FaceIndex) -> tuple[str, ...]:
    """The rows that name no track, each with what it says and why it does not."""
    owners, lines = _owners(taken), _lines(rows)
    remarks = []
    for row in rows:
        identity, track = row.label.identity, row.label.track_id
        if track is None:
            reason = beyond_film(row, movie) or _nearest(row, movie, index)
        elif owners[track] != identity:
            reason = f"track {track} is {owners[track]!r} by {_told(lines[track, owners[track]])}"
        else:
            continue
        remarks.append(f"line {row.line}: {movie.movie_id}, {row.where}, {identity!r}: {reason}")
    return tuple(remarks)


def doubled(rows: Sequence[LabelRow], taken: Sequence[Label], links: pa.Table, movie: MovieRecord) -> tuple[str, ...]:
    """The names on two tracks that are seen together, as nobody is; `links`: the movie's."""
    owners, lines = _owners(taken), _lines(rows)
    remarks = []
    for link in links.select(["track_a", "track_b", "first_frame"]).to_pylist():
        a, b = link["track_a"], link["track_b"]
        identity = owners.get(a)
        if identity is not None and identity == owners.get(b):
            told = _told(sorted([*lines[a, identity], *lines[b, identity]]))
            since = f"seen together from frame {link['first_frame']} on"
            remarks.append(f"{told}: {movie.movie_id}, {identity!r} is on tracks {a} and {b}, which are {since}")
    return tuple(remarks)


def beyond_film(row: LabelRow, movie: MovieRecord) -> str:
    """In words that a place on no track lies before or after the film, where no harvest will find a face; else
    nothing."""
    if row.label.track_id is not None or not row.label.anchors:
        return ""
    time_s, length_s = row.label.anchors[0].time_s, movie.facts.duration_s
    if time_s < 0:
        return "before the film begins"
    return f"past the end of the film, which is {length_s:.2f} s long" if time_s > length_s else ""


def _nearest(row: LabelRow, movie: MovieRecord, index: FaceIndex) -> str:
    place = row.label.anchors[0]
    near = index.nearest(place)
    if near is None:
        return "the movie has no track"
    track, at = near
    frame = np.array([movie.facts.width, movie.facts.height] * 2)
    there = np.array([at.x1, at.y1, at.x2, at.y2]) * frame
    overlap = float(iou(there, np.array([place.x1, place.y1, place.x2, place.y2]) * frame))
    then = abs(at.time_s - place.time_s) <= 1 / movie.facts.fps
    told = f", which it overlaps by {overlap:.2f}" if then else ""
    box = " ".join(f"{side:.0f}" for side in there)
    return (
        f"no track there (it takes an overlap, IoU, of {MATCH_IOU:g}); the nearest is track {track}, at "
        f"{at.time_s:.2f} s in box {box}{told}"
    )


def _owners(taken: Sequence[Label]) -> dict[int, str]:
    return {label.track_id: label.identity for label in taken if label.track_id is not None}


def _lines(rows: Sequence[LabelRow]) -> dict[tuple[int, str], list[int]]:
    """Lines by track and identity."""
    lines = defaultdict(list)
    for row in rows:
        if row.label.track_id is not None:
            lines[row.label.track_id, row.label.identity].append(row.line)
    return lines


def _told(lines: Sequence[int]) -> str:
    """line 2; lines 2, 3, 4 and 7 more."""
    more = f" and {len(lines) - LINES} more" if len(lines) > LINES else ""
    return f"line{'s' * (len(lines) > 1)} {', '.join(map(str, lines[:LINES]))}{more}"
