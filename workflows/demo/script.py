"""What the demo's movie shows: the photographs inside installed packages, who is where in them, and the shot list.

The people are real, the camera is simulated (`camera.py`). The photographs stay in their packages, under their own
terms, and are only read there.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from harvest.errors import CastmineError
from harvest.installation import install_command

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in px."""


@dataclass(frozen=True)
class Photo:
    """A still that the camera films: image (h, w, 3) uint8 RGB, and the face box of everyone in it, by identity."""

    image: np.ndarray
    faces: dict[str, Box]


@dataclass(frozen=True)
class Look:
    """The light of a shot: `drift` multiplies the gain over it, `side` darkens the frame's left (-) or right (+).

    `noise` is the share taken of a film grain with a deviation of 16 grey levels.
    """

    gain: float = 1.0
    gamma: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    saturation: float = 1.0
    drift: float = 1.0
    side: float = 0.0
    blur_px: float = 0.0
    noise: float = 0.1


@dataclass(frozen=True)
class ScriptedShot:
    """A line of the shot list. Of the photo's faces just those of `people` are in the picture, whole and in focus."""

    photo: str
    people: tuple[str, ...]
    move: str
    look: str
    seconds: float
    mirrored: bool = False
    dissolve: bool = False


LOOKS = {
    "day": Look(),
    "lamp": Look(gain=0.97, tint=(1.06, 1.0, 0.88), drift=0.93),
    "night": Look(gain=0.62, gamma=1.1, tint=(0.84, 0.95, 1.16), saturation=0.75, drift=1.1, noise=0.25),
    "window": Look(gain=1.03, gamma=0.95, tint=(0.97, 1.0, 1.05), side=0.45),
    "corner": Look(gain=0.9, gamma=1.08, tint=(1.04, 1.0, 0.92), side=-0.45, drift=1.12),
    "sunset": Look(gain=0.95, tint=(1.14, 0.96, 0.8), drift=0.85, blur_px=0.6),
    "faded": Look(gain=0.9, gamma=0.85, saturation=0.35, noise=0.3, blur_px=0.5),
    "soft": Look(gain=1.02, tint=(1.0, 0.99, 1.02), blur_px=1.0, drift=1.06, noise=0.2),
}
"""Light, by name. Gains and gammas stay where a viewer still sees the face well: the demo is no test of darkness."""

_GROUP_FACES: dict[str, Box] = {
    "player 1": (59, 264, 169, 394),
    "player 2": (270, 149, 372, 266),
    "player 3": (464, 268, 573, 416),
    "player 4": (746, 343, 847, 481),
    "player 5": (903, 57, 1012, 203),
    "player 6": (1132, 272, 1226, 399),
}
"""Forehead to chin, the players counted from the left; mean of two detectors' boxes, checked by eye."""
_ASTRONAUT_FACES: dict[str, Box] = {"astronaut": (180, 58, 271, 179)}
_PORTRAIT_FACE: Box = (10, 9, 84, 111)


def load_photos() -> dict[str, Photo]:
    """The photographs, by the names that the shot list uses. Raises CastmineError where a package lacks its picture."""
    group = _read("insightface", "data/images/t1.jpg")
    return {
        "table": Photo(group, _GROUP_FACES),
        "chips": Photo(group[500:], {}),
        "hangar": Photo(_read("skimage", "data/astronaut.png"), _ASTRONAUT_FACES),
        "wall": _portrait_on_a_wall(),
        "rocket": Photo(_read("skimage", "data/rocket.jpg"), {}),
        "coffee": Photo(_read("skimage", "data/coffee.png"), {}),
    }


def _read(package: str, relative: str) -> np.ndarray:
    """A picture of an installed package, which is found but not imported, as (h, w, 3) uint8 RGB.

    By Pillow: in a process that has imported decord, OpenCV cannot read PNG (decord brings another zlib).
    """
    spec = find_spec(package)
    for root in (spec.submodule_search_locations or []) if spec else []:
        path = Path(root) / relative
        if path.is_file():
            return np.asarray(Image.open(path).convert("RGB"))
    lacking = f"no such picture among the installed packages; {install_command('bundled')}"
    raise CastmineError(f"{package}/{relative}: {lacking}")


