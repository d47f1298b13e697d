"""A video stream decoded forward by PyAV, each frame known by its time stamp.

decord decodes on a thread of its own and reads ahead without a limit while the first frame is awaited (dmlc/decord
#157, #208): some 1,000 frames, 6 GB of them at 1080p. PyAV decodes a frame when it is asked for one, and as fast.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np

from harvest.containers import broken, reason, video_stream
from harvest.errors import VideoDecodeError


class ForwardStream:
    """The video of a file, from any of its frames on.

    Args:
        timed: False where frames have no time stamps of their own: then they are counted from the first one on.

    Which frames there are is read from the packets (a pass without decoding); decoding must then give exactly these
    time stamps in order, none marked corrupt. A transport stream announces no length: one that was cut off between two
    frames is a shorter movie in every respect and cannot be told from a whole one.

    Raises VideoDecodeError for a damaged packet, a frame without a time stamp, a first frame that cannot be decoded.
    """

    def __init__(self, path: Path, num_threads: int, timed: bool = True) -> None:
        self._path, self._threads, self._timed = path, num_threads, timed
        self._size: tuple[int, int] | None = None
        with self._open() as container:
            stream = video_stream(container)
            self.packets, self._stamps, self._keys = _shown_stamps(container, path)
            tick_s = float(stream.time_base)
            rate = float(stream.average_rate or 0)
            if not timed:
                self._stamps = np.arange(len(self._stamps)) * max(1, round(1 / (rate or 25.0) / tick_s))
        try:
            self.height, self.width = next(self.images()).shape[:2]
        except StopIteration:
            raise VideoDecodeError(f"{path}: no frame in it can be decoded (not a whole video?)") from None
        self.frames = len(self._stamps)
        """Those that are shown; of `packets` in the file."""
        starts_s = (self._stamps - self._stamps[0]) * tick_s
        step_s = float(np.median(np.diff(starts_s))) if len(starts_s) > 1 else 1 / (rate or 25.0)
        self.times_s = np.append(starts_s, starts_s[-1] + step_s)
        """(frames + 1,) float64: when each frame is shown, in seconds from the first; the last is the end."""
        self.fps = rate or len(starts_s) / float(self.times_s[-1])

    def _open(self) -> Any:
        try:
            return av.open(str(self._path))
        except (av.FFmpegError, OSError) as error:
            raise broken(error, f"{self._path}: not a video ({reason(error)})") from error

    def images(self, start: int = 0, seek: bool = False) -> Iterator[np.ndarray]:
        """Every frame from `start` on as (h, w, 3) uint8 RGB. Raises VideoDecodeError where one is missing or damaged.

        Decoding begins at the first frame, or by `seek` at the last key frame up to `start`, where that leads there.
        """
        key = self._keys[np.searchsorted(self._keys, self._stamps[start], side="right") - 1]
        try:
            if seek and self._timed and key > self._keys[0]:
                sought = self._frames(start, int(key))
                first = None
                with suppress(av.FFmpegError):  # what is really broken is met again
                    first = next(sought, None)
                if first is not None:
                    yield self._image(first)
                    yield from map(self._image, sought)
                    return
            yield from map(self._image, self._frames(start, None))
        except av.FFmpegError as error:
            raise broken(error, f"{self._path}: {reason(error)}") from error

    def _frames(self, start: int, key: int | None) -> Iterator[av.VideoFrame]:
        """Frames from `start` on, decoded from `key` (ticks; None: the first); none where that does not lead there."""
        with self._open() as container:
            stream = video_stream(container)
            stream.codec_context.thread_count = self._threads
            if key is not None:
                container.seek(key, stream=stream)
            index = start
            for number, frame in enumerate(container.decode(stream)):
                if not self._timed:
                    frame.pts = int(self._stamps[number]) if number < len(self._stamps) else None
                if frame.pts is not None and frame.pts < self._stamps[start]:
                    continue  # between key frame and start, or leading frames without those they refer to
                if frame.is_corrupt or index == len(self._stamps) or frame.pts != self._stamps[index]:
                    if key is not None and index == start:
                        return
                    raise av.InvalidDataError(0, "a frame is missing or damaged")
                yield frame
                index += 1

    def _image(self, frame: av.VideoFrame) -> np.ndarray:
        self._size = self._size or (frame.width, frame.height)  # where it changes in mid-movie, boxes keep their pixels
        image = frame.to_ndarray(width=self._size[0], height=self._size[1], format="rgb24", threads=1)
        return np.ascontiguousarray(np.rot90(image, frame.rotation // 90))


def _shown_stamps(container: Any, path: Path) -> tuple[int, np.ndarray, np.ndarray]:
    """How many packets there are; presentation times (int64 ticks, ascending) of the frames that decoding will show
    from the first key frame on, and of the key frames among them."""
    packets = 0
    stamps: list[int] = []
    keys: list[int] = []
    for packet in _packets(container, path):
        if not packet.size:
            continue
        packets += 1
        if packet.pts is None:
            raise VideoDecodeError(f"{path}: frames without time stamps (put it into an MP4 or MKV container)")
        if packet.is_keyframe:
            keys.append(packet.pts)
        if keys and packet.pts >= keys[0] and not packet.is_discard:
            stamps.append(packet.pts)
    if not stamps:
        raise VideoDecodeError(f"{path}: no frame in it can be decoded (not a whole video?)")
    return packets, np.sort(np.array(stamps, np.int64)), np.sort(np.array(keys, np.int64))


def _packets(container: Any, path: Path) -> Iterator[Any]:
    try:
        yield from container.demux(video_stream(container))
    except (av.FFmpegError, IndexError) as error:  # IndexError: a stream of which the file's start knows nothing
        raise broken(error, f"{path}: a damaged packet ({reason(error)}; copy the file again)") from error
