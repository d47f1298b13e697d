"""Frames of a movie, decoded forward, and the proof that its parts fit together.

Seeks and strided reads give wrong frames in several encodings without an error, so a segment starts by one accurate
seek, is read frame by frame, and its border is compared with what the neighbour decoded there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from harvest.containers import (
    Announcement,
    announcement,
    broken,
    ends_inside_a_packet,
    last_packet_end_s,
)
from harvest.errors import VideoDecodeError
from harvest.forward import ForwardStream

ANY_REPEATED_FRAME = 1e-9
"""decord fills a gap with copies of a neighbouring frame and says nothing; this share of the movie is its tolerance,
and the smallest above 0 (which means: off) turns the first copy into an error."""
MISSING_S = 1.0
"""An end this much before the announced one is a truncation; less is how containers round or pad. The same for a hole
in a movie that is otherwise of constant rate."""
CONSTANT_SHARE = 0.95
"""The rate is constant where this share of the steps is the median step, to the millisecond that containers keep."""


@dataclass(frozen=True)
class VideoFacts:
    """What is known of a video before its first frame is decoded."""

    frames: int
    fps: float
    """Frames per second, on average where the rate varies."""
    width: int
    height: int
    """As shown: rotation is applied, pixel aspect is not."""
    times_s: np.ndarray
    """(frames + 1,) float64: seconds from the first frame at which each frame is shown; the last is the movie's end."""
    seekable: bool = True
    """False: `frames(start)` decodes from frame 0 and drops what is before, so more segments only cost."""


class VideoReader(Protocol):
    """A video that is read forward."""

    facts: VideoFacts

    def frames(self, start: int) -> Iterator[tuple[int, np.ndarray]]:
        """(frame number, (h, w, 3) uint8 RGB) from `start` to the last announced frame, or VideoDecodeError."""


def open_video(
    path: str | Path, device: str = "cpu", num_threads: int = 1, longest_pause_s: float = MISSING_S
) -> VideoReader:
    """Open a video file with PyAV, or with decord where `device` is a GPU and there is an index to seek by.

    decord does not decode on a CPU because it reads ahead without a limit there (`harvest.forward`).

    Raises VideoDecodeError, which says what is wrong, for what is no video, has no picture, or is truncated. Found at
    opening: an MP4 or AVI with fewer frames than its header counts, a Matroska file that ends before its announced
    duration, a transport stream that ends inside a packet, a hole longer than `longest_pause_s` in a constant rate
    (mostly damage, and so refused; a recorder that paused leaves one too). Found while reading: any frame that is
    missing or that the decoder refuses. Not found: damage that still decodes to as many frames (a flipped bit may only
    spoil pictures), a Matroska block of less than a second lost in mid-movie, and a transport stream cut off between
    two packets, which announces no length.
    """
    path = Path(path)
    announced = announcement(path)
    if announced.format == "mpegts" and ends_inside_a_packet(path):
        raise VideoDecodeError(f"{path}: the file ends inside a packet (truncated? copy it again)")
    gpu = _gpu(device)
    if gpu is not None and announced.seekable:
        import decord

        reader: VideoReader = DecordReader(path, decord.gpu(gpu), num_threads)
        packets = reader.facts.frames
    else:
        stream = ForwardStream(path, num_threads, announced.timed)
        reader, packets = _ForwardReader(path, stream, announced.seekable), stream.packets
    _check_whole(path, announced, reader.facts, packets)
    _check_holes(path, reader.facts, longest_pause_s)
    return reader


def check_decode_device(device: str) -> None:
    """Raise VideoDecodeError at start, not in mid-movie, if `device` (cpu, cuda, cuda:1) cannot decode."""
    gpu = _gpu(device)
    if gpu is None:
        return
    import decord

    try:
        decord.ndarray.empty((1,), ctx=decord.gpu(gpu))
    except Exception as error:
        raise VideoDecodeError(
            f"decode.device is {device}, but decord cannot use it ({_first_line(error)}). "
            "The wheel is CPU only: build decord with CUDA, or set decode.device to cpu"
        ) from error


def _gpu(device: str) -> int | None:
    """Number of the GPU that decodes; None: the CPU does, for which nobody waits for decord to be loaded."""
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise VideoDecodeError(f"decode.device is {device!r}, which is none of cpu, cuda, cuda:N")
    return int(number or 0) if kind == "cuda" else None


def _check_whole(path: Path, announced: Announcement, facts: VideoFacts, packets: int) -> None:
    """Raise VideoDecodeError if the file holds less than its header announces; `packets`: of frames, shown or not."""
    if announced.frames is not None and packets < announced.frames:
        raise VideoDecodeError(f"{path}: {packets} of {announced.frames} announced frames are there (file truncated?)")
    end_s = float(facts.times_s[-1])
    if announced.duration_s is not None and end_s < announced.duration_s - MISSING_S:
        # sound may last longer than the picture: truncated is what ends early in every stream
        end_s = max(end_s, last_packet_end_s(path))
        if end_s < announced.duration_s - MISSING_S:
            there, wanted = timecode(end_s), timecode(announced.duration_s)
            raise VideoDecodeError(f"{path}: ends at {there} of {wanted} announced (file truncated?)")


