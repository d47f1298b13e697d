"""Small clips in which every frame carries its own number, in many encodings, and ways to damage them.

The number is drawn as 16 black or white blocks, which survives any lossy codec, over a moving picture, so that no
two frames are equal. Encoded with PyAV, since decord cannot write.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, BITS = 128, 96, 16
RATE = 25


@dataclass(frozen=True)
class Encoding:
    """How a numbered clip is written: container suffix, codec and what is awkward about it."""

    suffix: str = "mp4"
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    variable_rate: bool = False
    first_tick: int = 0
    """Presentation time of the first frame, in 1/1000 s."""
    clock: int = 1000
    """Ticks a second that the encoder is told; some know no times but those of the rate."""


X264 = {"preset": "veryfast", "crf": "23", "g": "48"}
ENCODINGS = {
    "plain H.264 with one key frame in 48": Encoding(options={**X264, "bf": "0"}),
    "H.264 with B-frames": Encoding(options={**X264, "bf": "3", "b-pyramid": "normal"}),
    "H.264 with open groups of pictures": Encoding(options={**X264, "bf": "3", "x264-params": "open-gop=1:keyint=24"}),
    "HEVC with B-frames and open groups": Encoding(
        codec="libx265",
        options={"preset": "ultrafast", "x265-params": "keyint=24:bframes=3:open-gop=1:log-level=error"},
    ),
    "variable frame rate": Encoding(options={**X264, "bf": "3"}, variable_rate=True),
    "first time stamp at 3.4 s": Encoding(options={**X264, "bf": "3"}, first_tick=3400),
    "MPEG-TS with H.264": Encoding("ts", options={**X264, "bf": "3"}),
    "Matroska with B-frames": Encoding("mkv", options={**X264, "bf": "3"}),
    "AVI with MPEG-4 and B-frames": Encoding("avi", "mpeg4", {"bf": "2", "g": "48"}, clock=RATE),
    "AVI with H.264 and B-frames": Encoding("avi", options={**X264, "bf": "3"}, clock=RATE),
    "MPEG-2 with B-frames": Encoding("mkv", "mpeg2video", {"bf": "2", "g": "15"}, clock=RATE),
    "WMV": Encoding("wmv", "wmv2", {"g": "48"}),
}


def picture(number: int) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) uint8: the number in blocks along the top, a drifting pattern below."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    frame = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    frame[..., 0] = 128 + 60 * np.sin((x + 3 * number) / 9)
    frame[..., 1] = 128 + 60 * np.sin((y + x - 2 * number) / 11)
    frame[..., 2] = (40 + number) % 200
    block = WIDTH // BITS
    for bit in range(BITS):
        frame[:24, bit * block : (bit + 1) * block] = 255 if number >> bit & 1 else 0
    return frame


def number_of(frame: np.ndarray) -> int:
    """The number drawn into a decoded frame."""
    block = frame.shape[1] // BITS
    bits = [frame[6:18, i * block + 2 : (i + 1) * block - 2].mean() > 127 for i in range(BITS)]
    return sum(1 << i for i, bit in enumerate(bits) if bit)


def ticks(frames: int, encoding: Encoding) -> Iterator[int]:
    """Presentation times in 1/1000 s; with a variable rate the steps go 40, 40, 80, 20, 33 and round again."""
    steps = (40, 40, 80, 20, 33) if encoding.variable_rate else (1000 // RATE,)
    at = encoding.first_tick
    for number in range(frames):
        yield at
        at += steps[number % len(steps)]


def encode(path: Path, encoding: Encoding, frames: int = 240) -> Path:
    """Write a numbered clip of `frames` frames to `path` (its suffix is the encoding's) and return the path."""
    path = path.with_suffix("." + encoding.suffix)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoding.codec, rate=RATE, options=encoding.options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, encoding.clock)
        for number, tick in enumerate(ticks(frames, encoding)):
            frame = av.VideoFrame.from_ndarray(picture(number), "rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
