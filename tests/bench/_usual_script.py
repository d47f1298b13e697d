"""What people write first: `FaceAnalysis.get` on every frame at 640 × 640, and a tracker that follows overlap."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from insightface.app import FaceAnalysis

MIN_IOU = 0.3
FORGET_AFTER = 3
"""Frames without a match after which a track ends."""
MIN_SECONDS = 1.0
"""Shorter tracks are dropped, as castmine does."""


def run(video: Path, pack: Path) -> list[dict[str, float]]:
    """A row per face and frame: frame, track_id, x1, y1, x2, y2. All cores, as onnxruntime takes them."""
    app = FaceAnalysis(pack.name, root=str(pack.parent.parent), allowed_modules=["detection", "recognition"])
    app.prepare(ctx_id=-1, det_size=(640, 640))
    capture = cv2.VideoCapture(str(video))
    rows: list[dict[str, float]] = []
    alive: dict[int, tuple[int, np.ndarray]] = {}
    number = tracks = 0
    while (read := capture.read())[0]:
        for face in app.get(read[1]):
            near = {track: _iou(face.bbox, box) for track, (_, box) in alive.items()}
            track = max(near, key=lambda one: near[one], default=-1)
            if track < 0 or near[track] < MIN_IOU:
                track, tracks = tracks, tracks + 1
            alive[track] = (number, face.bbox)
            sides = dict(zip(("x1", "y1", "x2", "y2"), map(float, face.bbox), strict=True))
            rows.append({"frame": number, "track_id": track, **sides})
        alive = {track: seen for track, seen in alive.items() if number - seen[0] < FORGET_AFTER}
        number += 1
    faces = Counter(row["track_id"] for row in rows)
    shortest = MIN_SECONDS * capture.get(cv2.CAP_PROP_FPS)
    return [row for row in rows if faces[row["track_id"]] >= shortest]


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    both = float(np.prod(sides))
    return both / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)
