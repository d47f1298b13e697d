"""Chips: the aligned crops that are embedded, as they are stored."""

import cv2
import numpy as np


def to_jpeg(chip: np.ndarray, quality: int) -> bytes:
    """A chip, (s, s, 3) uint8 RGB, compressed (quality 1-100)."""
    encoded = cv2.imencode(".jpg", cv2.cvtColor(chip, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return bytes(encoded)


def from_jpeg(chip: bytes) -> np.ndarray:
    """A stored chip as the models take it: (s, s, 3) uint8 RGB."""
    decoded = cv2.imdecode(np.frombuffer(chip, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))
