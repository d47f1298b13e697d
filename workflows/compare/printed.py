"""What `castmine compare` prints, and the same as JSON."""

from typing import Any

from rich.text import Text

from workflows.cluster.cautions import cautions
from workflows.compare.columns import COLUMNS
from workflows.compare.page import run_lines, shown_columns
from workflows.compare.run import CompareSummary
from workflows.compare.scored import ScoredMovie, ScoredRun
from workflows.console import counted, out, print_table, table_of


def compared(summary: CompareSummary) -> None:
    """A row per run; the tests; where the page lies."""
    comparison = summary.comparison
    table = table_of("run", *(column.head for column in shown_columns(comparison)))
    for line in run_lines(comparison):
        table.add_row(Text(line.name), *(Text(text, "bold" if best else "") for text, best in line.cells))
    print_table(table)
    if comparison.tests:
        tests = table_of("run", "against", "difference of V", "p")
        for test in comparison.tests:
            row = (f"{test.found.difference:+.3f}", f"{test.found.p:.5f}")
            tests.add_row(Text(test.first), Text(test.second), *row)
        print_table(tests)
        swapped = comparison.tests[0].found.swapped
        out.print(f"p: permutation test, {comparison.config.draws:,} draws, labels of {swapped} swapped")
    if not comparison.labelled:
        out.print("no movie has labels, so nothing is scored; castmine labels import brings names in")
    for run in comparison.runs:
        for caution in cautions(run.movies):
            out.print(f"{run.name}: {caution}", markup=False, soft_wrap=True)
    for movie_id, why in comparison.left_out.items():
        out.print(f"{movie_id} is left out: {why}", markup=False)
    named = sum(int(truth.named.sum()) for truth in comparison.truths)
    tracks = sum(len(truth.names) for truth in comparison.truths)
    if 0 < named < tracks:
        labelled = counted(named, "labelled track")
        out.print(f"scores and p count the {labelled} of {tracks}; K and violations count all tracks")
    movies = f"{comparison.labelled} of {counted(len(comparison.truths), 'movie')} labelled"
    out.print(f"{movies} · {summary.seconds:.1f} s: open {summary.page}", markup=False, soft_wrap=True)


def compare_json(summary: CompareSummary) -> dict[str, Any]:
    """Figures of each run, over all movies and movie by movie; the tests; the break-down by flag."""
    comparison = summary.comparison
    names = [run.name for run in comparison.runs]
    return {
        "dataset": comparison.dataset,
        "runs": [
            {
                "run": run.name,
                "method": run.method,
                "model": run.model,
                "k_from": run.k_from,
                "cautions": cautions(run.movies),
                **_figures(run),
                "movies": {movie.movie_id: _figures(movie) for movie in run.movies},
            }
            for run in comparison.runs
        ],
        "tests": [{"first": test.first, "second": test.second, **vars(test.found)} for test in comparison.tests],
        "flags": [
            {"flag": row.flag, "tracks": row.tracks, "right": dict(zip(names, row.right, strict=True))}
            for row in comparison.flags
        ],
        "left_out": comparison.left_out,
        "page": summary.page,
        "seconds": summary.seconds,
    }


def _figures(row: ScoredRun | ScoredMovie) -> dict[str, float | None]:
    return {column.key: column.of(row) for column in COLUMNS}
