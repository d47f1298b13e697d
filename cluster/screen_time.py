"""How long somebody is on screen, and the numbers that a movie's characters bear for it wherever they are shown."""

from collections.abc import Iterable

import numpy as np

from cluster.constraints import Floats, Integers
from cluster.metrics import UNKNOWN


def seconds_covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union of `[start_s, end_s)` spans, seconds: two tracks at one time count once."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return total


def numbered_by_screen_time(labels: Integers, spans: Floats) -> Integers:
    """Labels (n,) 0 … K−1 → cluster ids (n,): 1 is on screen longest, ties to the lower label; −1 stays.

    `spans`: (n, 2) when each track begins and ends, seconds. From 1: so a person counts the characters of a sheet.
    """
    found = np.unique(labels[labels != UNKNOWN])
    seconds = np.array([seconds_covered(map(tuple, spans[labels == label].tolist())) for label in found])
    ids = np.full(len(found) + 1, UNKNOWN, dtype=np.int64)
    ids[np.lexsort((found, -seconds))] = np.arange(1, len(found) + 1)
    return ids[np.where(labels == UNKNOWN, len(found), np.searchsorted(found, labels))]
