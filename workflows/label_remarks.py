"""What a person should hear of the labels that were given: rows that name no track, and names that links contradict."""

from collections import defaultdict
from collections.abc import Sequence

import pyarrow as pa

from harvest.dataset.records import MovieRecord
from harvest.labels import FaceIndex, Label
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
            reason = _nearest(row, movie, index)
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


def _nearest(row: LabelRow, movie: MovieRecord, index: FaceIndex) -> str:
    near = index.nearest(row.label.anchors[0])
    if near is None:
        return "the movie has no track"
    track, at = near
    width, height = movie.facts.width, movie.facts.height
    box = " ".join(str(round(side)) for side in (at.x1 * width, at.y1 * height, at.x2 * width, at.y2 * height))
    return f"no track there; the nearest is track {track}, at {at.time_s:.2f} s in box {box}"


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
