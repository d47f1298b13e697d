"""Faces become tracks: the same ones after every reset, with a box on each frame and none beyond the shot."""

import numpy as np
import pytest

from harvest.config import TrackConfig
from harvest.track import (
    UNTRACKED,
    FaceTracker,
    Floats,
    Ints,
    claim_first_detections,
    fill_boxes,
    iou,
    overlap_of_smaller,
)

CONFIG = TrackConfig()
FPS = 10.0


def box(x: float, y: float = 50, size: float = 40) -> list[float]:
    return [x, y, x + size, y + size]


def follow(frames: list[list[list[float]]], tracker: FaceTracker | None = None) -> list[list[int]]:
    """Track numbers of the boxes of each analysed frame, numbered as they come up; -1: none."""
    tracker = tracker or FaceTracker(FPS, 0.5, CONFIG)
    raw = [
        tracker.update(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32))
        for boxes in frames
    ]
    names: dict[int, int] = {UNTRACKED: UNTRACKED}
    return [[names.setdefault(int(n), len(names) - 1) for n in numbers] for numbers in raw]


def walk(n: int, start: float = 10, step: float = 4, y: float = 50) -> list[list[float]]:
    return [box(start + i * step, y) for i in range(n)]


def test_two_people_keep_their_numbers_in_whatever_order_they_are_found() -> None:
    left, right = walk(12), walk(12, start=300, step=-4)
    frames = [[a, b] if i % 2 else [b, a] for i, (a, b) in enumerate(zip(left, right, strict=True))]
    numbers = [row if i % 2 else row[::-1] for i, row in enumerate(follow(frames))]
    assert numbers[1:] == [[numbers[1][0], numbers[1][1]]] * 11
    assert numbers[1][0] != numbers[1][1]


@pytest.mark.parametrize(("hidden", "same"), [(3, True), (8, True), (14, False)])
def test_a_face_that_comes_back_is_the_same_track_within_the_gap(hidden: int, same: bool) -> None:
    still = [[box(100)]] * 8
    numbers = follow(still + [[]] * hidden + still)  # the gap is a second: ten analysed frames
    assert (numbers[7] == numbers[-1]) == same


def test_a_reset_forgets_everything_and_a_reset_tracker_works_as_a_new_one() -> None:
    shot = [[a, b] for a, b in zip(walk(10), walk(10, start=250, y=120), strict=True)]
    tracker = FaceTracker(FPS, 0.5, CONFIG)
    follow([[box(200)]] * 15, tracker)
    tracker.reset()
    assert follow(shot, tracker) == follow(shot)


def test_no_face_in_a_frame_is_no_number_and_counts_as_time() -> None:
    assert follow([[]] * 3) == [[], [], []]


@pytest.mark.parametrize(
    ("case", "frames", "boxes", "tracks", "claimed"),
    [
        ("the detection just before its first", [0, 3, 6], [0, 2, 4], [-1, 5, 5], [5, 5, 5]),
        ("not one two analysed frames before", [0, 6, 9], [0, 2, 4], [-1, 5, 5], [-1, 5, 5]),
        ("not one elsewhere in the picture", [0, 3, 6], [200, 2, 4], [-1, 5, 5], [-1, 5, 5]),
        ("not one that another track has", [0, 3, 6], [0, 2, 4], [7, 5, 5], [7, 5, 5]),
        ("the nearer of two", [0, 0, 3], [15, 1, 2], [-1, -1, 5], [-1, 5, 5]),
        ("nothing where no track is", [0, 3], [0, 2], [-1, -1], [-1, -1]),
    ],
)
def test_a_track_claims(case: str, frames: list[int], boxes: list[int], tracks: list[int], claimed: list[int]) -> None:
    found = claim_first_detections(_ints(frames), _boxes(boxes), _ints(tracks), stride=3, match_iou=0.2)
    assert found.tolist() == claimed, case


@pytest.mark.parametrize(
    ("case", "frames", "filled", "left_edges"),
    [
        ("between detections, and half a stride beyond", [9, 12], [8, 9, 10, 11, 12, 13], [-1, 0, 1, 2, 3, 4]),
        ("on to the shot's end at its pace", [12, 15], [11, 12, 13, 14, 15, 16], [-1, 0, 1, 2, 3, 4]),
        ("back to the shot's start", [6, 9], [4, 5, 6, 7, 8, 9, 10], [-2, -1, 0, 1, 2, 3, 4]),
        ("a single one stands still", [6], [4, 5, 6, 7], [0, 0, 0, 0]),
        ("a single one in mid-shot is half a stride to either side", [9], [8, 9, 10], [0, 0, 0]),
    ],
)
def test_boxes_are_filled(case: str, frames: list[int], filled: list[int], left_edges: list[int]) -> None:
    """The shot is [4, 17), analysed at 6, 9, 12, 15; the face moves 1 px a frame."""
    boxes = _boxes([frame - frames[0] for frame in frames])
    every, found = fill_boxes(_ints(frames), boxes, (6, 15), (4, 17), stride=3)
    assert every.tolist() == filled, case
    assert found[:, 0].tolist() == left_edges
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("case", "one", "other", "by_union", "by_smaller"),
    [
        ("the same", (0, 0, 10, 10), (0, 0, 10, 10), 1, 1),
        ("apart", (0, 0, 10, 10), (20, 20, 30, 30), 0, 0),
        ("touching", (0, 0, 10, 10), (10, 0, 20, 10), 0, 0),
        ("half over", (0, 0, 10, 10), (5, 0, 15, 10), 1 / 3, 1 / 2),
        ("within", (0, 0, 10, 10), (2, 2, 7, 7), 1 / 4, 1),
        ("one without area", (0, 0, 10, 10), (5, 5, 5, 5), 0, 0),
    ],
)
def test_overlap(case: str, one: tuple[int, ...], other: tuple[int, ...], by_union: float, by_smaller: float) -> None:
    a, b = np.array([one], np.float32), np.array([other], np.float32)
    assert iou(a, b)[0] == pytest.approx(by_union), case
    assert overlap_of_smaller(a, b)[0] == pytest.approx(by_smaller)


def _ints(values: list[int]) -> Ints:
    return np.array(values, np.int64)


def _boxes(lefts: list[int]) -> Floats:
    return np.array([box(left) for left in lefts], np.float32)
