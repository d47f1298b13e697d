"""How good a face is to recognise: sharpness, light and pose of each face, and the flags of a track made from them.

Pose comes from the five landmarks alone, in closed form; nothing here needs a model.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from harvest.config import QualityConfig

CROP_PX = 112
"""Faces are measured at this size, so that the sharpness of small and large ones can be compared."""

_FACE_MODEL = np.array(
    [(-0.49, -0.50, 0), (0.49, -0.50, 0), (0, 0.03, -0.45), (-0.395, 0.50, 0), (0.395, 0.50, 0)], np.float64
)
"""Eyes, nose, mouth corners of a frontal face: x to the viewer's right, y down, z away from the viewer, in units of the
distance from eyes to mouth. x and y are medians of 146 near-frontal of 412 faces in clips and photographs; at a nose
depth of 0.45 the yaw by the nose agrees with the yaw by which the eyes come closer together."""
_SOLVE = np.linalg.pinv(_FACE_MODEL - _FACE_MODEL.mean(0))


@dataclass(frozen=True)
class FaceQuality:
    """Measures of n faces, float32 each."""

    sharpness: np.ndarray
    """(n,) variance of the Laplacian of the 112 px grey face; grows with focus and size, falls with motion blur."""
    brightness: np.ndarray
    """(n,) mean luma of the face, 0-255."""
    yaw: np.ndarray
    """(n,) degrees, 0: frontal, positive: the face looks to the viewer's right; about ±90 in profile."""
    pitch: np.ndarray
    """(n,) degrees, positive: up."""


@dataclass(frozen=True)
class TrackFlags:
    """Quality flags of tracks, bool arrays of the shape of the medians they were made from."""

    frontal: np.ndarray
    profile: np.ndarray
    blurred: np.ndarray
    dark: np.ndarray


def face_quality(frame: np.ndarray, boxes: np.ndarray, landmarks: np.ndarray) -> FaceQuality:
    """Quality of the faces of one RGB uint8 frame (h, w, 3): boxes (n, 4) xyxy px, landmarks (n, 5, 2) px."""
    light = [_light(frame, box) for box in boxes]
    sharpness, brightness = np.array(light, np.float32).reshape(-1, 2).T
    return FaceQuality(sharpness, brightness, *head_pose(landmarks))


def head_pose(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Yaw and pitch in degrees, (n,) float32 each, of faces with landmarks (n, 5, 2), whatever their roll.

    Scaled orthographic pose (DeMenthon & Davis 1995, "Model-based object pose in 25 lines of code", section 4, POS):
    least squares give the first two rows of the rotation times the scale, their cross product the third.
    """
    points = np.asarray(landmarks, np.float64).reshape(-1, 5, 2)
    points = points - points.mean(1, keepdims=True)
    across, down = np.moveaxis(_SOLVE @ points, -1, 0)  # (n, 3) each
    away = np.cross(_unit(across), _unit(down))
    yaw = np.degrees(np.arctan2(away[:, 0], away[:, 2]))
    pitch = np.degrees(np.arctan2(-away[:, 1], np.hypot(away[:, 0], away[:, 2])))
    return yaw.astype(np.float32), pitch.astype(np.float32)


def track_flags(medians: FaceQuality, config: QualityConfig) -> TrackFlags:
    """Flags of tracks from the medians over their detected faces (`yaw` being the median of the absolute yaw)."""
    profile = np.asarray(medians.yaw) >= config.profile_yaw
    blurred = np.asarray(medians.sharpness) < config.blurred_sharpness
    return TrackFlags(~profile, profile, blurred, np.asarray(medians.brightness) < config.dark_brightness)


def _light(frame: np.ndarray, box: np.ndarray) -> tuple[float, float]:
    """Sharpness and brightness of one face; a box outside the frame has none."""
    height, width = frame.shape[:2]
    left, top = np.clip(np.floor(box[:2]), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(box[2:]), (left + 1, top + 1), (width, height)).astype(int)
    crop = np.ascontiguousarray(frame[top:bottom, left:right])
    shrinks = min(crop.shape[:2]) > CROP_PX  # area averaging, else a fine pattern aliases into false sharpness
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    face = cv2.resize(grey, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(face, cv2.CV_16S))
    return float(deviation[0, 0]) ** 2, float(cv2.mean(face)[0])


def _unit(vectors: np.ndarray) -> np.ndarray:
    # tiny: five landmarks in one place have no direction, and no pose: 0 degrees rather than NaN
    length = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.finfo(np.float64).tiny)
    return np.asarray(vectors / length)
