"""What a verification leaves in its folder: the page, and the ROC curves as CSV."""

from collections.abc import Iterator
from pathlib import Path

from train.verification import Verification, roc_grid
from workflows.report.folder import write_csv, write_page
from workflows.verify.comparison import ModelComparison
from workflows.verify.page import verification_page

PAGE, CURVES, MOVIE_CURVES = "verification.html", "roc.csv", "roc-by-movie.csv"
"""Names of the files."""


def write_comparison(comparison: ModelComparison, out: Path) -> Path:
    """Write page and curves into `out`, which is there; returns the page. Two writings are the same bytes."""
    write_page(out / PAGE, verification_page(comparison, CURVES))
    write_csv(out / CURVES, ["representation", "fpr", "tpr"], _mean_curves(comparison))
    write_csv(out / MOVIE_CURVES, ["representation", "movie_id", "fpr", "tpr"], _movie_curves(comparison))
    return out / PAGE


def _mean_curves(comparison: ModelComparison) -> Iterator[list[str]]:
    for row in comparison.rows:
        for point in _points(row.overall.named, comparison):
            yield [row.name, *point]


def _movie_curves(comparison: ModelComparison) -> Iterator[list[str]]:
    for movie in comparison.movies:
        for row, measured in zip(comparison.rows, movie.measures, strict=True):
            for point in _points(measured.named, comparison):
                yield [row.name, movie.movie_id, *point]


def _points(named: Verification | None, comparison: ModelComparison) -> Iterator[tuple[str, str]]:
    if named:
        for fpr, tpr in zip(roc_grid(comparison.config.verification), named.roc, strict=True):
            yield f"{fpr:.6g}", f"{tpr:.6g}"
