"""Fragments into tracks. A tracker knows where a face went, not whose it is: across a gap the face itself decides.

Two people who cross, or a face behind an obstacle, leave a gap in the detections; what comes after it may be at the
old place and be somebody else, or at a new place and be the same.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from harvest.track import UNTRACKED, Floats, Ints

FACES = 3
"""Faces at either side of a gap that are compared: as near to the gap as can be, and more than one bad one."""


def fragments(frames: Ints, numbers: Ints, stride: int) -> list[Ints]:
    """Rows of each stretch of consecutive analysed frames that the tracker gave one number, by their first row.

    A detection that the tracker gave none is a fragment of its own: somebody who moves too fast to overlap himself.

    Args:
        frames: (n,) frame of each detection, ascending. numbers: (n,) track number or `UNTRACKED`.
    """
    found = [np.array([row]) for row in np.flatnonzero(numbers == UNTRACKED)]
    for number in np.unique(numbers[numbers != UNTRACKED]):
        rows = np.flatnonzero(numbers == number)
        found += np.split(rows, np.flatnonzero(np.diff(frames[rows]) > stride) + 1)
    return sorted(found, key=lambda rows: int(rows[0]))


def join_fragments(
    parts: Sequence[Ints],
    frames: Ints,
    numbers: Ints,
    gap: int,
    threshold: float | None,
    embed: Callable[[Ints], Floats],
) -> list[Ints]:
    """Rows of each track: fragments that follow one another within `gap` frames and show one face, the likest first.

    No track holds two faces of one frame: that is the shot's own cannot-link.

    Args:
        parts: of `fragments`. frames, numbers: as there.
        threshold: largest cosine distance of two fragments of one person; None: nobody knows it for these models, and
            the tracker's word counts alone.
        embed: rows → (len(rows), d) raw embeddings. Called only where there is something to decide.
    """
    pairs = _within_reach(parts, frames, gap)
    if threshold is None:
        number = [numbers[part[0]] for part in parts]
        near = [(0.0, a, b) for a, b in pairs if number[a] == number[b] != UNTRACKED]
    else:
        distances = [(_distance(embed(parts[a][-FACES:]), embed(parts[b][:FACES])), a, b) for a, b in pairs]
        near = [pair for pair in distances if pair[0] <= threshold]
    people, rows = DisjointSet(range(len(parts))), dict(enumerate(parts))
    for _, a, b in sorted(near):
        one, other = people[a], people[b]
        if one != other and not np.intersect1d(frames[rows[one]], frames[rows[other]]).size:
            people.merge(a, b)
            rows[people[a]] = np.sort(np.concatenate([rows[one], rows[other]]))
    return [rows[people[min(found)]] for found in sorted(people.subsets(), key=min)]


def _within_reach(parts: Sequence[Ints], frames: Ints, gap: int) -> list[tuple[int, int]]:
    """(a, b) where b begins after a has ended, at most `gap` frames later."""
    starts = np.array([frames[part[0]] for part in parts], np.int64)  # ascending, as `fragments` gives them
    ends = np.array([frames[part[-1]] for part in parts], np.int64)
    first, beyond = np.searchsorted(starts, ends, side="right"), np.searchsorted(starts, ends + gap, side="right")
    return [(a, b) for a in range(len(parts)) for b in range(int(first[a]), int(beyond[a]))]


def _distance(before: Floats, after: Floats) -> float:
    """Cosine distance of the mean directions of two sets of faces."""
    a, b = (np.sum(faces / np.linalg.norm(faces, axis=1, keepdims=True), axis=0) for faces in (before, after))
    return float(1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
