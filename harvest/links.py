"""Cannot-link: two tracks that are seen together in a frame are different people (Multi-Face, section 3.1)."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harvest.config import LinksConfig
from harvest.track import Floats, Ints, overlap_of_smaller


@dataclass(frozen=True)
class CannotLink:
    """A pair of tracks of one shot (a < b) and the frames in which both were detected, apart from each other."""

    a: int
    b: int
    frames_together: int
    first_frame: int
    last_frame: int


def cannot_links(tracks: list[tuple[Ints, Floats]], config: LinksConfig) -> list[CannotLink]:
    """The cannot-link pairs among the tracks of one shot.

    A frame counts where both faces were detected and their boxes overlap by at most `config.overlap` of the smaller
    one: a face that was found twice is never seen apart from itself, two people who cross are before and after.

    Args:
        tracks: per track its detected frames (n,), ascending, frames of a dissolve left out, and their boxes (n, 4).
    """
    pairs = []
    for (a, (frames_a, boxes_a)), (b, (frames_b, boxes_b)) in combinations(enumerate(tracks), 2):
        together, at_a, at_b = np.intersect1d(frames_a, frames_b, assume_unique=True, return_indices=True)
        apart = together[overlap_of_smaller(boxes_a[at_a], boxes_b[at_b]) <= config.overlap]
        if len(apart) >= config.frames:
            pairs.append(CannotLink(a, b, len(apart), int(apart[0]), int(apart[-1])))
    return pairs