def _check_holes(path: Path, facts: VideoFacts, longest_pause_s: float) -> None:
    """Raise VideoDecodeError if frames are missing within a movie of constant rate (a Matroska block that was lost)."""
    steps_s = np.diff(facts.times_s)
    usual = np.abs(steps_s - np.median(steps_s)) < 2e-3
    if usual.mean() >= min(CONSTANT_SHARE, 1 - 1 / len(steps_s)) and steps_s.max() > longest_pause_s + np.median(
        steps_s
    ):
        at, hole_s = timecode(float(facts.times_s[int(steps_s.argmax())])), float(steps_s.max())
        raise VideoDecodeError(
            f"{path}: no frames for {hole_s:.1f} s after {at} (file damaged? if the recorder paused there: "
            f"--set decode.longest_pause_s={np.ceil(hole_s):.0f})"
        )


def _open_decord(path: Path, context: object, num_threads: int) -> Any:
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    try:
        return decord.VideoReader(str(path), ctx=context, num_threads=num_threads, fault_tol=ANY_REPEATED_FRAME)
    except Exception as error:
        remedy = "set decode.device to cpu" if "gpu" in str(error).lower() else "file truncated?"
        raise VideoDecodeError(f"{path}: cannot be opened ({_first_line(error)}; {remedy})") from error


class DecordReader:
    """decord: `next()` from a start found by `seek_accurate`, never a batch, a stride or a second seek."""

    def __init__(self, path: Path, context: object, num_threads: int) -> None:
        self._open = partial(_open_decord, path, context, num_threads)
        self._path, self._unread = path, self._open()
        try:
            # the shown size is known only from a frame, since the decoder applies the rotation
            self._first = self._unread.next().asnumpy()
            self.facts = _decord_facts(self._unread, self._first.shape[1], self._first.shape[0])
        except (Exception, StopIteration) as error:
            raise VideoDecodeError(f"{path}: no frame can be decoded ({_first_line(error)})") from error

    def frames(self, start: int) -> Iterator[tuple[int, np.ndarray]]:
        return _announced_frames(self._path, self.facts, start, self._images(start))

    def _images(self, start: int) -> Iterator[np.ndarray]:
        video, first, self._unread = self._unread, self._first, None
        if video is None:
            video, first = self._open(), None
        if start > 0:
            video.seek_accurate(start)
        elif first is not None:
            yield first
        while True:
            try:
                image = video.next()
            except StopIteration:
                return
            yield image.asnumpy()


def _decord_facts(video: Any, width: int, height: int) -> VideoFacts:
    frames = len(video)
    shown_s = np.asarray(video.get_frame_timestamp(range(frames)), np.float64)
    starts_s = shown_s[:, 0] - shown_s[0, 0]
    step_s = float(np.median(np.diff(starts_s))) if frames > 1 else 0.0
    # the last frame's own duration is 0 or one tick in some containers: then a median step stands in for it
    end_s = float(starts_s[-1]) + max(step_s, float(shown_s[-1, 1] - shown_s[-1, 0]))
    fps = float(video.get_avg_fps())
    if not np.isfinite(fps) or fps <= 0:
        fps = frames / end_s if end_s > 0 else 25.0
    return VideoFacts(frames, fps, width, height, np.append(starts_s, end_s))


class _ForwardReader:
    """PyAV, which decodes a frame when it is asked for one; each frame is known by its time stamp."""

    def __init__(self, path: Path, stream: ForwardStream, seekable: bool) -> None:
        self._path, self._stream = path, stream
        self.facts = VideoFacts(stream.frames, stream.fps, stream.width, stream.height, stream.times_s, seekable)

    def frames(self, start: int) -> Iterator[tuple[int, np.ndarray]]:
        return _announced_frames(self._path, self.facts, start, self._stream.images(start, self.facts.seekable))


def _announced_frames(
    path: Path, facts: VideoFacts, start: int, images: Iterator[np.ndarray]
) -> Iterator[tuple[int, np.ndarray]]:
    """Number the images from `start`; an error or an end before the last announced frame is a VideoDecodeError."""
    index = start
    try:
        for index in range(start, facts.frames):
            yield index, next(images)
    except StopIteration:
        raise VideoDecodeError(f"{path}: {_no_frame(facts, index)} (file truncated?)") from None
    except Exception as error:
        raise broken(error, f"{path}: {_no_frame(facts, index)} ({_first_line(error)}; file damaged?)") from error


def _no_frame(facts: VideoFacts, index: int) -> str:
    return f"no frame {index} of {facts.frames} at {timecode(float(facts.times_s[index]))}"


def _first_line(error: BaseException) -> str:
    """What a decoder says of itself, without the time, source line and stack that decord puts around it."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].split(": ", 1)[-1][:200] if lines else type(error).__name__


def timecode(seconds: float) -> str:
    """hh:mm:ss of a time in a movie."""
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
