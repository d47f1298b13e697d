"""Segments of a movie, and the proof that what neighbours decoded fits together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from math import ceil

import numpy as np


@dataclass(frozen=True)
class Segment:
    """Frames [start, stop) of a movie; the shots that start in it belong to it."""

    start: int
    stop: int


def plan_segments(frames: int, fps: float, segment_minutes: float | None, context: int) -> list[Segment]:
    """Split a movie evenly into segments of at most `segment_minutes` (None: one), each at least 4 × `context` long."""
    wanted = 1 if not segment_minutes else ceil(frames / max(1.0, segment_minutes * 60 * fps))
    count = max(1, min(wanted, frames // (4 * context)))
    borders = [frames * i // count for i in range(count + 1)]
    return [Segment(start, stop) for start, stop in pairwise(borders)]


def frame_digest(image: np.ndarray) -> bytes:
    """16 bytes that differ where two decoded frames do."""
    return blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


def borders_agree(digests: Sequence[Mapping[int, bytes]], segments: Sequence[Segment], context: int) -> bool:
    """Whether the neighbours at each border decoded the same 2 × `context` frames around it.

    digests: per segment, frame number → frame_digest, of at least [border − context, border + context) at its borders.
    The first segment starts at frame 0 without a seek, so agreement at every border carries that on to the last one.
    Frames that look alike under a shift (black, a still) prove nothing about a shift: then the answer is False.
    """
    for (left, right), segment in zip(pairwise(digests), segments[1:], strict=True):
        numbers = range(segment.start - context, segment.start + context)
        seen = [left.get(number) for number in numbers]
        if None in seen or seen != [right.get(number) for number in numbers] or _alike_when_shifted(seen):
            return False
    return True


def _alike_when_shifted(seen: Sequence[bytes | None]) -> bool:
    return any(all(a == b for a, b in zip(seen, seen[shift:], strict=False)) for shift in range(1, len(seen)))
