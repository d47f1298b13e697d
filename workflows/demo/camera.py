"""The demo's simulated camera: which part of a photograph it sees at each frame, what is in focus, and in what light.

All lengths in the photograph are px of the photograph; `to_frame` takes them to px of the 768 × 432 frame.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from harvest.errors import CastmineError
from workflows.demo.script import Box, Look, Photo, ScriptedShot

FPS = 24
WIDTH, HEIGHT = 768, 432
SWAY = 0.006
"""Amplitude of the hand-held sway, of the frame's width."""
ROLL = 0.6
"""Amplitude of the roll, degrees."""
MARGIN = 0.015
"""Room kept to every border, of the frame's width: sway and roll together move a point by less than 0.0145."""
ZOOM = {"hold": (0.97, 1.03), "pan": (0.95, 1.05), "push": (0.72, 0.86), "pull": (1.16, 1.38)}
PAN = {"hold": 0.03, "pan": 0.2, "push": 0.12, "pull": 0.12}
"""By kind of move: factor of the window's width over the shot, and most travel of its centre, of its width."""
WIDEST_ALONE, WIDEST_TOGETHER = 2.4, 1.4
"""Widest window, of the tightest that holds the heads: of one person or thing, of several."""
TRIES = 1000
HAIR = 0.3
"""Room for hair above a face box, of the box's height."""
DEFOCUS_PX = 20.0
SHARP_WITHIN, BLURRED_FROM = 0.35, 0.8
"""Depth of field: blur in px of the photograph; where it begins and is full, in face widths from faces in focus."""


@dataclass(frozen=True)
class Window:
    """What the camera sees of a photograph: centre and width; the height follows the frame's shape."""

    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Move:
    """The camera's way from `first` to `last` over `length` frames; `phases` set its sway apart from other moves'."""

    first: Window
    last: Window
    length: int
    phases: tuple[float, ...]
    mirrored: bool

    def to_frame(self, frame: int) -> np.ndarray:
        """The (2, 3) map from px of the photograph to px of the frame, at `frame` of the move."""
        x, y, width = self._window(frame)
        matrix = np.asarray(cv2.getRotationMatrix2D((x, y), ROLL * self._wave(4, 0.31, frame), WIDTH / width))
        matrix[:, 2] += (WIDTH / 2 - x, HEIGHT / 2 - y)
        if self.mirrored:
            matrix[0] = -matrix[0]
            matrix[0, 2] += WIDTH - 1
        return matrix

    def _window(self, frame: int) -> tuple[float, float, float]:
        """Centre and width at `frame`: eased from first to last, with the sway of a hand."""
        part = frame / max(self.length - 1, 1)
        eased = part * part * (3 - 2 * part)
        ends = ((self.first.x, self.last.x), (self.first.y, self.last.y), (self.first.width, self.last.width))
        x, y, width = (a + (b - a) * eased for a, b in ends)
        sway_x = self._wave(0, 0.43, frame) + 0.5 * self._wave(1, 1.1, frame)
        sway_y = self._wave(2, 0.57, frame) + 0.5 * self._wave(3, 1.3, frame)
        return x + SWAY * width * sway_x, y + SWAY * width * sway_y, width

    def _wave(self, phase: int, hertz: float, frame: int) -> float:
        return math.sin(2 * math.pi * hertz * frame / FPS + self.phases[phase])


def draw_move(shot: ScriptedShot, photo: Photo, length: int, rng: np.random.Generator) -> Move:
    """A camera move drawn at random among those that show the shot's people whole from its first frame to its last.

    What a window must hold is linear in its centre and width, so all windows between two good ones are good. Raises
    CastmineError where the photograph has no such window.
    """
    heads = _heads(photo, shot.people)
    tightest = max(heads[2] - heads[0], (heads[3] - heads[1]) * WIDTH / HEIGHT)
    widest = WIDEST_TOGETHER if len(shot.people) > 1 else WIDEST_ALONE
    phases = tuple(rng.uniform(0, 2 * math.pi, 5).tolist())
    for _ in range(TRIES):
        width = tightest * rng.uniform(1, widest)
        zoom, pan = rng.uniform(*ZOOM[shot.move]), PAN[shot.move] * width
        first_range, last_range = _centres(photo, heads, width), _centres(photo, heads, width * zoom)
        if (first_range[0] <= first_range[1]).all() and (last_range[0] <= last_range[1]).all():
            x, y = rng.uniform(*first_range).tolist()
            last_x, last_y = np.clip(np.array([x, y]) + rng.uniform(-pan, pan, 2), *last_range).tolist()
            first, last = Window(x, y, width), Window(last_x, last_y, width * zoom)
            return Move(first, last, length, phases, shot.mirrored)
    raise CastmineError(f"demo: no camera shows {shot.people} of {shot.photo} whole; change workflows/demo/script.py")


