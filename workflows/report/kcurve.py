"""The curve of scores against K as a chart: SVG paths in a box of 100 × 100 that the page stretches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log
from typing import Any

from workflows.report.timeline import Tick

ROUND = (1, 2, 5)
"""Ks of the axis: these times powers of ten."""


@dataclass(frozen=True)
class Point:
    """A place in the box, percent from the left and from the top."""

    left: float
    top: float
    label: str


@dataclass(frozen=True)
class KChart:
    """WCP and NMI of an agglomeration at every K, what the clustering came to, and how many people there are."""

    wcp: str
    """SVG path."""
    nmi: str
    chosen: tuple[Point, Point]
    """WCP and NMI of the clustering itself, at its K."""
    true: float
    """Where the true K lies, percent from the left."""
    caption: str
    own: bool
    """Whether the curves are of the clustering's own method; else of one beside which its points are shown."""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def k_chart(curve: Mapping[str, Any], metrics: Mapping[str, Any], method: str) -> KChart | None:
    """The chart of a `k_curve` in a run's notes, the `cluster.metrics.Metrics` of the run and its method.

    None of a single K, and of a curve that does not say whose it is, as earlier runs kept them.
    """
    ks = [int(k) for k in curve["clusters"]]
    if len(ks) < 2 or "method" not in curve:
        return None
    own = curve["method"] == method
    found, true = int(metrics["clusters"]), int(metrics["identities"])
    axes = _Axes(max(*ks, found, true), min(*curve["wcp"], *curve["nmi"], metrics["wcp"], metrics["nmi"]))
    chosen = tuple(Point(axes.x(found), axes.y(metrics[name]), f"{metrics[name]:.3f}") for name in ("wcp", "nmi"))
    return KChart(
        wcp=axes.path(ks, curve["wcp"]),
        nmi=axes.path(ks, curve["nmi"]),
        chosen=(chosen[0], chosen[1]),
        true=axes.x(true),
        caption=f"{found} found of {true}"
        + ("" if own else f"; {method} does not merge step by step, so the curves are {curve['method']}'s"),
        own=own,
        x_ticks=tuple(Tick(axes.x(k), f"{k:,}") for k in axes.round_ks()),
        y_ticks=tuple(Tick(axes.y(tenth / 10), f"{tenth / 10:g}") for tenth in axes.tenths()),
    )


@dataclass(frozen=True)
class _Axes:
    """K from 1 to the largest, logarithmic, since the interesting ones are few; scores from a tenth below the least."""

    largest: int
    least: float

    @property
    def bottom(self) -> float:
        return floor(self.least * 10) / 10 if self.least < 1 else 0.9

    def x(self, k: int) -> float:
        return round(100 * log(max(k, 1)) / log(max(self.largest, 2)), 2)

    def y(self, score: float) -> float:
        return round(100 * (1 - score) / (1 - self.bottom), 2)

    def path(self, ks: Sequence[int], scores: Sequence[float]) -> str:
        return "M" + "L".join(f"{self.x(k):g} {self.y(score):g}" for k, score in zip(ks, scores, strict=True))

    def round_ks(self) -> list[int]:
        powers = range(ceil(log(self.largest, 10)) + 1)
        return [k for power in powers for k in (one * 10**power for one in ROUND) if k <= self.largest]

    def tenths(self) -> list[int]:
        tenths = range(round(self.bottom * 10), 11)
        return [tenth for tenth in tenths if (10 - tenth) % (1 if len(tenths) <= 6 else 2) == 0]
