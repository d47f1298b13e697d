"""What a comparison leaves in its folder: the page, and its tables as CSV."""

from collections.abc import Iterator
from pathlib import Path

from workflows.compare.columns import COLUMNS
from workflows.compare.comparison import RunComparison
from workflows.compare.page import comparison_page
from workflows.compare.scored import ScoredMovie, ScoredRun
from workflows.report.folder import write_csv, write_page

PAGE, TABLE, TESTS = "comparison.html", "comparison.csv", "permutation.csv"
"""Names of the files."""
ALL = "(all)"
"""Stands for the movie in a run's line over all movies."""


def write_comparison(comparison: RunComparison, out: Path) -> Path:
    """Write page and tables into `out`, which is there; returns the page. Two writings are the same bytes."""
    heads = ["run", "method", "model", "k_from", "movie_id", *(column.key for column in COLUMNS)]
    write_page(out / PAGE, comparison_page(comparison, TABLE))
    write_csv(out / TABLE, heads, _rows(comparison))
    write_csv(out / TESTS, ["first", "second", "v_difference", "p", "swapped", "draws"], _tests(comparison))
    return out / PAGE


def _rows(comparison: RunComparison) -> Iterator[list[str]]:
    """Of each run a line over all movies, then one of each movie."""
    for run in comparison.runs:
        yield [*_names(run), ALL, *_figures(run)]
        for movie in run.movies:
            yield [*_names(run), movie.movie_id, *_figures(movie)]


def _names(run: ScoredRun) -> list[str]:
    return [run.name, run.method, run.model, run.k_from]


def _figures(row: ScoredRun | ScoredMovie) -> list[str]:
    values = (column.of(row) for column in COLUMNS)
    return ["" if value is None else f"{value:.6g}" for value in values]


def _tests(comparison: RunComparison) -> Iterator[list[str]]:
    for test in comparison.tests:
        found = test.found
        numbers = [f"{found.difference:.6g}", f"{found.p:.6g}"]
        yield [test.first, test.second, *numbers, found.swapped, str(comparison.config.draws)]
