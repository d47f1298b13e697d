"""insightface packs: SCRFD finds faces with five landmarks, ArcFace-style networks embed the aligned chip.

The pre- and post-processing is insightface's own, batched and with the detector's input in the frame's own shape.
"""

import warnings
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from insightface.model_zoo.arcface_onnx import ArcFaceONNX
from insightface.model_zoo.scrfd import SCRFD, distance2bbox, distance2kps
from insightface.utils import face_align

from harvest.config import DetectConfig
from harvest.errors import ModelsError
from harvest.faces import Detections
from harvest.faces.batching import batch_graph
from harvest.faces.letterbox import letterbox
from harvest.faces.packs import Pack
from harvest.faces.sessions import Network

warnings.filterwarnings("ignore", "`estimate` is deprecated", FutureWarning)  # insightface 2.1's norm_crop, per face

_LEVELS = {9: ((8, 16, 32), 2), 15: ((8, 16, 32, 64, 128), 1)}
"""SCRFD's strides and anchors per place, by number of outputs (score, box and landmarks of each stride)."""


class InsightFaceModels:
    """A pack of SCRFD (with landmarks) and a recogniser with square input."""

    def __init__(self, pack: Pack, detect: DetectConfig, device: str, batch: int) -> None:
        detector, recogniser = pack.files
        self._config = detect
        self._detector = _network(detector, device, batch)
        self._scrfd = SCRFD(session=self._detector.session, static_shape_sessions=False)
        self._scrfd.nms_thresh = detect.nms_iou
        outputs = len(self._detector.session.get_outputs())
        if outputs not in _LEVELS or self._scrfd.static_input_size is not None:
            raise ModelsError(f"{detector}: not an SCRFD detector with landmarks and a free input size")
        self._strides, self._anchors = _LEVELS[outputs]
        self._recogniser = _network(recogniser, device, batch)
        self._arcface = ArcFaceONNX(str(recogniser), self._recogniser.session)
        self.chip_size, self.embedding_size = _sizes(self._arcface, recogniser.name)

    def detect(self, frames: Sequence[np.ndarray]) -> list[Detections]:
        """See FaceModels.detect. Frames of one shape go through the network together."""
        return [found for _, same in groupby(frames, key=np.shape) for found in self._detect(list(same))]

    def _detect(self, frames: list[np.ndarray]) -> list[Detections]:
        inputs, scales = zip(*(letterbox(frame, self._config.side) for frame in frames), strict=True)
        rows, columns = inputs[0].shape[:2]
        mean = (self._scrfd.input_mean,) * 3
        # no channel swap: insightface's networks take RGB, and so are our frames
        blob = cv2.dnn.blobFromImages(list(inputs), 1.0 / self._scrfd.input_std, (columns, rows), mean, swapRB=False)
        outputs = self._detector.run(blob)
        per_frame = [
            [output[index].reshape(-1, output.shape[-1]) for output in outputs] for index in range(len(frames))
        ]
        shape = frames[0].shape
        return [self._decode(raw, (rows, columns), scale, shape) for raw, scale in zip(per_frame, scales, strict=True)]

    def _decode(self, raw: list[np.ndarray], size: tuple[int, int], scale: float, shape: tuple[int, ...]) -> Detections:
        """SCRFD.forward and SCRFD.detect for one image, decoding only what passes the threshold."""
        levels = len(self._strides)
        scores, boxes, landmarks = [], [], []
        for level, stride in enumerate(self._strides):
            score = raw[level].ravel()
            taken = np.flatnonzero(score >= self._config.score)
            centres = _centres(size[0] // stride, size[1] // stride, stride, self._anchors)[taken]
            scores.append(score[taken])
            boxes.append(distance2bbox(centres, raw[level + levels][taken] * stride))
            landmarks.append(distance2kps(centres, raw[level + 2 * levels][taken] * stride).reshape(-1, 5, 2))
        score = np.concatenate(scores)
        order = np.argsort(-score, kind="stable")
        found = np.hstack((np.concatenate(boxes) / scale, score[:, None]))[order].astype(np.float32)
        points = (np.concatenate(landmarks) / scale)[order].astype(np.float32)
        keep = self._scrfd.nms(found)
        return Detections.clipped(found[keep, :4], found[keep, 4], points[keep], shape)

    def chips(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """See FaceModels.chips: a similarity transform to ArcFace's template (norm_crop)."""
        size = self.chip_size
        crops: list[np.ndarray] = [face_align.norm_crop(frame, points, image_size=size) for points in landmarks]
        return np.array(crops, np.uint8).reshape(-1, size, size, 3)

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """See FaceModels.embed."""
        if not len(chips):
            return np.empty((0, self.embedding_size), np.float32)
        mean = (self._arcface.input_mean,) * 3
        size = (self.chip_size, self.chip_size)
        blob = cv2.dnn.blobFromImages(list(chips), 1.0 / self._arcface.input_std, size, mean, swapRB=False)
        return self._recogniser.run(blob)[0].reshape(len(chips), self.embedding_size)


def _network(file: Path, device: str, batch: int) -> Network:
    graph = file if batch == 1 else batch_graph(file, exact=device == "cpu")
    return Network(graph, device, batch, file.name)


@lru_cache(maxsize=64)
def _centres(rows: int, columns: int, stride: int, anchors: int) -> np.ndarray:
    grid = np.mgrid[:rows, :columns][::-1].transpose(1, 2, 0).astype(np.float32) * stride
    return np.repeat(grid.reshape(-1, 2), anchors, axis=0)


def _sizes(arcface: ArcFaceONNX, name: str) -> tuple[int, int]:
    width, height = arcface.input_size
    length = arcface.output_shape[-1]
    if width != height or not isinstance(width, int) or not isinstance(length, int):
        raise ModelsError(f"{name}: not a face recogniser with a square input and an embedding of fixed length")
    return width, length