def _heads(photo: Photo, people: tuple[str, ...]) -> Box:
    """The box around the heads, hair included; without people the photograph's middle."""
    if not people:
        height, width = photo.image.shape[:2]
        return 0.35 * width, 0.35 * height, 0.65 * width, 0.65 * height
    boxes = np.array([photo.faces[person] for person in people])
    hair = np.minimum(HAIR * (boxes[:, 3] - boxes[:, 1]), 0.3 * boxes[:, 1])  # less where the photograph ends above it
    return boxes[:, 0].min(), (boxes[:, 1] - hair).min(), boxes[:, 2].max(), boxes[:, 3].max()


def _centres(photo: Photo, heads: Box, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest (x, y) of the centre at which a window this wide lies in the photograph and holds the heads.

    Lowest above highest: there is none.
    """
    size, margin = np.array([width, width * HEIGHT / WIDTH]), MARGIN * width
    photo_size = np.array(photo.image.shape[1::-1])
    low = np.maximum(size / 2 + margin, np.array(heads[2:]) - size / 2 + margin)
    high = np.minimum(photo_size - size / 2 - margin, np.array(heads[:2]) + size / 2 - margin)
    return low, high


def focus(photo: Photo, people: tuple[str, ...]) -> np.ndarray:
    """The photograph (h, w, 3) uint8 with `people` in focus: a wide aperture, so that no one else in it has a face."""
    if set(people) == set(photo.faces):
        return photo.image
    height, width = photo.image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    away = np.full((height, width), np.inf, dtype=np.float32)
    for left, top, right, bottom in (photo.faces[person] for person in people):
        beside = np.maximum(np.maximum(left - x, x - right), 0)
        above, below = np.maximum(top - y, 0), np.maximum(y - bottom, 0) / 3  # the body is as near as the face
        away = np.minimum(away, np.sqrt(beside**2 + above**2 + below**2) / (right - left))
    blurred = cv2.GaussianBlur(photo.image, (0, 0), DEFOCUS_PX)
    share = np.clip((away - SHARP_WITHIN) / (BLURRED_FROM - SHARP_WITHIN), 0, 1)[..., None]
    return np.asarray((photo.image * (1 - share) + blurred * share).astype(np.uint8))


def light(picture: np.ndarray, look: Look, part: float, grain: np.ndarray) -> np.ndarray:
    """The picture (h, w, 3) uint8 under a light, `part` (0-1) of the shot having passed.

    `grain` is (h, w, 3) int8 noise; the look's share of it is added.
    """
    if look.blur_px:
        picture = cv2.GaussianBlur(picture, (0, 0), look.blur_px)
    if look.saturation != 1:
        grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        picture = cv2.addWeighted(picture, look.saturation, grey, 1 - look.saturation, 0)
    gain = look.gain * look.drift**part * np.array(look.tint)
    levels = 255 * np.clip((np.arange(256)[:, None] / 255) ** look.gamma * gain, 0, 1)
    picture = cv2.LUT(picture, levels.round().astype(np.uint8)[:, None, :])
    if look.side:
        ramp = 1 - abs(look.side) * np.linspace(0, 1, WIDTH, dtype=np.float32)[:: 1 if look.side > 0 else -1]
        picture = cv2.multiply(picture, np.broadcast_to(ramp[None, :, None], picture.shape).copy(), dtype=cv2.CV_8U)
    return np.asarray(cv2.addWeighted(picture, 1.0, grain, look.noise, 0, dtype=cv2.CV_8U))
