"""What `castmine cluster` prints, and the same as JSON."""

from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from workflows.cluster.cautions import cautions
from workflows.cluster.run import ClusterSummary
from workflows.console import SHOWN, err, out, print_table, table_of

SCORES = {
    "wcp": "WCP",
    "v_measure": "v-measure",
    "homogeneity": "homogeneity",
    "completeness": "completeness",
    "pcr": "PCR",
}
"""Printed where labels exist: metric and head of its column. Unknown tracks count as wrong …"""
ASSIGNED = {"wcp_assigned": "WCP assigned", "pcr_assigned": "PCR assigned", "coverage": "coverage"}
"""… and are left out of these, which are printed where there are any (methods.md §5)."""


def clustered(summary: ClusterSummary) -> None:
    """The outcome of a clustering: a row per movie, with metrics where labels exist."""
    if summary.movies:
        print_table(_table(summary))
    tracks = sum(movie.tracks for movie in summary.movies)
    if summary.overall and summary.overall.tracks < tracks:
        out.print(f"scores count the {summary.overall.tracks} labelled tracks of {tracks}, and the people named there")
    if len(summary.movies) > SHOWN:
        out.print(f"… and {len(summary.movies) - SHOWN} more: castmine sql runs")
    thresholds = {movie.threshold for movie in summary.movies if movie.threshold is not None}
    if thresholds:
        out.print(
            f"threshold {', '.join(f'{value:.4f}' for value in sorted(thresholds))}: {summary.threshold_source}",
            markup=False,
        )
    adapting = sum(movie.adapt_seconds for movie in summary.movies)
    if adapting:
        out.print(
            f"{summary.model}: {adapting:.1f} s of fitting to the movies, {adapting / max(tracks, 1):.2f} a track"
        )
    for caution in cautions(summary.movies):
        out.print(caution)
    kept = sum(movie.unchanged for movie in summary.movies)
    unchanged = f", {kept} of them unchanged (--force clusters them anew)" if kept else ""
    out.print(f"run {summary.run} · {len(summary.movies)} movies{unchanged} · {summary.seconds:.1f} s", markup=False)
    for movie_id, message in summary.failed.items():
        err.print(f"failed: {movie_id}: {message}", style="red", markup=False)


def _table(summary: ClusterSummary) -> Table:
    unknown, overall = any(movie.unknown for movie in summary.movies), summary.overall
    heads = {"tracks": "tracks", "clusters": "characters", "unknown": "unknown", "violations": "violations"}
    counts = [name for name in heads if name != "unknown" or unknown]
    names = SCORES | (ASSIGNED if overall and overall.coverage < 1 else {}) if overall else {}
    table = table_of("movie", *(heads[name] for name in counts), *names.values())
    for movie in summary.movies[:SHOWN]:
        scores = (_figure(getattr(movie.metrics, name, None)) for name in names)
        table.add_row(Text(movie.movie_id), *(str(getattr(movie, name)) for name in counts), *scores)
    if overall and len(summary.movies) > 1:
        table.add_section()
        known = (str(getattr(overall, name, "")) for name in counts)
        table.add_row("overall", *known, *(_figure(getattr(overall, name)) for name in names))
    return table


def cluster_json(summary: ClusterSummary) -> dict[str, Any]:
    """The whole summary, movie by movie."""
    return asdict(summary)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
