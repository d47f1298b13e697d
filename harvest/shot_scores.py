"""How much a frame looks like the begin of a shot: scores of a cut and of a dissolve, pure functions of a few frames.

Everything is computed from integers that float64 holds exactly (sums of 8-bit values), so that a score does not
depend on where reading began, on memory layout or on the order in which a library adds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from harvest.config import ShotsConfig

COMPARED = (256, 144)
"""Width and height at which neighbouring frames are compared: 0.7 ms a frame, full-size frames cost 7 to 16 ms."""
THUMBNAIL = (16, 9)
"""Width and height at which a dissolve is tested: coarse enough for faces that move a little to stay in place."""
STEADY = 2
"""Frames before and after a dissolve whose mean is its end; three frames gave the same spans on the photomovies."""
HALF_SEEN = 0.15
"""Root mean square misfit of the unweighted ramp above which the robust one is not tried; with a person walking
through a dissolve it was 0.09, at a cut 0.24."""
TRIED = 4
"""Lengths tried robustly at one frame: bounds the cost in a long pan, where many would pass the first test."""
BRIGHT = 60.0
"""Mean of a picture to which darker ones are raised before they are compared: a cut between two dark pictures changes
little in numbers and all to the eye (hamilton's cuts are found down to a fifth of its light) …"""
MOST_RAISED = 4.0
"""… but no more than this: at 8 the last steps of a fade to black became cuts."""
NO_FIT = float("inf")


@dataclass(frozen=True)
class FrameFeatures:
    """What is kept of a frame while it is in the window; changes are from the frame before, 0 at the first."""

    change: float
    """Mean absolute change of hue, saturation and value: the content value of PySceneDetect's ContentDetector."""
    colour: float
    """Mean absolute change of the thumbnail."""
    brightness: float
    """Mean of the thumbnail."""
    thumbnail: np.ndarray
    """(9 * 16 * 3,) float64 of whole numbers 0-255."""


class FeatureExtractor:
    """Features of frames given one after another."""

    def __init__(self) -> None:
        self._hsv: np.ndarray | None = None
        self._thumbnail: np.ndarray | None = None

    def __call__(self, image: np.ndarray) -> FrameFeatures:
        """image: (h, w, 3) uint8 RGB."""
        # linear, not by area: 0.1 ms against 15 ms at 1080p; thumbnails are averages all the same
        small = cv2.resize(image, COMPARED, interpolation=cv2.INTER_LINEAR)
        hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
        thumbnail = cv2.resize(small, THUMBNAIL, interpolation=cv2.INTER_AREA).reshape(-1).astype(np.float64)
        change = colour = 0.0
        if self._hsv is not None and self._thumbnail is not None:
            change = cv2.norm(hsv, self._hsv, cv2.NORM_L1) / hsv.size
            colour = _distance(thumbnail, self._thumbnail)
        self._hsv, self._thumbnail = hsv, thumbnail
        return FrameFeatures(change, colour, float(thumbnail.mean()), thumbnail)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


def _raise(brightest: float) -> float:
    """Factor by which pictures are raised so that the brightest of them is BRIGHT; 1 where it is."""
    return min(MOST_RAISED, max(1.0, BRIGHT / max(brightest, 1.0)))


def stands_out(frames: Sequence[FrameFeatures], at: int, config: ShotsConfig) -> bool:
    """Whether the change at `at` is a cut's: larger by a margin than those of the two frames on either side.

    frames: consecutive, with `at - 2 … at + 2` clipped to the movie. In a fast pan or where a person steps in, the
    neighbours change almost as much; a flash of one or two frames changes twice within these five.
    """
    around = [*frames[max(0, at - 2) : at], *frames[at + 1 : at + 3]]
    here = frames[at]
    raised = _raise(max(frame.brightness for frame in (here, *around)))
    colour_margin = raised * (here.colour - max((frame.colour for frame in around), default=0.0))
    change_margin = here.change - max((frame.change for frame in around), default=0.0)
    in_hsv = here.change >= config.cut_change and change_margin >= config.cut_margin
    return colour_margin >= (config.cut_colour_least if in_hsv else config.cut_colour)


def stays_changed(frames: Sequence[FrameFeatures], at: int, config: ShotsConfig) -> bool:
    """Whether the picture of before `at` does not come back, as it does after a flash.

    frames: consecutive, with `at - flash_frames - 1 … at + flash_frames` clipped to the movie; at ≥ 1.
    """
    pictures = [frame.thumbnail for frame in frames]
    before, after = pictures[at - 1], pictures[at]
    least = config.flash_return * _distance(before, after)
    later = pictures[at + 1 : at + 1 + config.flash_frames]
    earlier = pictures[max(0, at - 1 - config.flash_frames) : at - 1]
    return all(_distance(before, picture) >= least for picture in later) and all(
        _distance(after, picture) >= least for picture in earlier
    )


def best_dissolve(thumbnails: np.ndarray, config: ShotsConfig) -> tuple[float, int]:
    """Misfit and length of the dissolve that best explains the frames from row STEADY on; (inf, 0) where none does.

    thumbnails: (STEADY + longest + STEADY, d) consecutive frames, the first STEADY of them before the dissolve; all
    lengths from 1 to `longest` are tried. A dissolve of L frames mixes its ends A and B as x_i = (1 - a_i) A + a_i B
    with a_i = i / (L + 1), i = 1 … L, and stays at A before and at B after.
    """
    start = thumbnails[:STEADY].mean(0)
    ends = sliding_window_view(thumbnails[STEADY + 1 :], STEADY, axis=0).mean(-1)
    spans = ends - start
    wide = np.flatnonzero(np.abs(spans).mean(1) >= config.dissolve_colour)
    if not wide.size:
        return NO_FIT, 0
    offsets = thumbnails - start
    progress = offsets @ spans[wide].T / (spans[wide] ** 2).sum(1)
    frames = wide + 1 + 2 * STEADY
    rough = np.array([_ramp_misfit(progress[:count, k]) for k, count in enumerate(frames)])
    fits = [
        (_robust_misfit(start, ends[wide[k]], offsets[: frames[k]], config), int(wide[k]) + 1)
        for k in np.argsort(rough, kind="stable")[:TRIED]
        if rough[k] < HALF_SEEN
    ]
    return min(fits, default=(NO_FIT, 0))


def _ramp_misfit(progress: np.ndarray) -> float:
    """Root mean square distance of (STEADY + L + STEADY,) progress from 0 … 0, 1/(L+1) … L/(L+1), 1 … 1."""
    length = len(progress) - 2 * STEADY
    ramp = np.clip((np.arange(len(progress)) - STEADY + 1) / (length + 1), 0, 1)
    return float(np.sqrt(((progress - ramp) ** 2).mean()))


def _robust_misfit(start: np.ndarray, end: np.ndarray, offsets: np.ndarray, config: ShotsConfig) -> float:
    """Misfit of ramp and mixture by medians over the picture, so that a person who moves in a part of it does no harm.

    offsets: (STEADY + L + STEADY, d) frames minus `start`.
    """
    span = end - start
    typical = float(np.median(np.abs(span)))
    if typical * _raise(max(float(start.mean()), float(end.mean()))) < config.dissolve_colour or not _another_picture(
        start, end, config
    ):
        return NO_FIT
    moved = np.abs(span) >= typical
    progress = np.median(offsets[:, moved] / span[moved], axis=1)
    unexplained = np.median(np.abs(offsets - progress[:, None] * span), axis=1) / typical
    return float(np.hypot(_ramp_misfit(progress), np.sqrt((unexplained**2).mean())))


def _another_picture(start: np.ndarray, end: np.ndarray, config: ShotsConfig) -> bool:
    """Whether `end` shows something that is not `start` under another light (a gain and an offset)."""
    one, other = start - start.mean(), end - end.mean()
    alike = float(one @ other / max(np.sqrt((one @ one) * (other @ other)), 1e-9))
    new = float(other.std() * np.sqrt(max(0.0, 1 - alike**2)))
    return alike <= config.dissolve_alike and new >= config.dissolve_colour
