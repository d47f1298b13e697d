"""What a video file announces before a frame is decoded, read with PyAV from its header (and, where that is not
enough, from its packets)."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from harvest.errors import MovieOutOfReachError, VideoDecodeError

STREAMED = {"mpegts", "mpeg"}
"""Formats without an index: decord's own rewind to frame 0 landed on frame 48 of such a file and raised nothing."""
PACKET_BYTES = (188, 192, 204)
"""Sizes of a transport stream packet: plain, with time code (m2ts), with error correction."""


@dataclass(frozen=True)
class Announcement:
    """What a file says of the video that a player shows."""

    format: str
    frames: int | None
    """Frames of the index or header; None where there is no count."""
    duration_s: float | None
    """Length of the longest stream, from the header; None where it is only estimated from what is there."""
    seekable: bool
    """Whether there is an index to seek by, and nothing in it that a player leaves out."""
    timed: bool
    """False: frames have no time stamps of their own (AVI with B-frames); FFmpeg guesses some."""


def announcement(path: Path) -> Announcement:
    """Read a file's header. Raises VideoDecodeError if it is missing, unreadable, empty or no video with a picture."""
    _check_readable(path)
    try:
        with av.open(str(path)) as container:
            stream = video_stream(container)
            if stream is None:
                raise VideoDecodeError(f"{path}: no video in it, only {_kinds(container)} (take it out of the corpus)")
            name = container.format.name
            streamed = name in STREAMED
            trimmed = any(entry.is_discard for entry in stream.index_entries)
            announced = None if streamed or container.duration is None else container.duration / av.time_base
            timed = name != "avi" or not stream.codec_context.has_b_frames
            return Announcement(name, stream.frames or None, announced, timed and not streamed and not trimmed, timed)
    except (av.FFmpegError, OSError) as error:
        raise broken(error, f"{path}: not a video, or truncated before its index ({reason(error)})") from error


def video_stream(container: Any) -> Any:
    """The stream that a player shows: FFmpeg's best one, and no picture of a cover; None where there is none."""
    shown = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    best = container.streams.best("video")
    return best if best in shown else next(iter(shown), None)


def _check_readable(path: Path) -> None:
    if not path.exists():
        raise MovieOutOfReachError(f"{path}: no such file")
    if path.is_dir():
        raise VideoDecodeError(f"{path}: a folder, not a video")
    try:
        with path.open("rb") as file:
            first = file.read(1)
    except OSError as error:
        raise broken(error, f"{path}: cannot be read ({error.strerror}; check its permissions)") from error
    if not first:
        raise VideoDecodeError(f"{path}: empty, 0 bytes (copy it again)")


def _kinds(container: Any) -> str:
    """What there is beside a cover picture, which is a video stream of one frame."""
    found = {s.type for s in container.streams if not (s.type == "video" and s.disposition & Disposition.attached_pic)}
    return " and ".join(sorted(found)) or "nothing"


def reason(error: Exception) -> str:
    """What FFmpeg or the system says of a file."""
    return getattr(error, "strerror", None) or str(error)


def broken(error: Exception, message: str) -> VideoDecodeError:
    """What to raise where a file could not be read on: what the system refused (its disk, its permissions, memory) says
    nothing of the video."""
    # -1, by which older decoders say that data is bad, reads as EPERM; a file that is kept from us is EACCES
    decoders = isinstance(error, av.FFmpegError) and error.errno == errno.EPERM
    systems = isinstance(error, OSError | MemoryError | MovieOutOfReachError) and not decoders
    return MovieOutOfReachError(message) if systems else VideoDecodeError(message)


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
