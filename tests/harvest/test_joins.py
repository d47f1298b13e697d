"""Across a gap the face decides: fragments of tracks and how they are joined."""

import numpy as np
import pytest

from harvest.joins import fragments, join_fragments
from harvest.track import UNTRACKED

STRIDE, GAP = 3, 24
ANNA, BEN = np.eye(4)[0], np.eye(4)[1]


def joined(frames: list[int], numbers: list[int], faces: list[np.ndarray], threshold: float | None) -> list[list[int]]:
    """Rows of each track, the embeddings being the given faces."""
    parts = fragments(np.array(frames), np.array(numbers), STRIDE)
    embedded = np.stack(faces)
    tracks = join_fragments(parts, np.array(frames), np.array(numbers), GAP, threshold, lambda rows: embedded[rows])
    return sorted(track.tolist() for track in tracks)


@pytest.mark.parametrize(
    ("numbers", "faces", "tracks"),
    [
        pytest.param([1, 1, 1, 1], [ANNA] * 4, [[0, 1, 2, 3]], id="the same face at the same place is one track"),
        pytest.param([1, 1, 1, 1], [ANNA, ANNA, BEN, BEN], [[0, 1], [2, 3]], id="another face at the old place is not"),
        pytest.param([1, 1, 2, 2], [ANNA] * 4, [[0, 1, 2, 3]], id="the same face at a new place is one track"),
        pytest.param([1, 1, 2, 2], [ANNA, ANNA, BEN, BEN], [[0, 1], [2, 3]], id="two faces stay two tracks"),
        pytest.param(
            [1, 1, UNTRACKED, 2], [ANNA, ANNA, ANNA, BEN], [[0, 1, 2], [3]], id="a face too fast to track joins"
        ),
    ],
)
def test_across_a_gap_the_face_decides(numbers: list[int], faces: list[np.ndarray], tracks: list[list[int]]) -> None:
    assert joined([0, 3, 15, 18], numbers, faces, 0.5) == tracks


def test_a_gap_too_long_is_never_bridged() -> None:
    assert joined([0, 3, 30, 33], [1, 1, 1, 1], [ANNA] * 4, 0.5) == [[0, 1], [2, 3]]


def test_two_people_who_swap_places_keep_their_own_tracks() -> None:
    """Both vanish behind each other at frame 6 and come out at frame 15, where the tracker takes one for the other."""
    frames, numbers = [0, 0, 3, 3, 15, 15, 18, 18], [1, 2, 1, 2, 1, 2, 1, 2]
    faces = [ANNA, BEN, ANNA, BEN, BEN, ANNA, BEN, ANNA]
    assert joined(frames, numbers, faces, 0.5) == [[0, 2, 5, 7], [1, 3, 4, 6]]


def test_the_likest_of_two_followers_is_taken_and_the_other_is_left() -> None:
    nearly = np.array([1.0, 0.2, 0, 0])
    assert joined([0, 3, 12, 12], [1, 1, 2, 3], [ANNA, ANNA, nearly, ANNA], 0.5) == [[0, 1, 3], [2]]


def test_without_a_threshold_the_tracker_is_believed_and_nothing_is_embedded() -> None:
    frames, numbers = np.array([0, 3, 15, 18]), np.array([1, 1, 1, 2])

    def never(rows: np.ndarray) -> np.ndarray:
        raise AssertionError("embedded")

    parts = fragments(frames, numbers, STRIDE)
    assert [rows.tolist() for rows in join_fragments(parts, frames, numbers, GAP, None, never)] == [[0, 1, 2], [3]]


def test_a_track_that_flickers_between_two_numbers_is_one() -> None:
    """The likest faces are every other one: joined to each other alone they would be two tracks of one person."""
    side = np.array([0.6, 0, 0.8, 0])
    faces = [ANNA, side, ANNA, side, ANNA, side]
    assert joined([0, 3, 6, 9, 12, 15], [1, 2, 1, 2, 1, 2], faces, 0.5) == [[0, 1, 2, 3, 4, 5]]


def test_faces_of_one_frame_are_never_joined() -> None:
    assert joined([0, 0], [UNTRACKED, UNTRACKED], [ANNA, ANNA], 0.5) == [[0], [1]]
