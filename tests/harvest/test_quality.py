"""Quality of faces: the pose of known rotations, of real faces that visibly look left or right, blur and darkness."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from harvest.config import DetectConfig, QualityConfig
from harvest.faces import FaceModels, find_pack, load_models
from harvest.quality import FaceQuality, face_quality, head_pose, track_flags

# eyes, nose, mouth corners in mm of an anthropometric head: x to the viewer's right, y down, z away from the viewer
HEAD = np.array([(-32, -33, 0), (32, -33, 0), (0, 2, -29), (-26, 33, 0), (26, 33, 0)], float)


def landmarks(yaw: float, pitch: float, roll: float = 0) -> np.ndarray:
    """Landmarks (1, 5, 2) of a head that looks `yaw` degrees to the viewer's right, `pitch` up, tilted by `roll`."""
    y, p, r = np.radians((yaw, pitch, roll))
    turn = np.array([(np.cos(y), 0, -np.sin(y)), (0, 1, 0), (np.sin(y), 0, np.cos(y))])
    nod = np.array([(1, 0, 0), (0, np.cos(p), np.sin(p)), (0, -np.sin(p), np.cos(p))])
    tilt = np.array([(np.cos(r), -np.sin(r), 0), (np.sin(r), np.cos(r), 0), (0, 0, 1)])
    seen: np.ndarray = HEAD @ (tilt @ nod @ turn).T
    return seen[None, :, :2] + 200


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"),
    [
        pytest.param(0, 0, 0, id="a face that looks into the camera"),
        pytest.param(30, 0, 0, id="a face that looks to the viewer's right"),
        pytest.param(-60, 0, 0, id="a face well turned to the viewer's left"),
        pytest.param(85, 0, 0, id="a profile"),
        pytest.param(0, 20, 0, id="a face that looks up"),
        pytest.param(0, -20, 0, id="a face that looks down"),
        pytest.param(40, -10, 35, id="a turned face on a tilted head: roll does not count as yaw or pitch"),
    ],
)
def test_pose_of_a_known_rotation_is_found(yaw: float, pitch: float, roll: float) -> None:
    got_yaw, got_pitch = head_pose(landmarks(yaw, pitch, roll))
    assert got_yaw[0] == pytest.approx(yaw, abs=6)
    assert got_pitch[0] == pytest.approx(pitch, abs=6)


def test_landmarks_in_one_place_have_a_finite_pose() -> None:
    yaw, pitch = head_pose(np.full((1, 5, 2), 7.0))
    assert np.isfinite(yaw).all()
    assert np.isfinite(pitch).all()


def test_no_face_gives_empty_measures() -> None:
    quality = face_quality(np.zeros((20, 30, 3), np.uint8), np.empty((0, 4)), np.empty((0, 5, 2)))
    assert [len(part) for part in vars(quality).values()] == [0, 0, 0, 0]
    assert all(part.dtype == np.float32 for part in vars(quality).values())


@pytest.mark.parametrize("box", [(-50, -50, -10, -10), (90, 90, 300, 300), (5, 5, 5, 5)])
def test_a_box_at_or_beyond_the_edge_is_measured_without_an_error(box: tuple[int, ...]) -> None:
    frame = np.full((100, 100, 3), 80, np.uint8)
    quality = face_quality(frame, np.array([box], np.float32), landmarks(0, 0))
    assert quality.brightness[0] == pytest.approx(80, abs=1)


def test_blur_lowers_sharpness_and_less_light_lowers_brightness() -> None:
    frame = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    box = np.array([(20, 20, 180, 180)], np.float32)
    sharp, blurred, dark = (
        face_quality(image, box, landmarks(0, 0)) for image in (frame, cv2.GaussianBlur(frame, (0, 0), 5), frame // 4)
    )
    assert blurred.sharpness[0] < sharp.sharpness[0] / 10
    assert dark.brightness[0] == pytest.approx(sharp.brightness[0] / 4, abs=2)


def test_flags_follow_the_thresholds_of_the_config() -> None:
    config = QualityConfig(profile_yaw=40, blurred_sharpness=10, dark_brightness=60)
    medians = FaceQuality(np.array([9.0, 10.0]), np.array([59.0, 60.0]), np.array([40.0, 39.0]), np.zeros(2))
    flags = track_flags(medians, config)
    assert flags.profile.tolist() == [True, False]
    assert flags.frontal.tolist() == [False, True]
    assert flags.blurred.tolist() == [True, False]
    assert flags.dark.tolist() == [True, False]


@pytest.fixture(scope="module")
def models(pack_folder: Path) -> FaceModels:
    return load_models(find_pack(str(pack_folder)), DetectConfig())


def frame_of(path: Path, number: int) -> np.ndarray:
    video = cv2.VideoCapture(str(path))
    for _ in range(number + 1):
        _, frame = video.read()
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))


def test_two_people_who_face_each_other_look_to_opposite_sides(models: FaceModels, clips: Path) -> None:
    frame = frame_of(clips / "tears_of_steel.mp4", 252)
    found = models.detect([frame])[0]
    quality = face_quality(frame, found.boxes, found.landmarks)
    left, right = np.argsort(found.boxes[:, 0])[[0, -1]]
    assert quality.yaw[left] > 45
    assert quality.yaw[right] < -45


def test_an_audience_in_the_dark_is_dark_and_the_performer_is_not(models: FaceModels, clips: Path) -> None:
    dark = []
    for number in (150, 240):  # the performer; the audience
        frame = frame_of(clips / "hamilton.mp4", number)
        found = models.detect([frame])[0]
        quality = face_quality(frame, found.boxes, found.landmarks)
        best = FaceQuality(*(np.median(np.abs(part)) for part in vars(quality).values()))
        dark.append(bool(track_flags(best, QualityConfig()).dark))
    assert dark == [False, True]