def _portrait_on_a_wall() -> Photo:
    """A 112 px portrait cannot fill a frame, so it hangs, framed, on a brick wall of 1280 × 800 px."""
    bricks = cv2.resize(np.rot90(_read("skimage", "data/brick.png")), (640, 800), interpolation=cv2.INTER_CUBIC)
    wall = np.hstack([bricks, bricks[:, ::-1]])
    wall = np.clip(wall * np.array([0.95, 0.62, 0.48]), 0, 255).astype(np.uint8)
    scale, left, top = 2.4, 480, 230
    portrait = _read("insightface", "data/images/Tom_Hanks_54745.png")
    side = round(portrait.shape[0] * scale)
    for border, colour in ((46, (30, 16, 12)), (34, (58, 36, 22)), (22, (232, 226, 212))):
        cv2.rectangle(wall, (left - border, top - border), (left + side + border, top + side + border), colour, -1)
    wall[top : top + side, left : left + side] = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_CUBIC)
    x1, y1, x2, y2 = (scale * edge for edge in _PORTRAIT_FACE)
    return Photo(wall, {"portrait": (left + x1, top + y1, left + x2, top + y2)})


def _table(
    seats: str, move: str, look: str, seconds: float, mirrored: bool = False, dissolve: bool = False
) -> ScriptedShot:
    return ScriptedShot("table", tuple(f"player {seat}" for seat in seats), move, look, seconds, mirrored, dissolve)


def _astronaut(move: str, look: str, seconds: float, mirrored: bool = False, dissolve: bool = False) -> ScriptedShot:
    return ScriptedShot("hangar", ("astronaut",), move, look, seconds, mirrored, dissolve)


def _portrait(move: str, look: str, seconds: float, mirrored: bool = False, dissolve: bool = False) -> ScriptedShot:
    return ScriptedShot("wall", ("portrait",), move, look, seconds, mirrored, dissolve)


SHOTS: tuple[ScriptedShot, ...] = (
    _table("123456", "hold", "lamp", 3.5),
    _table("3", "hold", "lamp", 2.2),
    _table("4", "push", "day", 2.0),
    _table("34", "pan", "lamp", 2.6),
    _table("1", "pan", "window", 2.2),
    _table("2", "push", "lamp", 2.2),
    _table("123", "hold", "day", 2.6),
    ScriptedShot("chips", (), "pan", "lamp", 1.8),
    _table("5", "pan", "day", 2.2),
    _table("6", "hold", "lamp", 2.2, mirrored=True),
    _table("46", "push", "window", 2.4),
    _table("5", "push", "corner", 2.0, mirrored=True),
    ScriptedShot("rocket", (), "push", "night", 2.0, dissolve=True),
    _astronaut("pull", "day", 2.8, dissolve=True),
    _portrait("push", "day", 2.4),
    _astronaut("hold", "lamp", 2.0),
    _table("3", "pull", "corner", 2.0, mirrored=True),
    _portrait("pan", "lamp", 2.2),
    _table("23", "pan", "sunset", 2.6),
    _table("1", "hold", "sunset", 2.0),
    _table("6", "push", "corner", 2.0),
    _astronaut("pan", "window", 2.2, mirrored=True),
    ScriptedShot("coffee", (), "pull", "lamp", 1.8),
    _table("2", "hold", "night", 2.2, dissolve=True),
    _table("3456", "pan", "night", 2.8),
    _table("4", "hold", "night", 2.0, mirrored=True),
    _table("5", "pull", "night", 2.0),
    _portrait("pull", "night", 2.0),
    _table("1", "push", "faded", 2.2, mirrored=True),
    _astronaut("push", "faded", 2.2),
    _table("234", "hold", "soft", 2.6),
    _table("6", "pan", "sunset", 2.0),
    _portrait("push", "faded", 2.2, dissolve=True),
    _table("2", "pull", "soft", 2.0, mirrored=True),
    _table("123456", "hold", "sunset", 3.5),
)
"""An evening at cards, in 35 shots of two to three seconds: each person in four or more, under three lights or more."""
