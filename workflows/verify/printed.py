"""What `castmine verify` prints, and the same as JSON."""

from typing import Any

from rich.text import Text

from workflows.console import counted, err, out, print_table, table_of
from workflows.report.columns import cells
from workflows.verify.columns import columns
from workflows.verify.figures import comparison_json
from workflows.verify.run import VerifySummary


def verified(summary: VerifySummary) -> None:
    """A row per representation, and what a reader must know beside it."""
    comparison = summary.comparison
    found = columns(comparison)
    table = table_of("model", *(column.directed for column in found))
    for row, figures in zip(comparison.rows, cells(found, comparison.rows), strict=True):
        table.add_row(Text(row.name), *(Text(text, "bold" if best else "") for text, best in figures))
    print_table(table)
    if comparison.unnamed:
        what = "some movies are not verified" if comparison.verified else "verification is absent"
        out.print(f"{what}: {comparison.unnamed}; castmine labels import brings names in", markup=False)
    if comparison.unlinked:
        out.print(f"the equal error of links is absent: {comparison.unlinked}", markup=False)
    if comparison.unrecognised:
        out.print(f"known again is absent: {comparison.unrecognised}", markup=False)
    for row in comparison.rows:
        for note in row.notes:
            out.print(f"{row.name} {note}", markup=False)
    movies = counted(len(comparison.movies), "movie")
    if comparison.verified:
        named = counted(sum(movie.named for movie in comparison.verified), "labelled track")
        movies = f"{named}, mean over {len(comparison.verified)} of {movies}"
    out.print(f"{movies} · {summary.seconds:.1f} s: open {summary.page}", markup=False, soft_wrap=True)
    for movie_id, message in comparison.failed.items():
        err.print(f"failed: {movie_id}: {message}", style="red", markup=False)


def verify_json(summary: VerifySummary) -> dict[str, Any]:
    return {**comparison_json(summary.comparison), "page": summary.page, "seconds": summary.seconds}
