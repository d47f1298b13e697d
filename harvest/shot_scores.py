"""How much a frame looks like the begin of a shot: scores of a cut and of a dissolve, pure functions of a few frames.

Everything is computed from integers that float64 holds exactly (sums of 8-bit values), so that a score does not
depend on where reading began, on memory layout or on the order in which a library adds.
"""

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
NO_FIT = float("inf")


@dataclass(frozen=True)
class FrameFeatures:
    """What is kept of a frame while it is in the window."""

    change: float
    """Mean absolute change of hue, saturation and value from the frame before (0 at the first): the content value of
    PySceneDetect's ContentDetector."""
    thumbnail: np.ndarray
    """(9 * 16 * 3,) float64 of whole numbers 0-255."""


class FeatureExtractor:
    """Features of frames given one after another."""

    def __init__(self) -> None:
        self._before: np.ndarray | None = None

    def __call__(self, image: np.ndarray) -> FrameFeatures:
        """image: (h, w, 3) uint8 RGB."""
        width, height = COMPARED
        step = max(1, min(image.shape[0] // height, image.shape[1] // width))
        small = cv2.resize(np.ascontiguousarray(image[::step, ::step]), COMPARED, interpolation=cv2.INTER_LINEAR)
        hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
        change = 0.0 if self._before is None else cv2.norm(hsv, self._before, cv2.NORM_L1) / hsv.size
        self._before = hsv
        thumbnail = cv2.resize(small, THUMBNAIL, interpolation=cv2.INTER_AREA)
        return FrameFeatures(change, thumbnail.reshape(-1).astype(np.float64))


def stands_out(changes: np.ndarray, at: int, config: ShotsConfig) -> bool:
    """Whether the change at `at` is a cut's: large, and larger by a margin than those of the two frames on either side.

    changes: (n,) of consecutive frames, with `at - 2 … at + 2` clipped to it. In a fast pan or when a person steps in,
    the neighbours change almost as much; a flash of one or two frames changes twice within the window.
    """
    if changes[at] < config.cut_change:
        return False
    around = np.concatenate([changes[max(0, at - 2) : at], changes[at + 1 : at + 3]])
    return bool(changes[at] - around.max(initial=0.0) >= config.cut_margin)


def colours_stay_changed(thumbnails: np.ndarray, at: int, config: ShotsConfig) -> bool:
    """Whether the picture changes at `at` in more than its hue, and does not come back as after a flash.

    thumbnails: (n, d) of consecutive frames, `at - flash_frames - 1 … at + flash_frames` clipped to it; at ≥ 1.
    """
    before, after = thumbnails[at - 1], thumbnails[at]
    change = _distance(before, after)
    if change < config.cut_colour:
        return False
    least = config.flash_return * change
    later = thumbnails[at + 1 : at + 1 + config.flash_frames]
    earlier = thumbnails[max(0, at - 1 - config.flash_frames) : at - 1]
    return all(_distance(before, frame) >= least for frame in later) and all(
        _distance(after, frame) >= least for frame in earlier
    )


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).mean())


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

    Two pictures that are alike up to gain and offset are one shot whose light changes; a span that changes less than
    half of the picture is a movement within it.
    """
    span = end - start
    typical = float(np.median(np.abs(span)))
    if typical < config.dissolve_colour or _correlation(start, end) > config.dissolve_alike:
        return NO_FIT
    moved = np.abs(span) >= typical
    progress = np.median(offsets[:, moved] / span[moved], axis=1)
    unexplained = np.median(np.abs(offsets - progress[:, None] * span), axis=1) / typical
    return float(np.hypot(_ramp_misfit(progress), np.sqrt((unexplained**2).mean())))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float(one @ other / max(np.sqrt((one @ one) * (other @ other)), 1e-9))
