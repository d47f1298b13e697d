"""What `castmine harvest` prints, and the same as JSON."""

from dataclasses import asdict
from shlex import quote
from typing import Any

from rich.text import Text

from harvest.dataset.schema import COUNTED_AS
from workflows.console import SHOWN_MOVIES, err, out, print_table, table_of
from workflows.harvest.gone import gone_json, may_go
from workflows.harvest.plan import MovieState
from workflows.harvest.run import HarvestSummary
from workflows.printing import labelled


def harvested(summary: HarvestSummary, dataset: str) -> None:
    """The outcome of a harvest: a row per movie that was worked on, failures with their reason."""
    done = [movie for movie in summary.movies if movie.state == "done"]
    if done:
        table = table_of("movie", "shots", "tracks", "cannot-links", "boxes", "dropped detections")
        for movie in done[:SHOWN_MOVIES]:
            counts = [movie.rows[name] for name in ("shots", "tracks", "links", "faces")]
            table.add_row(Text(movie.movie.movie_id), *map(str, counts), str(_dropped_detections(movie)))
        print_table(table)
        if len(done) > SHOWN_MOVIES:
            every = f'castmine sql "select * from movies" --dataset {quote(dataset)}'
            out.print(f"… and {len(done) - SHOWN_MOVIES} more: {every}", markup=False, soft_wrap=True)
    for movie in summary.movies:
        if movie.state == "done" and not movie.seekable:
            out.print(
                f"{movie.movie.movie_id}: seeking in this file is not exact; it was decoded as one segment",
                markup=False,
            )
    for name, kept_by in summary.gone.items():
        done_so = "removed" if summary.pruned else "the rows or failures of it are kept; --prune removes them"
        if kept_by:
            done_so = f"kept, for {kept_by} still lists it; castmine forget removes it"
        out.print(f"{name}: is not in the corpus any more ({done_so})", markup=False)
    labelled(summary.labels)
    states = ", ".join(f"{summary.count(state)} {word}" for state, word in _STATES if summary.count(state))
    leaving = may_go(summary.gone)
    missing = f" · {len(leaving)} gone from the corpus" if leaving else ""
    took = f"{missing} · {summary.seconds:.1f} s · {dataset}"
    out.print(f"{states or 'nothing to do'}{took}", markup=False, soft_wrap=True)
    if summary.not_pruned:
        err.print(f"failed: prune: {summary.not_pruned}", style="red", markup=False)
    for movie in summary.movies:
        if movie.state == "failed":
            err.print(f"failed: {movie.movie.movie_id}: {movie.message}", style="red", markup=False)


def _dropped_detections(movie: MovieState) -> int:
    """Dropped tracks are not added: what they held is counted here."""
    return sum(count for reason, count in movie.drops.items() if reason.startswith("detection:"))


_STATES = (("done", "harvested"), ("skipped", "unchanged"), ("failed", "failed"))


def harvest_json(summary: HarvestSummary) -> dict[str, Any]:
    return {
        "movies": [_movie_json(movie) for movie in summary.movies],
        "done": summary.count("done"),
        "skipped": summary.count("skipped"),
        "failed": summary.count("failed"),
        **gone_json(summary.gone),
        "pruned": summary.pruned,
        "not_pruned": summary.not_pruned,
        "labels": [asdict(change) for change in summary.labels],
        "stages": summary.stages(),
        "seconds": round(summary.seconds, 3),
    }


def _movie_json(movie: MovieState) -> dict[str, Any]:
    return {
        "movie_id": movie.movie.movie_id,
        "uri": movie.movie.uri,
        "state": movie.state,
        **{COUNTED_AS[table]: rows for table, rows in movie.rows.items()},
        "drops": movie.drops,
        "seekable": movie.seekable,
        "decoded_frames": movie.frames,
        "message": movie.message,
    }
