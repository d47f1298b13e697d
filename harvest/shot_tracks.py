"""One shot: its analysed frames in, its tracks out. Detect, track and measure frame by frame; embed at the end."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from harvest.chips import from_jpeg, to_jpeg
from harvest.config import EmbedConfig
from harvest.faces import Detections
from harvest.joins import fragments, join_fragments
from harvest.quality import FaceQuality, face_quality
from harvest.shots import MarkedFrame
from harvest.track import Floats, Ints, claim_first_detections, fill_boxes
from harvest.workbench import Workbench

ROUNDING_S = 1e-3
"""Containers keep times to about this: 24 frames of 1/24 s may add up to a hair less than a second."""

TOGETHER = 64
"""Faces embedded in one call: one face in a shot of two hours has 20,000, which is 3 GB and minutes without a sign."""


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
        """The detections in these rows, in their order."""
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
class AnalysedFrame:
    """What was found in one analysed frame."""

    index: int
    settled: bool
    detections: Detections
    quality: FaceQuality
    chips: list[bytes]
    numbers: Ints
    """(n,) the tracker's number of each detection."""


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

    def __init__(self, start: int, begins: str, bench: Workbench) -> None:
        self.start, self.begins, self.settled, self._bench = start, begins, start, bench
        self._dissolving: list[MarkedFrame] = []
        self._waiting: list[MarkedFrame] = []
        self._analysed: list[AnalysedFrame] = []
        self._embedded: dict[int, Floats] = {}
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
                numbers = bench.tracker.update(kept.boxes, kept.scores)
            with bench.stage("quality"):
                quality = face_quality(frame.image, kept.boxes, kept.landmarks)
            with bench.stage("chips"):
                aligned = bench.models.chips(frame.image, kept.landmarks)
                chips = [to_jpeg(chip, bench.config.embed.chip_quality) for chip in aligned]
            self._analysed.append(AnalysedFrame(frame.index, frame.settled, kept, quality, chips, numbers))

    def _tracks(self, end: int) -> list[Track]:
        bench, config = self._bench, self._bench.config
        if not any(frame.chips for frame in self._analysed):
            return []
        seen, numbers = self._seen()
        numbers = claim_first_detections(seen.frames, seen.boxes, numbers, config.stride, config.track.match_iou)
        parts = fragments(seen.frames, numbers, config.stride)
        gap = round(config.track.gap_s * bench.fps)
        embed = partial(self._embed, seen)
        found = join_fragments(parts, seen.frames, numbers, gap, bench.threshold, embed)
        tracks = (self._track(seen, rows, end) for rows in found)
        return [track for track in tracks if track]

    def _track(self, seen: SeenFaces, rows: Ints, end: int) -> Track | None:
        """The track of the detections in these rows; None, with the reason counted, where it is not to be kept."""
        bench, config = self._bench, self._bench.config
        analysed = self._analysed[0].index, self._analysed[-1].index
        frames, boxes = fill_boxes(seen.frames[rows], seen.boxes[rows], analysed, (self.start, end), config.stride)
        if len(rows) == 1:
            bench.drops["detection: in no track"] += 1
            return None
        lasts_s = float(bench.times_s[frames[-1] + 1] - bench.times_s[frames[0]])
        if lasts_s < config.track.seconds - ROUNDING_S:
            bench.drops["track: short"] += 1
            bench.drops["detection: in a short track"] += len(rows)
            return None
        sampled = sample_faces(seen.settled[rows], config.embed)
        if not len(sampled):
            bench.drops["track: within a dissolve"] += 1
            bench.drops["detection: in a track within a dissolve"] += len(rows)
            return None
        return Track(seen.take(rows), frames, boxes, sampled, self._embed(seen, rows[sampled]))

    def _seen(self) -> tuple[SeenFaces, Ints]:
        """The detections of all analysed frames, and the tracker's number of each."""
        found = self._analysed
        counts = [len(frame.chips) for frame in found]
        measures = zip(*(vars(frame.quality).values() for frame in found), strict=True)
        seen = SeenFaces(
            np.repeat([frame.index for frame in found], counts),
            np.concatenate([frame.detections.boxes for frame in found]),
            np.concatenate([frame.detections.landmarks for frame in found]),
            np.concatenate([frame.detections.scores for frame in found]),
            FaceQuality(*map(np.concatenate, measures)),
            [chip for frame in found for chip in frame.chips],
            np.repeat([frame.settled for frame in found], counts),
        )
        return seen, np.concatenate([frame.numbers for frame in found])

    def _embed(self, seen: SeenFaces, rows: Ints) -> Floats:
        """Raw embeddings of detections, each embedded once: (len(rows), d)."""
        missing = [row for row in rows.tolist() if row not in self._embedded]
        for part in (missing[first : first + TOGETHER] for first in range(0, len(missing), TOGETHER)):
            with self._bench.stage("embed"):
                embedded = self._bench.models.embed(np.stack([from_jpeg(seen.chips[row]) for row in part]))
            self._embedded.update(zip(part, embedded, strict=True))
        return np.stack([self._embedded[row] for row in rows.tolist()])


def sample_faces(settled: np.ndarray, config: EmbedConfig) -> Ints:
    """Rows of a track's detections that are embedded: every n-th, or more of them where that would be too few.

    Args:
        settled: (n,) bool; faces within a dissolve are not embedded.
    """
    rows = np.flatnonzero(settled)
    regular = rows[:: config.every]
    if len(regular) >= config.at_least or not len(rows):
        return np.asarray(regular)
    spread = np.linspace(0, len(rows) - 1, min(config.at_least, len(rows)))
    return np.asarray(rows[np.round(spread).astype(int)])


def _sizes(boxes: Floats) -> Floats:
    return np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
