"""One shot: its analysed frames in, its tracks out. Detect, track and measure frame by frame; embed at the end."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import cv2
import numpy as np

from harvest.config import EmbedConfig, HarvestConfig
from harvest.faces import Detections, FaceModels
from harvest.quality import FaceQuality, face_quality
from harvest.shots import MarkedFrame
from harvest.track import UNTRACKED, FaceTracker, Floats, Ints, claim_first_detections, fill_boxes

Stage = Callable[[str], AbstractContextManager[object]]
"""Called with the name of a stage, entered while it runs: for whoever measures where the time goes."""


def unmeasured(stage: str) -> AbstractContextManager[object]:
    """A `Stage` that measures nothing."""
    return nullcontext()


@dataclass
class Bench:
    """What every shot of a segment is worked with."""

    models: FaceModels
    tracker: FaceTracker
    config: HarvestConfig
    fps: float
    batch: int = 1
    stage: Stage = unmeasured
    drops: Counter[str] = field(default_factory=Counter)
    """Detections and tracks that were dropped, by reason."""


@dataclass(frozen=True)
class SeenFaces:
    """Detections of one shot, a row each, by frame: the columns of `faces` that a detection has."""

    frames: Ints
    boxes: Floats
    landmarks: Floats
    scores: Floats
    quality: FaceQuality
    chips: list[bytes]
    settled: np.ndarray
    """(n,) bool: not within a dissolve."""

    def take(self, rows: Ints) -> "SeenFaces":
        return SeenFaces(
            self.frames[rows],
            self.boxes[rows],
            self.landmarks[rows],
            self.scores[rows],
            FaceQuality(*(column[rows] for column in vars(self.quality).values())),
            [self.chips[row] for row in rows],
            self.settled[rows],
        )


@dataclass(frozen=True)
class Track:
    """A kept track of one shot."""

    seen: SeenFaces
    frames: Ints
    """(m,) every frame of the track, interpolated ones too."""
    boxes: Floats
    """(m, 4) its box on each of them."""
    sampled: Ints
    """Rows of `seen` that are embedded."""
    embeddings: Floats
    """(len(sampled), d) raw network output."""


@dataclass(frozen=True)
class Shot:
    """A finished shot."""

    start: int
    end: int
    begins: str
    settled: int
    tracks: list[Track]


class OpenShot:
    """A shot while its frames come in."""

    def __init__(self, start: int, begins: str, bench: Bench) -> None:
        self.start, self.begins, self.settled, self._bench = start, begins, start, bench
        self._dissolving: list[MarkedFrame] = []
        self._waiting: list[MarkedFrame] = []
        self._rows: list[tuple[int, bool, Detections, FaceQuality, list[bytes], Ints]] = []
        bench.tracker.reset()

    def see(self, frame: MarkedFrame) -> None:
        """Take the next frame; those with an image are analysed, `bench.batch` of them at a time."""
        if not frame.settled:
            self.settled = frame.index + 1
            self._dissolving += [frame] if frame.image is not None else []
            return
        self._admit_dissolve()
        if frame.image is not None:
            self._waiting.append(frame)
        if len(self._waiting) >= self._bench.batch:
            self._analyse()

    def close(self, end: int) -> Shot:
        """Finish the shot at the frame `end` (exclusive): choose its tracks and embed their faces."""
        self._admit_dissolve()
        self._analyse()
        return Shot(self.start, end, self.begins, self.settled, self._tracks(end))

    def _admit_dissolve(self) -> None:
        """Take the later half of a dissolve: until then the faces of the shot before are the clearer ones."""
        middle = (self.start + self.settled) / 2
        self._waiting += [frame for frame in self._dissolving if frame.index >= middle]
        self._dissolving = []

    def _analyse(self) -> None:
        bench, frames, self._waiting = self._bench, self._waiting, []
        with bench.stage("detect"):
            found = bench.models.detect([frame.image for frame in frames if frame.image is not None]) if frames else []
        for frame, detections in zip(frames, found, strict=True):
            assert frame.image is not None
            large = np.flatnonzero(_sizes(detections.boxes) >= bench.config.detect.size_px)
            bench.drops["detection: small"] += len(detections.boxes) - len(large)
            kept = Detections(detections.boxes[large], detections.scores[large], detections.landmarks[large])
            with bench.stage("track"):
                tracks = bench.tracker.update(kept.boxes, kept.scores)
            with bench.stage("quality"):
                quality = face_quality(frame.image, kept.boxes, kept.landmarks)
            with bench.stage("chips"):
                chips = [_to_jpeg(chip, bench.config.embed) for chip in bench.models.chips(frame.image, kept.landmarks)]
            self._rows.append((frame.index, frame.settled, kept, quality, chips, tracks))

    def _tracks(self, end: int) -> list[Track]:
        bench, stride = self._bench, self._bench.config.stride
        if not any(len(row[4]) for row in self._rows):
            return []
        seen, numbers = self._seen()
        numbers = claim_first_detections(seen.frames, seen.boxes, numbers, stride, bench.config.track.match_iou)
        bench.drops["detection: in no track"] += int((numbers == UNTRACKED).sum())
        tracks = []
        for number in np.unique(numbers[numbers != UNTRACKED]):
            faces = seen.take(np.flatnonzero(numbers == number))
            frames, boxes = fill_boxes(faces.frames, faces.boxes, self.start, end, stride)
            if len(frames) < bench.config.track.seconds * bench.fps:
                bench.drops["track: short"] += 1
                bench.drops["detection: in a short track"] += len(faces.frames)
                continue
            sampled = sample_faces(faces.settled, bench.config.embed)
            if not len(sampled):
                bench.drops["track: within a dissolve"] += 1
                continue
            tracks.append(Track(faces, frames, boxes, sampled, self._embed(faces, sampled)))
        return tracks

    def _seen(self) -> tuple[SeenFaces, Ints]:
        counts = [len(row[4]) for row in self._rows]
        seen = SeenFaces(
            np.repeat([row[0] for row in self._rows], counts),
            np.concatenate([row[2].boxes for row in self._rows]),
            np.concatenate([row[2].landmarks for row in self._rows]),
            np.concatenate([row[2].scores for row in self._rows]),
            FaceQuality(*map(np.concatenate, zip(*(vars(row[3]).values() for row in self._rows), strict=True))),
            [chip for row in self._rows for chip in row[4]],
            np.repeat([row[1] for row in self._rows], counts),
        )
        return seen, np.concatenate([row[5] for row in self._rows])

    def _embed(self, faces: SeenFaces, sampled: Ints) -> Floats:
        with self._bench.stage("embed"):
            return self._bench.models.embed(np.stack([from_jpeg(faces.chips[row]) for row in sampled]))


def sample_faces(settled: np.ndarray, config: EmbedConfig) -> Ints:
    """Rows of a track's detections that are embedded: every n-th, or more of them where that would be too few.

    Args:
        settled: (n,) bool; faces within a dissolve are not embedded.
    """
    rows = np.flatnonzero(settled)
    regular = rows[:: config.every]
    if len(regular) >= config.at_least or not len(rows):
        return regular
    spread = np.linspace(0, len(rows) - 1, min(config.at_least, len(rows)))
    return rows[np.round(spread).astype(int)]


def from_jpeg(chip: bytes) -> np.ndarray:
    """A stored chip as the models take it: (s, s, 3) uint8 RGB."""
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(chip, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _to_jpeg(chip: np.ndarray, config: EmbedConfig) -> bytes:
    quality = [cv2.IMWRITE_JPEG_QUALITY, config.chip_quality]
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(chip, cv2.COLOR_RGB2BGR), quality)[1])


def _sizes(boxes: Floats) -> Floats:
    return np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
