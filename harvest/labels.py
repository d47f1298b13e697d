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
from harvest.track import Ints, iou

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
        rows = self._seen_at(anchor.time_s)
        if not len(rows):
            return None
        overlap = iou(self._boxes[rows], np.array([anchor.x1, anchor.y1, anchor.x2, anchor.y2]))
        best = int(np.nanargmax(overlap)) if np.isfinite(overlap).any() else 0
        return int(self._tracks[rows[best]]) if overlap[best] >= MATCH_IOU else None

    def nearest(self, anchor: Anchor) -> tuple[int, Anchor] | None:
        """The track nearest to an anchor that hits none, and where it is: of those seen then the one whose centre is
        nearest, else the one nearest in time. None where no face has a box."""
        boxed = np.isfinite(self._boxes.sum(axis=1))
        rows = self._seen_at(anchor.time_s)
        rows = rows[boxed[rows]]
        if not len(rows):
            away = np.where(boxed, np.abs(self._times - anchor.time_s), np.inf)
            rows = np.flatnonzero(boxed & (away == away.min(initial=np.inf)))
        if not len(rows):
            return None
        centre = np.array([anchor.x1 + anchor.x2, anchor.y1 + anchor.y2])
        best = rows[np.linalg.norm(self._boxes[rows, :2] + self._boxes[rows, 2:] - centre, axis=1).argmin()]
        return int(self._tracks[best]), self._anchor(best)

    def _seen_at(self, time_s: float) -> Ints:
        """Of each track that is seen at a time the row of its face that is nearest to it, the earlier of two."""
        if not len(self._times):
            return np.zeros(0, np.int64)
        begun = self._times[self._starts] - self._half_frame_s <= time_s
        seen = np.flatnonzero(begun & (time_s <= self._times[self._ends - 1] + self._half_frame_s))
        spans = zip(self._starts[seen].tolist(), self._ends[seen].tolist(), strict=True)
        return np.array([first + np.abs(self._times[first:last] - time_s).argmin() for first, last in spans], np.int64)

    def _anchor(self, row: int) -> Anchor:
        return Anchor(float(self._times[row]), *map(float, self._boxes[row]))

    def has_track(self, track_id: int) -> bool:
        """Whether the movie has a face of this track."""
        return bool((self._tracks == track_id).any())

    def anchors_of(self, track_id: int) -> tuple[Anchor, ...]:
        """First, middle and last place of a track; none where its faces have no boxes (imported tracks)."""
        rows = np.flatnonzero((self._tracks == track_id) & np.isfinite(self._boxes).all(axis=1))
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(ANCHORS, len(rows))).astype(int))]
        return tuple(map(self._anchor, chosen))


def attach(labels: Iterable[Label], index: FaceIndex) -> list[Label]:
    """Labels with the tracks of a new harvest: the track that most anchors hit, if more than half of them do."""
    attached = []
    for label in labels:
        hits = Counter(index.track_at(anchor) for anchor in label.anchors)
        track, votes = max(hits.items(), key=lambda hit: hit[1], default=(None, 0))
        attached.append(replace(label, track_id=track if 2 * votes > len(label.anchors) else None))
    return one_identity_a_track(attached)


def gather(placed: Iterable[Label]) -> list[Label]:
    """Labels of single places, each on the track that is there: those on one track with one identity become one label
    with up to three anchors and the flags of all.

    A place with no track stays a label of its own: a later harvest may find the face. Where two identities claim one
    track, the one with more places has it.
    """
    groups: dict[tuple[str, int | None, int], list[Label]] = defaultdict(list)
    for number, label in enumerate(placed):
        groups[label.identity, label.track_id, number if label.track_id is None else -1].append(label)
    claims = sorted(groups.values(), key=lambda group: -len(group))
    return one_identity_a_track([_joined(group) for group in claims])


def _joined(group: Sequence[Label]) -> Label:
    """Labels of one identity on one track as one."""
    anchors = [anchor for label in group for anchor in label.anchors]
    chosen = np.unique(np.linspace(0, len(anchors) - 1, min(ANCHORS, len(anchors))).astype(int))
    flags = dict.fromkeys(flag for label in group for flag in label.flags)
    return replace(group[0], anchors=tuple(anchors[row] for row in chosen), flags=tuple(flags))


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
