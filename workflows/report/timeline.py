"""Places on a movie's time axis, in percent of its length: bars of tracks, ticks with round times, lines of shots.

Percentages, not pixels: the page is laid out by the browser, at any width.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TICK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
"""Round distances between two ticks, seconds."""
TICKS = 10
"""Most ticks on an axis: their labels must not touch at 600 px."""


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    place: float
    """Percent of the axis."""
    label: str


def timecode(seconds: float) -> str:
    """`h:mm:ss`, rounded down as a player shows it."""
    whole = max(int(seconds), 0)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def length(seconds: float) -> str:
    """A duration in words: `2.1 s`, `1 min 05 s`, `1 h 58 min`."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def percent(seconds: float, duration_s: float) -> float:
    """Place of a time on an axis of `duration_s` seconds, 0-100 with three digits (a pixel of 4,000 is 0.025)."""
    if duration_s <= 0:
        return 0.0
    return round(min(max(seconds / duration_s, 0.0), 1.0) * 100, 3)


def axis_ticks(duration_s: float) -> list[Tick]:
    """Ticks at round times, at most `TICKS`; none so near to the end that its label would leave the axis."""
    if duration_s <= 0:
        return []
    step = next((step for step in TICK_STEPS_S if duration_s / step <= TICKS), TICK_STEPS_S[-1])
    times = range(0, int(duration_s * 0.97) + 1, step)
    return [Tick(percent(time, duration_s), timecode(time)) for time in times]


def line_path(times_s: Sequence[float], duration_s: float) -> str:
    """SVG path of vertical lines at the times, in a box of 100 × 1."""
    return "".join(f"M{percent(time, duration_s):g} 0v1" for time in times_s)


def bar_path(spans: Iterable[tuple[float, float]], duration_s: float) -> str:
    """SVG path of one filled bar a span, in a box of 100 × 1; no bar is narrower than 0.2, to be seen at all."""
    bars = []
    for start, end in spans:
        left, right = percent(start, duration_s), percent(end, duration_s)
        width = max(round(right - left, 3), 0.2)
        bars.append(f"M{left:g} 0h{width:g}v1h{-width:g}z")
    return "".join(bars)
