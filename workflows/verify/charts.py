"""SVG paths of ROC curves and histograms, in boxes of 100 × 100 that the page stretches; (0, 0) is top left."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from train.normalise import Floats, Integers
from workflows.report.timeline import Tick

GAP = 0.025
"""Least distance of the lowest curve from the floor of its chart, as a rate."""


@dataclass(frozen=True)
class RocAxes:
    """A logarithmic axis of false positives from `lowest` to 1, and one of true positives from `floor` to 1."""

    lowest: float
    floor: float

    @classmethod
    def around(cls, curves: Sequence[Floats], lowest: float) -> "RocAxes":
        """Axes in which every curve has room; curves are `Verification.roc`, whose first value is at rate 0."""
        least = min((float(curve[1]) for curve in curves), default=0.0)
        return cls(lowest, max(math.floor((least - GAP) * 10) / 10, 0.0))

    def x(self, rate: float) -> float:
        return round(100 * (1 - math.log10(rate) / math.log10(self.lowest)), 2)

    def y(self, rate: float) -> float:
        return round(100 * (1 - rate) / (1 - self.floor), 2)

    def path(self, grid: Floats, curve: Floats) -> str:
        """The curve; its first point, at rate 0, has no place on a logarithmic axis."""
        points = zip(grid[1:], curve[1:], strict=True)
        return "M" + "L".join(f"{self.x(fpr):g} {self.y(tpr):g}" for fpr, tpr in points)

    def x_ticks(self) -> list[Tick]:
        """Powers of ten."""
        powers = range(math.ceil(math.log10(self.lowest)), 1)
        return [Tick(self.x(10.0**power), f"{10.0**power:g}") for power in powers]

    def y_ticks(self) -> list[Tick]:
        """Tenths."""
        tenths = range(round(self.floor * 10), 11)
        return [Tick(self.y(tenth / 10), f"{tenth / 10:g}") for tenth in tenths]


def histogram_path(histogram: Integers, bins: int, peak: float) -> str:
    """A filled step curve of the first `bins` bins as shares of all; a share of `peak` fills the height."""
    shares = histogram[:bins] / max(int(histogram.sum()), 1)
    steps = (
        f"L{100 * place / bins:.2f} {100 * (1 - share / peak):.2f}h{100 / bins:.3f}"
        for place, share in enumerate(shares)
    )
    return f"M0 100{''.join(steps)}L100 100z"


def bins_shown(histograms: Sequence[Integers], tail: float = 1e-3) -> int:
    """How many bins hold all but `tail` of every histogram: the rest of the axis would stand empty."""
    ends = [int(np.searchsorted(np.cumsum(one), one.sum() * (1 - tail))) + 1 for one in histograms if one.any()]
    return max(ends, default=histograms[0].size if histograms else 1)


def distance_ticks(upto: float) -> list[Tick]:
    """Ticks of a distance axis from 0 to `upto`, every 0.2."""
    return [Tick(round(20 * step / upto, 2), f"{step / 5:g}") for step in range(int(upto * 5 + 1e-9) + 1)]
