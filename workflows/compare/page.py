"""The page of a comparison: one self-contained HTML file in the design of the cast sheets.

Style and charts stand in it, it fetches nothing and runs no script; all names that come from a dataset are escaped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workflows.cluster.cautions import cautions
from workflows.compare.columns import COLUMNS
from workflows.compare.comparison import RunComparison
from workflows.compare.scored import ScoredRun
from workflows.console import counted
from workflows.report.columns import Cells, Column, cells, with_figures
from workflows.report.html import render
from workflows.report.kcurve import KChart, k_chart

PAPERS = (
    ("Multi-Face, 60 feature films, V with K known", "base 84.3, ImpTriplet 85.1, MvCorr 88.1"),
    ("the same by affinity propagation", "base 63.9, ImpTriplet 65.2, MvCorr 67.7, at OCI 5.2, 6.0 and 6.7"),
    (
        "Ball Cluster Learning, NMI / WCP, 6 episodes together",
        "BBT 73.2 / 89.4 with 47 clusters of 103, fine-tuned 88.3 / 94.1 with 69; Buffy 71.2 / 83.6 with 71 of 109, "
        "fine-tuned 77.1 / 86.6 with 78",
    ),
    ("TSiam and SSiam, accuracy with K known", "BBT-0101 base 93.2, 96.4, 96.2; BF-0502 base 83.6, 89.3, 90.9"),
    (
        "VideoClusterNet, WCP",
        "BBT 98.7 and Buffy 96.1 with Unknown left out, 92.5 and 91.3 with it; MovieFaceCluster 82.5 to 98.5 at PCR "
        "0.72 to 1.88",
    ),
)
"""What the papers report on data that nobody may hand on, percent (methods.md §1 to §4)."""


@dataclass(frozen=True)
class Line:
    """A run's or a movie's line of a table."""

    name: str
    note: str
    cells: Cells


@dataclass(frozen=True)
class CurvesOfRun:
    """The movies' scores against K of one run."""

    run: str
    charts: tuple[tuple[str, KChart], ...]


def comparison_page(comparison: RunComparison, table: str) -> str:
    """The page as HTML; `table` is the relative address of the CSV."""
    return render(
        "comparison.html",
        "workflows.compare",
        "comparison.css",
        comparison=comparison,
        title=Path(comparison.dataset).absolute().name,
        facts=_facts(comparison),
        columns=shown_columns(comparison),
        lines=run_lines(comparison),
        movies=_by_movie(comparison),
        curves=_curves(comparison),
        table=table,
        papers=PAPERS,
        version=version("castmine"),
    )


def shown_columns(comparison: RunComparison) -> list[Column]:
    """The columns in which any run has a figure."""
    return with_figures(COLUMNS, comparison.runs)


def run_lines(comparison: RunComparison) -> list[Line]:
    """A line for each run."""
    return _lines(comparison.runs, [run.name for run in comparison.runs], comparison, _how)


def _how(run: ScoredRun) -> str:
    parts = (run.method, run.model, f"K from {run.k_from}" if run.k_from else "", *cautions(run.movies))
    return " · ".join(part for part in parts if part)


def _lines(
    rows: Sequence[Any], names: list[str], comparison: RunComparison, note: Callable[[Any], str] = lambda row: ""
) -> list[Line]:
    shown = cells(shown_columns(comparison), rows)
    return [Line(name, note(row), figures) for name, row, figures in zip(names, rows, shown, strict=True)]


def _by_movie(comparison: RunComparison) -> list[tuple[str, int, int, list[Line]]]:
    """Movie, its tracks, its people, and a line for each run."""
    names = [run.name for run in comparison.runs]
    return [
        (
            truth.movie_id,
            len(truth.names),
            len({name for name in truth.names if name is not None}),
            _lines([run.movies[number] for run in comparison.runs], names, comparison),
        )
        for number, truth in enumerate(comparison.truths)
    ]


def _curves(comparison: RunComparison) -> list[CurvesOfRun]:
    found = []
    for run in comparison.runs:
        charts = (
            (movie.movie_id, k_chart(movie.curve, movie.metrics.as_dict(), run.method))
            for movie in run.movies[: comparison.config.charts]
            if movie.curve and movie.metrics
        )
        drawn = tuple((movie_id, chart) for movie_id, chart in charts if chart)
        if drawn:
            found.append(CurvesOfRun(run.name, drawn))
    return found


def _facts(comparison: RunComparison) -> list[str]:
    movies, runs = len(comparison.truths), len(comparison.runs)
    named = sum(int(truth.named.sum()) for truth in comparison.truths)
    tracks = sum(len(truth.names) for truth in comparison.truths)
    counts = ((runs, "run"), (movies, "movie"), (tracks, "track"))
    return [*(counted(count, word) for count, word in counts), f"{named:,} named"]
