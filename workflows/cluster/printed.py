"""What `castmine cluster` prints, and the same as JSON."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from workflows.cluster.cautions import cautions
from workflows.cluster.job import ClusteredMovie
from workflows.cluster.run import ClusterSummary
from workflows.console import SHOWN_MOVIES, counted, err, first_names, out, print_table, table_of

SCORES = {
    "wcp": "WCP",
    "v_measure": "v-measure",
    "pcr": "PCR",
    "homogeneity": "homogeneity",
    "completeness": "completeness",
}
"""Printed where labels exist: metric and head of its column. A narrow terminal leaves out the last ones. Unknown tracks
count as wrong …"""
ASSIGNED = {"wcp_assigned": "WCP assigned", "pcr_assigned": "PCR assigned", "coverage": "coverage"}
"""… and are left out of these, which are printed where there are any (methods.md §5)."""


def clustered(summary: ClusterSummary) -> None:
    """The outcome of a clustering: a row per movie, with metrics where labels exist."""
    if summary.movies:
        print_table(_table(summary))
    tracks = sum(movie.tracks for movie in summary.movies)
    if summary.overall and summary.overall.tracks < tracks:
        labelled = counted(summary.overall.tracks, "labelled track")
        out.print(f"scores count the {labelled} of {tracks}, and the people named there")
    if len(summary.movies) > SHOWN_MOVIES:
        out.print(f"… and {len(summary.movies) - SHOWN_MOVIES} more: castmine sql runs")
    if thresholds := _thresholds(summary.movies):
        out.print(f"threshold {thresholds}: {summary.threshold_source}", markup=False)
    adapting = sum(movie.adapt_seconds for movie in summary.movies)
    if adapting:
        out.print(
            f"{summary.model}: {adapting:.1f} s of fitting to the movies, {adapting / max(tracks, 1):.2f} a track"
        )
    for line in _other_k(summary.movies):
        out.print(line, markup=False, soft_wrap=True)
    for caution in cautions(summary.movies):
        out.print(caution)
    kept = sum(movie.unchanged for movie in summary.movies)
    unchanged = f", {kept} of them unchanged (--force clusters them anew)" if kept else ""
    movies = counted(len(summary.movies), "movie")
    out.print(f"run {summary.run} · {movies}{unchanged} · {summary.seconds:.1f} s", markup=False)
    for movie_id, message in summary.failed.items():
        err.print(f"failed: {movie_id}: {message}", style="red", markup=False)


def _table(summary: ClusterSummary) -> Table:
    unknown, overall = any(movie.unknown for movie in summary.movies), summary.overall
    heads = {"tracks": "tracks", "clusters": "characters", "unknown": "unknown", "violations": "violations"}
    counts = [name for name in heads if name != "unknown" or unknown]
    names = SCORES | (ASSIGNED if overall and overall.coverage < 1 else {}) if overall else {}
    table = table_of("movie", *(heads[name] for name in counts), *names.values())
    for movie in summary.movies[:SHOWN_MOVIES]:
        scores = (_figure(getattr(movie.metrics, name, None)) for name in names)
        table.add_row(Text(movie.movie_id), *(str(getattr(movie, name)) for name in counts), *scores)
    if overall and len(summary.movies) > 1:
        table.add_section()
        sums = (str(sum(getattr(movie, name) for movie in summary.movies)) for name in counts)
        table.add_row("overall", *sums, *(_figure(getattr(overall, name)) for name in names))
    return table


def _thresholds(movies: Sequence[ClusteredMovie]) -> str:
    """Each, and where there are several, of which movies; empty: none was used."""
    of = defaultdict[str, list[str]](list)
    for movie in movies:
        if movie.threshold is not None:
            of[f"{movie.threshold:.4f}"].append(movie.movie_id)
    if len(of) < 2:
        return "".join(of)
    more = f", … and {len(of) - SHOWN_MOVIES} more (--json FILE has all)" if len(of) > SHOWN_MOVIES else ""
    return ", ".join(f"{value} ({first_names(of[value])})" for value in sorted(of)[:SHOWN_MOVIES]) + more


def _other_k(movies: Sequence[ClusteredMovie]) -> Iterator[str]:
    """Of each movie that has not as many characters as were asked for, why."""
    other = [
        movie for movie in movies if movie.asked is not None and movie.tracks > 1 and movie.clusters != movie.asked
    ]
    for movie in other[:SHOWN_MOVIES]:
        more = movie.clusters > (movie.asked or 0)
        why = "tracks of every two of them are seen together" if more else "it has no more tracks to tell apart"
        yield f"{movie.movie_id}: {counted(movie.clusters, 'character')} instead of {movie.asked}: {why}"
    if len(other) > SHOWN_MOVIES:
        yield f"… and {len(other) - SHOWN_MOVIES} more with another number than asked for: --json FILE has all"


def cluster_json(summary: ClusterSummary) -> dict[str, Any]:
    """The whole summary, movie by movie."""
    return asdict(summary)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
