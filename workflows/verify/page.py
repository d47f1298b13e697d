"""The page of a verification: one self-contained HTML file in the design of the cast sheets.

Style and charts stand in it, it fetches nothing and runs no script; all names that come from a dataset are escaped.
"""

from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from train.verification import roc_grid
from workflows.console import counted
from workflows.report.columns import Cells, Column, cells
from workflows.report.html import render
from workflows.verify.charts import RocAxes, bins_shown, distance_ticks, histogram_path
from workflows.verify.columns import columns, rate_of
from workflows.verify.comparison import ModelComparison, VerifiedMovie

PAPER_RATES = (("base", 92.5), ("ImpTriplet", 91.4), ("MvCorr", 93.7))
"""TPR at 0.1 FPR, percent, that Multi-Face reports on its 60 validation movies."""


@dataclass(frozen=True)
class RocChart:
    """The mean ROC curves."""

    axes: RocAxes
    curves: list[str]
    """SVG path of each row."""


@dataclass(frozen=True)
class HardPanel:
    """The histograms of one row, on axes that all rows share."""

    positive: str
    """SVG path."""
    negative: str
    threshold: float | None
    """Where its links' equal error lies, percent of the axis."""


def verification_page(comparison: ModelComparison, curves: str) -> str:
    """The page as HTML; `curves` is the relative address of the curves' CSV."""
    bins = comparison.config.verification.distance_bins
    shown = bins_shown(
        [one for row in comparison.rows for one in (row.overall.hard.positive, row.overall.hard.negative)]
    )
    return render(
        "verification.html",
        "workflows.verify",
        "verification.css",
        comparison=comparison,
        title=Path(comparison.dataset).absolute().name,
        facts=_facts(comparison),
        hues=[_hue(number) for number in range(len(comparison.rows))],
        columns=(found := columns(comparison)),
        cells=cells(found, comparison.rows),
        roc=_roc_chart(comparison),
        curves=curves,
        panels=_hard_panels(comparison, shown),
        ticks=distance_ticks(2 * shown / bins),
        by_movie=_by_movie(comparison),
        paper_rates=PAPER_RATES,
        version=version("castmine"),
    )


def _facts(comparison: ModelComparison) -> list[str]:
    movies, named = comparison.movies, comparison.rows[0].overall.named
    tracks, mined = sum(movie.tracks for movie in movies), comparison.rows[0].overall.hard.tracks
    facts = [counted(len(movies), "movie"), f"{counted(tracks, 'track')}, {mined:,} of them mined"]
    facts.append(f"{sum(movie.named for movie in movies):,} named")
    if named:
        facts.append(f"{counted(named.positive_pairs, 'pair')} of one person, {named.negative_pairs:,} of two")
    return facts


def _roc_chart(comparison: ModelComparison) -> RocChart | None:
    named = [row.overall.named for row in comparison.rows if row.overall.named]
    if not named:
        return None
    axes = RocAxes.around([one.roc for one in named], comparison.config.verification.roc_from)
    grid = roc_grid(comparison.config.verification)
    return RocChart(axes, [axes.path(grid, one.roc) for one in named])


def _hard_panels(comparison: ModelComparison, shown: int) -> list[HardPanel]:
    hard = [row.overall.hard for row in comparison.rows]
    if not hard[0].tracks:
        return []
    peak = max(float((one / one.sum()).max()) for pairs in hard for one in (pairs.positive, pairs.negative))
    upto = 2 * shown / comparison.config.verification.distance_bins
    return [
        HardPanel(
            histogram_path(row.overall.hard.positive, shown, peak),
            histogram_path(row.overall.hard.negative, shown, peak),
            round(100 * row.links.value / upto, 2) if row.links else None,
        )
        for row in comparison.rows
    ]


def _by_movie(comparison: ModelComparison) -> list[tuple[float, list[tuple[VerifiedMovie, Cells]]]]:
    """For each false positive rate a line a movie, with the rate that each representation has there."""
    rates = comparison.config.verification.false_positive_rates
    return [(rate, [(movie, _cells(rate, movie)) for movie in comparison.verified]) for rate in rates]


def _cells(rate: float, movie: VerifiedMovie) -> Cells:
    column = Column("", "", "", partial(rate_of, rate), better=1)
    return tuple(cell for (cell,) in cells([column], movie.measures))


def _hue(number: int) -> float:
    """Degrees; the golden angle keeps neighbours apart."""
    return round((22 + 137.508 * number) % 360, 1)
