"""Where shots begin: hard cuts and dissolves, by a rule that looks at a window of frames and remembers nothing else.

Whether a shot begins at frame f depends on frames f - W … f + W only (W = `context`), so a movie may be read from any
frame and gives the same shots from W frames later on; that is what lets segments be harvested apart.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from harvest.config import ShotsConfig
from harvest.shot_scores import (
    NO_FIT,
    STEADY,
    FeatureExtractor,
    FrameFeatures,
    best_dissolve,
    stands_out,
    stays_changed,
)


@dataclass
class MarkedFrame:
    """A frame and what is known of the shots around it."""

    index: int
    image: np.ndarray | None
    """(h, w, 3) uint8 RGB, or None where it is not to be kept."""
    begins: str | None
    """How a shot begins at this frame: "start" (of the movie), "cut", "dissolve"; None: none does."""
    settled: bool
    """False within the dissolve that begins the shot, from its first to its last mixed frame."""


def mark_shots(
    frames: Iterator[tuple[int, np.ndarray]], config: ShotsConfig, keep: Callable[[int], bool]
) -> Iterator[MarkedFrame]:
    """Mark consecutive frames with the shots that begin at them, `config.context` frames behind the input.

    frames: (absolute number, (h, w, 3) uint8 RGB), consecutive, to the end of the movie. Images are kept only where
    keep(number). A stream that starts after frame 0 leaves its first `context` frames unmarked: they lack what is
    before them, and their segment's neighbour has marked them.
    """
    window = _Window(config)
    features = FeatureExtractor()
    waiting: deque[MarkedFrame] = deque()
    unsettled_until = 0

    def decide() -> MarkedFrame:
        nonlocal unsettled_until
        frame = waiting.popleft()
        frame.begins, length = window.decide(frame.index)
        if frame.begins is not None:
            unsettled_until = frame.index + length
        frame.settled = frame.index >= unsettled_until
        return frame

    for index, image in frames:
        window.add(index, features(image))
        waiting.append(MarkedFrame(index, image if keep(index) else None, None, True))
        if len(waiting) > config.context:
            yield decide()
    while waiting:
        yield decide()


class _Window:
    """Features and scores of the frames of which a decision is still to be made, or is needed for one."""

    def __init__(self, config: ShotsConfig) -> None:
        self._config = config
        # decide(f) compares the scores from f - longest - apart to f + apart; such a score reads its dissolve, the
        # steady frames around it and, to see that no cut is among them, two frames more
        self._longest = config.context - config.dissolve_apart - STEADY - 2
        self._first = self._last = -1
        self._features: dict[int, FrameFeatures] = {}
        self._outstanding: dict[int, bool] = {}
        self._dissolves: dict[int, tuple[float, int]] = {}

    def add(self, index: int, features: FrameFeatures) -> None:
        """Take the next frame in and forget what no decision needs any more."""
        self._first = index if self._first < 0 else self._first
        self._last = index
        self._features[index] = features
        for kept in (self._features, self._outstanding, self._dissolves):
            kept.pop(index - 2 * self._config.context - 1, None)

    def decide(self, index: int) -> tuple[str | None, int]:
        """(how a shot begins at `index`, frames of its dissolve or 0)."""
        if index == 0:
            return "start", 0
        if self._first > 0 and index < self._first + self._config.context:
            return None, 0
        if self._is_cut(index):
            return "cut", 0
        # a long dissolve fits again over its second half, with an end of its own: only the first is one
        if not self._fits_best(index) or any(
            self._fits_best(other) and other + self._dissolve(other)[1] > index
            for other in range(index - self._longest, index)
        ):
            return None, 0
        return "dissolve", self._dissolve(index)[1]

    def _is_cut(self, index: int) -> bool:
        if not self._stands_out(index):
            return False
        reach = self._config.flash_frames + 1
        numbers = self._read(index - reach, index + reach)
        return stays_changed([self._features[number] for number in numbers], index - numbers.start, self._config)

    def _stands_out(self, index: int) -> bool:
        if index not in self._outstanding:
            numbers = self._read(index - 2, index + 3)
            frames = [self._features[number] for number in numbers]
            self._outstanding[index] = stands_out(frames, index - numbers.start, self._config)
        return self._outstanding[index]

    def _fits_best(self, index: int) -> bool:
        """Whether a dissolve that begins at `index` fits, and better than one that begins a little before or after."""
        misfit, _ = self._dissolve(index)
        if misfit > self._config.dissolve_misfit:
            return False
        apart = self._config.dissolve_apart
        earlier = min(self._dissolve(other)[0] for other in range(index - apart, index))
        later = min(self._dissolve(other)[0] for other in range(index + 1, index + apart + 1))
        return misfit < earlier and misfit <= later

    def _dissolve(self, index: int) -> tuple[float, int]:
        """Misfit and length of the best dissolve that begins at `index`."""
        if index not in self._dissolves:
            self._dissolves[index] = self._fit_dissolve(index)
        return self._dissolves[index]

    def _fit_dissolve(self, index: int) -> tuple[float, int]:
        numbers = self._read(index - STEADY, index + self._longest + STEADY)
        if numbers.start > index - STEADY or len(numbers) <= 2 * STEADY:
            return NO_FIT, 0
        cut = next((number for number in numbers[1:] if self._stands_out(number)), numbers.stop)
        whole = range(numbers.start, cut)
        if len(whole) <= 2 * STEADY:
            return NO_FIT, 0
        return best_dissolve(np.stack([self._features[number].thumbnail for number in whole]), self._config)

    def _read(self, start: int, stop: int) -> range:
        """Frame numbers from `start` to before `stop`, as far as there are such frames."""
        return range(max(start, self._first), min(stop, self._last + 1))
