"""Shots begin where they do: exact on real clips, on photomovies of known truth, and the same from any start."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from harvest.config import ShotsConfig
from harvest.shots import MarkedFrame, mark_shots
from harvest.video import open_video

CONFIG = ShotsConfig()
Frames = list[np.ndarray]
Span = tuple[int, int]


def marks(frames: Frames, start: int = 0, config: ShotsConfig = CONFIG) -> list[MarkedFrame]:
    """Marked frames of the movie `frames`, read from frame `start` on."""
    numbered = ((start + i, image) for i, image in enumerate(frames[start:]))
    return list(mark_shots(numbered, config, keep=lambda index: False))


def cuts(marked: list[MarkedFrame]) -> list[int]:
    return [frame.index for frame in marked if frame.begins == "cut"]


def dissolves(marked: list[MarkedFrame]) -> list[Span]:
    """First and last frame of each dissolve."""
    begins = [i for i, frame in enumerate(marked) if frame.begins == "dissolve"]
    ends = [next((j for j in range(i, len(marked)) if marked[j].settled), len(marked)) for i in begins]
    return [(marked[i].index, marked[i].index + j - i - 1) for i, j in zip(begins, ends, strict=True)]


def small_clip(path: Path) -> Frames:
    return [cv2.resize(image, (320, 180), interpolation=cv2.INTER_AREA) for _, image in open_video(path).frames(0)]


@pytest.fixture(scope="module")
def hamilton(clips: Path) -> Frames:
    return small_clip(clips / "hamilton.mp4")


@pytest.fixture(scope="module")
def tears(clips: Path) -> Frames:
    return small_clip(clips / "tears_of_steel.mp4")


@pytest.mark.parametrize(
    ("name", "truth"), [("hamilton", [20, 82, 211]), ("tears_of_steel", [59]), ("street", [])], ids=lambda v: str(v)
)
def test_a_real_clip_has_exactly_its_cuts(clips: Path, name: str, truth: list[int]) -> None:
    marked = list(mark_shots(open_video(clips / f"{name}.mp4").frames(0), CONFIG, keep=lambda index: False))
    assert cuts(marked) == truth
    assert dissolves(marked) == []
    assert [frame.index for frame in marked if frame.begins == "start"] == [0]
    assert all(frame.settled for frame in marked)


@pytest.mark.parametrize("light", [0.5, 0.3, 0.2])
def test_a_dark_movie_has_the_same_cuts(hamilton: Frames, light: float) -> None:
    assert cuts(marks([(image * light).astype(np.uint8) for image in hamilton])) == [20, 82, 211]


def test_every_start_gives_the_same_marks_from_one_window_later_on(hamilton: Frames, tears: Frames) -> None:
    movie = dissolve(dissolve(hamilton[60:100], tears[70:105], 12), hamilton[195:230], 5) + tears[40:70]
    assert_same_from_every_start(movie, step=1)


def test_every_start_in_a_photomovie_gives_the_same_marks(bench: Path) -> None:
    frames = [image for index, image in open_video(bench / "photomovies/pm_dev1.mp4").frames(300) if index < 600]
    assert_same_from_every_start(frames, step=17)


def assert_same_from_every_start(movie: Frames, step: int) -> None:
    whole = marks(movie)
    assert len([frame for frame in whole if frame.begins]) > 3
    for segment_start in range(CONFIG.context + 1, len(movie), step):
        part = marks(movie, segment_start - CONFIG.context)
        assert all(frame.begins is None for frame in part[: CONFIG.context]), "the neighbour marks these"
        rest, wanted = part[CONFIG.context :], whole[segment_start:]
        assert [frame.begins for frame in rest] == [frame.begins for frame in wanted]
        first = next((i for i, frame in enumerate(wanted) if frame.begins), len(wanted))
        assert [frame.settled for frame in rest[first:]] == [frame.settled for frame in wanted[first:]]


def dissolve(before: Frames, after: Frames, length: int) -> Frames:
    """`before`, of which the last frames mix linearly into the first frames of `after`."""
    mixed = [
        (a * (1 - share) + b * share).astype(np.uint8)
        for a, b, share in zip(
            before[-length:], after, np.arange(1, length + 1, dtype=np.float64) / (length + 1), strict=False
        )
    ]
    return before[:-length] + mixed + after[length:]


@pytest.mark.parametrize("length", [4, 8, 12, 16, 20, 24])
def test_a_dissolve_between_moving_pictures_is_one_mark_within_it(hamilton: Frames, tears: Frames, length: int) -> None:
    for before, after in (
        (hamilton[20:82], tears[70:150]),
        (tears[290:357], hamilton[90:160]),
        (tears[:59], hamilton[211:]),
    ):
        marked = marks(dissolve(before, after, length))
        first = len(before) - length
        assert cuts(marked) == []
        assert len(dissolves(marked)) == 1
        start, last = dissolves(marked)[0]
        assert first - 1 <= start < first + length / 2
        assert last <= first + length


def test_frames_within_a_dissolve_are_not_settled(hamilton: Frames, tears: Frames) -> None:
    marked = marks(dissolve(hamilton[90:140], tears[70:120], 12))
    assert [frame.index for frame in marked if not frame.settled] == list(range(38, 50))
    assert marked[38].begins == "dissolve"


def dimmed(frames: Frames) -> Frames:
    return [(image * np.clip(1 - (i - 20) / 15, 0.2, 1)).astype(np.uint8) for i, image in enumerate(frames)]


def lit(frames: Frames) -> Frames:
    return [255 * (image / 255) ** np.clip(1 + (i - 20) / 12, 1, 2) for i, image in enumerate(frames)]


def flashed(frames: Frames) -> Frames:
    return [np.full_like(image, 250) if 30 <= i < 33 else image for i, image in enumerate(frames)]


def zoomed(frames: Frames) -> Frames:
    still = frames[0]
    return [cv2.resize(still, None, fx=1 + i / 40, fy=1 + i / 40)[:180, :320] for i in range(60)]


def panned(frames: Frames) -> Frames:
    wide = np.hstack([frames[0], frames[0][:, ::-1], frames[0]])
    return [np.ascontiguousarray(wide[:, 8 * i : 8 * i + 320]) for i in range(80)]


@pytest.mark.parametrize("change", [dimmed, lit, flashed, zoomed, panned])
def test_light_flashes_and_camera_moves_begin_no_shot(tears: Frames, change: Callable[[Frames], Frames]) -> None:
    for part in (tears[70:150], tears[290:357], tears[:59]):
        marked = marks([np.asarray(image).astype(np.uint8) for image in change(part)])
        assert [(frame.index, frame.begins) for frame in marked if frame.begins] == [(0, "start")]


@pytest.mark.parametrize("length", [3, 6, 7, 12, 30])
def test_a_short_shot_between_two_others_begins_and_ends(hamilton: Frames, tears: Frames, length: int) -> None:
    assert cuts(marks(hamilton[30:60] + tears[100 : 100 + length] + hamilton[100:150])) == [30, 30 + length]


def test_images_are_held_only_where_they_are_kept_and_come_one_window_late(hamilton: Frames) -> None:
    taken = 0

    def counted() -> Iterator[tuple[int, np.ndarray]]:
        nonlocal taken
        for index, image in enumerate(hamilton[:100]):
            taken += 1
            yield index, image

    for frame in mark_shots(counted(), CONFIG, keep=lambda index: index % 3 == 0):
        assert (frame.image is hamilton[frame.index]) == (frame.index % 3 == 0)
        assert taken == min(100, frame.index + CONFIG.context + 1)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 40])
def test_a_movie_shorter_than_the_window_has_one_shot(hamilton: Frames, count: int) -> None:
    marked = marks(hamilton[100 : 100 + count])
    assert [frame.index for frame in marked] == list(range(count))
    assert [frame.begins for frame in marked] == (["start"] + [None] * (count - 1))[:count]


def score_marks(marked: list[MarkedFrame], truth: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Found, true and reported number of cuts, and of dissolves; a dissolve counts where the spans overlap within 1."""
    spans = [tuple(span) for span in truth["dissolves"]]
    true_cuts = set(truth["starts"]) - {0} - {first for first, _ in spans}
    found_cuts, found = set(cuts(marked)), dissolves(marked)
    hits = [span for span in spans if any(first <= span[1] + 1 and last >= span[0] - 1 for first, last in found)]
    return (
        np.array([len(true_cuts & found_cuts), len(true_cuts), len(found_cuts)]),
        np.array([len(hits), len(spans), len(found)]),
    )


@pytest.mark.parametrize(
    "name",
    ["pm_dev1", pytest.param("pm_dev2", marks=pytest.mark.slow), pytest.param("pm_dev3", marks=pytest.mark.slow)],
)
def test_photomovies_are_cut_as_they_were_made(bench: Path, name: str) -> None:
    truth = json.loads((bench / f"photomovies/{name}.shots.json").read_text())
    frames = open_video(bench / f"photomovies/{name}.mp4").frames(0)
    marked = list(mark_shots(frames, CONFIG, keep=lambda index: False))
    for (found, true, reported), goal in zip(score_marks(marked, truth), (0.99, 0.9), strict=True):
        assert found >= goal * true
        assert found >= goal * reported
    assert all(a.index + 1 == b.index for a, b in pairwise(marked))
