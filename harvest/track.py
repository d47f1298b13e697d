"""Faces into tracks within one shot: BoT-SORT through boxmot, and the boxes on the frames between its detections."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harvest.config import TrackConfig

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

UNTRACKED = -1


class FaceTracker:
    """BoT-SORT without re-identification or camera motion: nothing is downloaded and no frame is needed.

    One shot at a time: `reset` at each shot, then `update` with every analysed frame of it, empty ones too.
    """

    def __init__(self, analysed_fps: float, score: float, config: TrackConfig) -> None:
        from boxmot import BotSort  # 2 s and torch: only where a movie is really tracked

        self._tracker = BotSort(
            use_embeddings=False,
            use_cmc=False,
            frame_rate=30,  # boxmot counts its buffer in thirtieths of a second; at 30 the buffer is in updates
            track_buffer=max(1, round(config.gap_s * analysed_fps)),
            track_high_thresh=score,
            new_track_thresh=score,
            match_thresh=1 - config.match_iou,
            unconfirmed_match_thresh=1 - config.match_iou * score,  # its cost is 1 - IoU * score
        )

    def reset(self) -> None:
        """Forget all tracks."""
        self._tracker.reset()

    def update(self, boxes: Floats, scores: Floats) -> Ints:
        """Track number of each detection, `UNTRACKED` where it has none (yet).

        Args:
            boxes: (n, 4) float32 xyxy, px. scores: (n,) float32.
        """
        found = np.full(len(boxes), UNTRACKED, np.int64)
        rows = self._tracker.update(np.c_[boxes, scores, np.zeros(len(boxes))].astype(np.float32).reshape(-1, 6))
        if len(rows):
            found[rows[:, 7].astype(int)] = rows[:, 4].astype(int)  # its boxes are smoothed: ours stay the detector's
        return found


def claim_first_detections(frames: Ints, boxes: Floats, tracks: Ints, stride: int, match_iou: float) -> Ints:
    """Give each track the detection one analysed frame before its first, which BoT-SORT uses but does not report.

    Args:
        frames: (n,) frame numbers, ascending. boxes: (n, 4). tracks: (n,) of `FaceTracker.update`.

    Returns:
        (n,) track numbers, more of them assigned.
    """
    claimed = tracks.copy()
    for track in np.unique(tracks[tracks != UNTRACKED]):
        first = int(np.flatnonzero(tracks == track)[0])
        free = np.flatnonzero((frames == frames[first] - stride) & (claimed == UNTRACKED))
        if len(free):
            overlap = iou(boxes[free], boxes[first])
            if overlap.max() >= match_iou:
                claimed[free[int(overlap.argmax())]] = track
    return claimed


def fill_boxes(
    frames: Ints, boxes: Floats, analysed: tuple[int, int], shot: tuple[int, int], stride: int
) -> tuple[Ints, Floats]:
    """A track's box on each of its frames, from its detections.

    Between two detections boxes are interpolated. Beyond the outer ones the track is carried on at their pace: to the
    shot's border where it is there at the shot's first or last analysed frame (fewer than `stride` frames, or the
    earlier half of a dissolve), else by half a stride, which is how long a face is there, on average, unseen.

    Args:
        frames: (n,) frames of its detections, ascending. boxes: (n, 4).
        analysed: the shot's first and last analysed frame. shot: its first frame and its end (exclusive).

    Returns:
        (m,) all its frames and (m, 4) float32 boxes.
    """
    unseen = (stride - 1) // 2
    first = shot[0] if frames[0] == analysed[0] else max(shot[0], int(frames[0]) - unseen)
    last = shot[1] - 1 if frames[-1] == analysed[1] else min(shot[1] - 1, int(frames[-1]) + unseen)
    every = np.arange(first, last + 1)
    filled = np.stack([np.interp(every, frames, boxes[:, side]) for side in range(4)], axis=1)
    if len(frames) > 1:
        for outer, inner, beyond in ((0, 1, every < frames[0]), (-1, -2, every > frames[-1])):
            pace = (boxes[inner] - boxes[outer]) / (frames[inner] - frames[outer])
            filled[beyond] = boxes[outer] + np.outer(every[beyond] - frames[outer], pace)
    return every, filled.astype(np.float32)


def iou(boxes: Floats, other: Floats) -> Floats:
    """Intersection over union, box by box: (n, 4) with (4,) or (n, 4) → (n,)."""
    both = _intersection(boxes, other)
    return np.asarray(both / np.maximum(_area(boxes) + _area(other) - both, 1e-6))


def overlap_of_smaller(boxes: Floats, other: Floats) -> Floats:
    """Intersection over the area of the smaller box, 1 where one lies within the other: (n, 4) with (n, 4) → (n,)."""
    return np.asarray(_intersection(boxes, other) / np.maximum(np.minimum(_area(boxes), _area(other)), 1e-6))


def _intersection(boxes: Floats, other: Floats) -> Floats:
    sides = np.minimum(boxes[..., 2:], other[..., 2:]) - np.maximum(boxes[..., :2], other[..., :2])
    return np.asarray(np.prod(np.maximum(sides, 0), axis=-1))


def _area(boxes: Floats) -> Floats:
    return np.asarray(np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1))
