"""What a person says of a face, kept as anchors in time and space: so that it outlives every re-harvest.

An anchor is a time and a box relative to the frame. Labels are attached to whatever tracks a harvest has found by the
overlap of their boxes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from harvest.dataset.schema import SCHEMAS
from harvest.track import iou

ANCHORS = 3
"""Places kept of a label."""
MATCH_IOU = 0.5
"""Overlap from which an anchor lies on a face (design rule 2)."""


@dataclass(frozen=True)
class Anchor:
    """Where a face is seen: time in seconds, box relative to the frame (0-1)."""

    time_s: float
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Label:
    """An identity at up to three places, and the track that is there in the current harvest."""

    identity: str
    anchors: tuple[Anchor, ...]
    flags: tuple[str, ...] = ()
    track_id: int | None = None


class FaceIndex:
    """The boxes of a movie's faces by time, to find what lies at an anchor.

    Args:
        faces: the movie's `faces`. width, height: of its frames, px. fps: of the movie.
    """

    def __init__(self, faces: pa.Table, width: int, height: int, fps: float) -> None:
        times, tracks = faces["time_s"].to_numpy(), faces["track_id"].to_numpy()
        order = np.lexsort((times, tracks))
        self._times, self._tracks = times[order], tracks[order]
        boxes = np.stack([faces[side].to_numpy(zero_copy_only=False) for side in ("x1", "y1", "x2", "y2")], axis=1)
        self._boxes = boxes[order] / np.array([width or 1, height or 1] * 2, np.float64)
        self._starts = np.flatnonzero(np.diff(self._tracks, prepend=np.int64(-1)))
        self._ends = np.append(self._starts[1:], len(order))
        self._half_frame_s = 0.51 / fps

    def track_at(self, anchor: Anchor) -> int | None:
        """The track whose box overlaps the anchor most, from `MATCH_IOU` on, each in its frame nearest to the time.

        Not in the frames of a constant rate around it: where the rate varies, the nearest may be half a second away.
        """
        if not len(self._times):
            return None
        begun = self._times[self._starts] - self._half_frame_s <= anchor.time_s
        seen = np.flatnonzero(begun & (anchor.time_s <= self._times[self._ends - 1] + self._half_frame_s))
        rows = np.array([self._nearest(track, anchor.time_s) for track in seen.tolist()], np.int64)
        if not len(rows):
            return None
        overlap = iou(self._boxes[rows], np.array([anchor.x1, anchor.y1, anchor.x2, anchor.y2]))
        best = int(np.nanargmax(overlap)) if np.isfinite(overlap).any() else 0
        return int(self._tracks[rows[best]]) if overlap[best] >= MATCH_IOU else None

    def _nearest(self, track: int, time_s: float) -> int:
        """The row of the track's face that is nearest in time, the earlier of two."""
        first, last = self._starts[track], self._ends[track]
        return int(first + np.abs(self._times[first:last] - time_s).argmin())

    def has_track(self, track_id: int) -> bool:
        """Whether the movie has a face of this track."""
        return bool((self._tracks == track_id).any())

    def anchors_of(self, track_id: int) -> tuple[Anchor, ...]:
        """First, middle and last place of a track; none where its faces have no boxes (imported tracks)."""
        rows = np.flatnonzero((self._tracks == track_id) & np.isfinite(self._boxes).all(axis=1))
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(ANCHORS, len(rows))).astype(int))]
        return tuple(Anchor(float(self._times[row]), *map(float, self._boxes[row])) for row in chosen)


def attach(labels: Iterable[Label], index: FaceIndex) -> list[Label]:
    """Labels with the tracks of a new harvest: the track that most anchors hit, if more than half of them do."""
    attached = []
    for label in labels:
        hits = Counter(index.track_at(anchor) for anchor in label.anchors)
        track, votes = max(hits.items(), key=lambda hit: hit[1], default=(None, 0))
        attached.append(replace(label, track_id=track if 2 * votes > len(label.anchors) else None))
    return one_identity_a_track(attached)


def gather(placed: Iterable[tuple[str, Anchor]], index: FaceIndex) -> list[Label]:
    """Labels from single places: those on one track with one identity become one label with up to three anchors.

    A place with no track stays a label of its own: a later harvest may find the face. Where two identities claim one
    track, the one with more places has it.
    """
    groups: dict[tuple[str, int | None, int], list[Anchor]] = defaultdict(list)
    for number, (identity, anchor) in enumerate(placed):
        track = index.track_at(anchor)
        groups[identity, track, number if track is None else -1].append(anchor)
    claims = sorted(groups.items(), key=lambda group: -len(group[1]))
    labels = []
    for (identity, track, _), anchors in claims:
        chosen = np.unique(np.linspace(0, len(anchors) - 1, min(ANCHORS, len(anchors))).astype(int))
        labels.append(Label(identity, tuple(anchors[row] for row in chosen), track_id=track))
    return one_identity_a_track(labels)


def one_identity_a_track(labels: Sequence[Label]) -> list[Label]:
    """Of labels with different identities on one track the first keeps it; the others lose it."""
    owner: dict[int, str] = {}
    kept = []
    for label in labels:
        if label.track_id is not None and owner.setdefault(label.track_id, label.identity) != label.identity:
            label = replace(label, track_id=None)
        kept.append(label)
    return kept


def to_table(movie_id: str, labels: Sequence[Label]) -> pa.Table:
    """Labels as the `labels` table."""
    rows = [
        {
            "movie_id": movie_id,
            "label_id": number,
            "identity": label.identity,
            "flags": list(label.flags),
            "anchors": [vars(anchor) for anchor in label.anchors],
            "track_id": label.track_id,
        }
        for number, label in enumerate(labels)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMAS["labels"])


def from_table(table: pa.Table) -> list[Label]:
    """Labels from the `labels` table."""
    return [
        Label(row["identity"], tuple(Anchor(**place) for place in row["anchors"]), tuple(row["flags"]), row["track_id"])
        for row in table.to_pylist()
    ]
