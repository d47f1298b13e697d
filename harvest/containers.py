"""What a video file announces before a frame is decoded, read with PyAV from its header (and, where that is not
enough, from its packets), and the reader for the files in which decord miscounts: MPEG streams and trimmed MP4s.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from harvest.errors import VideoDecodeError

STREAMED = {"mpegts", "mpeg"}
"""Formats without an index: decord's own rewind to frame 0 landed on frame 48 of such a file and raised nothing."""
PACKET_BYTES = (188, 192, 204)
"""Sizes of a transport stream packet: plain, with time code (m2ts), with error correction."""


@dataclass(frozen=True)
class Announcement:
    """What a file says of its first video stream."""

    format: str
    frames: int | None
    """Frames of the index or header; None where there is no count."""
    duration_s: float | None
    """Length of the longest stream, from the header; None where it is only estimated from what is there."""
    decord_counts_right: bool


def announcement(path: Path) -> Announcement:
    """Read a file's header. Raises VideoDecodeError if it is missing, unreadable, empty or no video with a picture."""
    _check_readable(path)
    try:
        with av.open(str(path)) as container:
            if all(stream.disposition & Disposition.attached_pic for stream in container.streams.video):
                raise VideoDecodeError(f"{path}: no video in it, only {_kinds(container)} (take it out of the corpus)")
            stream = container.streams.video[0]
            name = container.format.name
            streamed = name in STREAMED
            trimmed = any(entry.is_discard for entry in stream.index_entries)
            announced = None if streamed or container.duration is None else container.duration / av.time_base
            return Announcement(name, stream.frames or None, announced, not streamed and not trimmed)
    except (av.FFmpegError, OSError) as error:
        raise VideoDecodeError(f"{path}: not a video, or truncated before its index ({_reason(error)})") from error


def _check_readable(path: Path) -> None:
    if not path.exists():
        raise VideoDecodeError(f"{path}: no such file")
    if path.is_dir():
        raise VideoDecodeError(f"{path}: a folder, not a video")
    try:
        with path.open("rb") as file:
            first = file.read(1)
    except OSError as error:
        raise VideoDecodeError(f"{path}: cannot be read ({error.strerror}; check its permissions)") from error
    if not first:
        raise VideoDecodeError(f"{path}: empty, 0 bytes (copy it again)")


def _kinds(container: Any) -> str:
    """What there is beside a cover picture, which is a video stream of one frame."""
    found = {s.type for s in container.streams if not (s.type == "video" and s.disposition & Disposition.attached_pic)}
    return " and ".join(sorted(found)) or "nothing"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def last_packet_end_s(path: Path) -> float:
    """End in seconds of the latest packet of any stream, found by reading the whole file without decoding."""
    latest = 0.0
    with av.open(str(path)) as container:
        try:
            for packet in container.demux():
                if packet.pts is not None and packet.time_base is not None:
                    latest = max(latest, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        except av.FFmpegError:
            pass  # the packets end where the damage begins, which is the question
        origin = (container.start_time or 0) / av.time_base
    return latest - origin


def ends_inside_a_packet(path: Path) -> bool:
    """True for a transport stream whose size is no whole number of packets: its copy was cut off."""
    return all(os.path.getsize(path) % size for size in PACKET_BYTES)


class ForwardStream:
    """A video stream read by PyAV from its first key frame on, each frame checked by its time stamp.

    Which frames there are is read from the packets (a pass without decoding); decoding must then give exactly these
    time stamps in order, none marked corrupt. A transport stream announces no length: one that was cut off between two
    frames is a shorter movie in every respect and cannot be told from a whole one.
    """

    def __init__(self, path: Path, num_threads: int) -> None:
        self._path, self._threads = path, num_threads
        with self._open() as container:
            stream = container.streams.video[0]
            self._stamps = np.array(_shown_stamps(container, path), np.int64)
            if not len(self._stamps):
                raise VideoDecodeError(f"{path}: no frame in it can be decoded (not a whole video?)")
            tick_s = float(stream.time_base)
            rate = float(stream.average_rate or 0)
        self.height, self.width = next(self.images()).shape[:2]
        starts_s = (self._stamps - self._stamps[0]) * tick_s
        step_s = float(np.median(np.diff(starts_s))) if len(starts_s) > 1 else 1 / (rate or 25.0)
        self.times_s = np.append(starts_s, starts_s[-1] + step_s)
        self.fps = rate or len(starts_s) / float(self.times_s[-1])

    def _open(self) -> Any:
        try:
            return av.open(str(self._path))
        except (av.FFmpegError, OSError) as error:
            raise VideoDecodeError(f"{self._path}: not a video ({_reason(error)})") from error

    def images(self) -> Iterator[np.ndarray]:
        """Every frame from 0 on as (h, w, 3) uint8 RGB. Raises VideoDecodeError where one is missing or damaged."""
        index = 0
        with self._open() as container:
            container.streams.video[0].codec_context.thread_count = self._threads
            try:
                for frame in container.decode(video=0):
                    if frame.pts is not None and frame.pts < self._stamps[0]:
                        continue  # leading frames of an open group, without the frames they refer to
                    if frame.is_corrupt or index == len(self._stamps) or frame.pts != self._stamps[index]:
                        raise av.InvalidDataError(0, "a frame is missing or damaged")
                    yield np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90))
                    index += 1
            except av.FFmpegError as error:
                raise VideoDecodeError(f"{self._path}: {_reason(error)}") from error


def _shown_stamps(container: Any, path: Path) -> list[int]:
    """Presentation times (ticks, ascending) of the frames that decoding from the first key frame on will show."""
    stamps: list[int] = []
    first_key: int | None = None
    for packet in _packets(container, path):
        if not packet.size:
            continue
        if packet.pts is None:
            raise VideoDecodeError(f"{path}: frames without time stamps (put it into an MP4 or MKV container)")
        if first_key is None and packet.is_keyframe:
            first_key = packet.pts
        if first_key is not None and packet.pts >= first_key and not packet.is_discard:
            stamps.append(packet.pts)
    return sorted(stamps)


def _packets(container: Any, path: Path) -> Iterator[Any]:
    try:
        yield from container.demux(video=0)
    except (av.FFmpegError, IndexError) as error:  # IndexError: a stream of which the file's start knows nothing
        raise VideoDecodeError(f"{path}: a damaged packet ({_reason(error)}; copy the file again)") from error
