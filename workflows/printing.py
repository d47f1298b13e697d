"""What each command prints, and the same as JSON. Nothing is computed here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from harvest.config import Section
from workflows.cluster.cautions import cautions
from workflows.console import err, out

if TYPE_CHECKING:  # each command imports only what it runs: planning a harvest must not load training
    from workflows.cluster.run import ClusterSummary
    from workflows.harvest.plan import MovieState
    from workflows.harvest.run import HarvestSummary
    from workflows.labels import LabelChange
    from workflows.tracks_import import ImportedCounts
    from workflows.train.run import TrainSummary
    from workflows.verify.run import VerifySummary

SHOWN = 30
"""Movies printed in a table; of a larger corpus the first ones."""


def harvested(summary: HarvestSummary, dataset: str) -> None:
    """The outcome of a harvest: a row per movie that was worked on, failures with their reason."""
    done = [movie for movie in summary.movies if movie.state == "done"]
    if done:
        table = _table("movie", "shots", "tracks", "cannot-links", "faces", "dropped")
        for movie in done[:SHOWN]:
            counts = [movie.rows[name] for name in ("shots", "tracks", "links", "faces")]
            table.add_row(Text(movie.movie.movie_id), *map(str, counts), str(sum(movie.drops.values())))
        out.print(table)
        if len(done) > SHOWN:
            out.print(f'… and {len(done) - SHOWN} more: castmine sql "select * from movies" --dataset {dataset}')
    for movie in summary.movies:
        if movie.state == "done" and not movie.seekable:
            out.print(
                f"{movie.movie.movie_id}: seeking in this file is not exact; it was decoded as one segment",
                markup=False,
            )
    for name in summary.gone:
        done_so = "removed" if summary.pruned else "kept; --prune removes it"
        out.print(f"{name}: is not in the corpus any more ({done_so})", markup=False)
    labelled(summary.labels)
    states = ", ".join(f"{summary.count(state)} {word}" for state, word in _STATES if summary.count(state))
    missing = f" · {len(summary.gone)} gone from the corpus" if summary.gone else ""
    out.print(f"{states or 'nothing to do'}{missing} · {summary.seconds:.1f} s · {dataset}", markup=False)
    if summary.not_pruned:
        err.print(f"failed: prune: {summary.not_pruned}", style="red", markup=False)
    for movie in summary.movies:
        if movie.state == "failed":
            err.print(f"failed: {movie.movie.movie_id}: {movie.message}", style="red", markup=False)


_STATES = (("done", "harvested"), ("skipped", "unchanged"), ("failed", "failed"))


def harvest_json(summary: HarvestSummary) -> dict[str, Any]:
    return {
        "movies": [_movie_json(movie) for movie in summary.movies],
        "done": summary.count("done"),
        "skipped": summary.count("skipped"),
        "failed": summary.count("failed"),
        "gone": list(summary.gone),
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
        **movie.rows,
        "drops": movie.drops,
        "seekable": movie.seekable,
        "decoded_frames": movie.frames,
        "message": movie.message,
    }


def trained(summary: TrainSummary) -> None:
    """What was learned, from what, and what it gained on movies that it did not see."""
    card = summary.card
    checked = f"checked on {len(card.validation_movies)}"
    people = f", {card.train_identities} identities" if card.train_identities else ""
    out.print(f"{card.method}: {card.train_tracks} tracks of {len(card.train_movies)} movies{people}, {checked}")
    if card.curve:
        best = max((epoch for epoch in card.curve if epoch["best"]), key=lambda epoch: epoch["epoch"])
        figures = {"loss": best["train_loss"], "held out": best["validation_loss"], "NMI held out": best["score"]}
        shown = ", ".join(f"{name} {figure:.4f}" for name, figure in figures.items() if figure is not None)
        out.print(f"  {len(card.curve)} epochs, best {best['epoch'] + 1}: {shown}")
    for note in card.notes:
        out.print(f"  {note}", markup=False)
    if confused := card.held_out.get("equal_error"):
        change = f"{confused.before:.2%} → {confused.after:.2%}"
        out.print(f"  held out: {change} of pairs confused (equal error: one person taken for two, or two for one)")
    if rho := card.held_out.get("rho"):
        out.print(f"  held out: correlation ρ of a track's tracklets {rho.before:.4f} → {rho.after:.4f}")
    threshold = "none" if card.threshold is None else f"{card.threshold:.4f}"
    out.print(f"  threshold {threshold}: {card.calibration}", markup=False)
    if card.squared_radius is not None:
        out.print(f"  squared radius b {card.squared_radius:.4f}: balls merge up to 4b")
    out.print(f"model: {summary.model} · {summary.seconds:.1f} s", markup=False)


def train_json(summary: TrainSummary) -> dict[str, Any]:
    return {**asdict(summary), "card": summary.card.model_dump(mode="json")}


def verified(summary: VerifySummary) -> None:
    """A row per representation, and what a reader must know beside it."""
    from workflows.verify.columns import columns

    comparison = summary.comparison
    found = columns(comparison)
    table = _table("representation", *(column.head for column in found))
    for number, row in enumerate(comparison.rows):
        figures = [Text(column.text(number), "bold" if column.is_best(number) else "") for column in found]
        table.add_row(Text(row.name), *figures)
    out.print(table)
    if comparison.unnamed:
        what = "some movies are not verified" if comparison.verified else "verification is absent"
        out.print(f"{what}: {comparison.unnamed}; castmine labels import brings names in", markup=False)
    if comparison.unlinked:
        out.print(f"the equal error of links is absent: {comparison.unlinked}", markup=False)
    for row in comparison.rows:
        for note in row.notes:
            out.print(f"{row.name} {note}", markup=False)
    movies = f"mean over {len(comparison.verified)} of {len(comparison.movies)} movies"
    out.print(f"{movies} · {summary.seconds:.1f} s: open {summary.page}", markup=False)
    for movie_id, message in comparison.failed.items():
        err.print(f"failed: {movie_id}: {message}", style="red", markup=False)


def verify_json(summary: VerifySummary) -> dict[str, Any]:
    from workflows.verify.figures import comparison_json

    return {**comparison_json(summary.comparison), "page": summary.page, "seconds": summary.seconds}


def clustered(summary: ClusterSummary) -> None:
    """The outcome of a clustering: a row per movie, with metrics where labels exist."""
    scored = any(movie.metrics for movie in summary.movies)
    names = ("wcp", "v_measure", "homogeneity", "completeness", "pcr") if scored else ()
    heads = [name.replace("_", "-").upper() if name in ("wcp", "pcr") else name.replace("_", "-") for name in names]
    table = _table("movie", "tracks", "characters", "violations", *heads)
    for movie in summary.movies[:SHOWN]:
        metrics = asdict(movie.metrics) if movie.metrics else {}
        row = [str(movie.tracks), str(movie.clusters), str(movie.violations)]
        table.add_row(Text(movie.movie_id), *row, *(_figure(metrics.get(name)) for name in names))
    if summary.overall and len(summary.movies) > 1:
        overall = asdict(summary.overall)
        table.add_section()
        table.add_row(
            "overall", str(overall["tracks"]), "", str(overall["violations"]), *(_figure(overall[n]) for n in names)
        )
    if summary.movies:
        out.print(table)
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
        tracks = sum(movie.tracks for movie in summary.movies)
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


def cluster_json(summary: ClusterSummary) -> dict[str, Any]:
    return asdict(summary)


def imported(counts: list[ImportedCounts], dataset: str) -> None:
    table = _table("movie", "tracks", "cannot-links", "labels")
    for movie in counts[:SHOWN]:
        table.add_row(Text(movie.movie_id), str(movie.tracks), str(movie.links), str(movie.labels))
    out.print(table)
    if counts and not any(movie.links for movie in counts):
        out.print("no cannot-links: nothing here is known to be seen together, so no method has any to keep to")
    for movie in counts:
        if movie.carried or movie.lost:
            lost = f", {movie.lost} on tracks that are gone" if movie.lost else ""
            out.print(f"labels of {movie.movie_id} from before: {movie.carried} carried over{lost}", markup=False)
    out.print(
        f"{len(counts)} movies, {sum(movie.tracks for movie in counts)} tracks imported · {dataset}", markup=False
    )


def labelled(changes: Iterable[LabelChange]) -> None:
    for change in changes:
        lost = f", {change.lost} on no track (kept for the next harvest)" if change.lost else ""
        out.print(f"labels of {change.movie_id}: {change.attached} on tracks{lost}", markup=False)


def configuration(rows: Iterable[tuple[str, Any, str]]) -> None:
    """Every key as YAML that `--config` takes."""
    open_sections: list[str] = []
    for key, default, meaning in rows:
        *sections, name = key.split(".")
        for depth, section in enumerate(sections):
            if open_sections[depth : depth + 1] != [section]:
                open_sections[depth:] = [section]
                out.print(f"{'  ' * depth}{section}:", markup=False, soft_wrap=True)
        indent = "  " * len(sections)
        out.print(f"{indent}# {' '.join(meaning.split())}", markup=False, style="dim", soft_wrap=True)
        out.print(f"{indent}{name}: {_yaml(default)}", markup=False, soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _yaml(value: object) -> object:
    if isinstance(value, tuple):
        return json.dumps([item.model_dump(mode="json") if isinstance(item, Section) else item for item in value])
    return "null" if value is None else value


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
