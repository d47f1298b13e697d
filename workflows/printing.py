"""What the commands print that have no folder of their own: imports, labels, `castmine config`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from rich.text import Text

from harvest.config import Section
from workflows.console import NAMED_MOVIES, SHOWN_MOVIES, counted, err, first_names, out, print_table, table_of

if TYPE_CHECKING:  # a harvest, which prints its labels, does not load the importers
    from workflows.labels import LabelChange
    from workflows.report.write import Report
    from workflows.tracks_import import ImportedCounts


def imported(counts: list[ImportedCounts], dataset: str) -> None:
    table = table_of("movie", "tracks", "cannot-links", "labels")
    for movie in counts[:SHOWN_MOVIES]:
        table.add_row(Text(movie.movie_id), str(movie.tracks), str(movie.links), str(movie.labels))
    print_table(table)
    if counts and not any(movie.links for movie in counts):
        out.print("no cannot-links: nothing here is known to be seen together, so no method has any to keep to")
    for movie in counts:
        if movie.carried or movie.lost:
            lost = f", {movie.lost} on tracks that are gone" if movie.lost else ""
            out.print(f"labels of {movie.movie_id} from before: {movie.carried} carried over{lost}", markup=False)
    movies, tracks = counted(len(counts), "movie"), counted(sum(movie.tracks for movie in counts), "track")
    out.print(f"{movies}, {tracks} imported · {dataset}", markup=False, soft_wrap=True)


def labelled(changes: Iterable[LabelChange]) -> None:
    for change in changes:
        if change.not_carried:
            err.print(f"warning: {change.not_carried}", style="yellow", markup=False)
            continue
        if change.kept:
            kept = counted(change.kept, "earlier label")
            out.print(f"labels of {change.movie_id}: no row is on a track, {kept} kept", markup=False)
            continue
        lost = f", {change.lost} on no track (kept for the next harvest)" if change.lost else ""
        earlier = f"; {change.replaced} earlier ones replaced" if change.replaced else ""
        out.print(f"labels of {change.movie_id}: {change.attached} on tracks{lost}{earlier}", markup=False)


def remarked(changes: Sequence[LabelChange], file: Path) -> None:
    """What is doubtful in an imported file, and its rows that name no track."""
    doubts = [text for change in changes for text in change.doubts]
    missed = [text for change in changes for text in change.missed]
    _listed(f"warning: {counted(len(doubts), 'pair')} of tracks of one name that are seen together", doubts, file)
    _listed(f"failed: {counted(len(missed), 'row')} on no track", missed, file, style="red")


def _listed(title: str, remarks: Sequence[str], file: Path, style: str = "yellow") -> None:
    """The first of them, below a title; nothing where there are none."""
    if remarks:
        more = f" (the first {SHOWN_MOVIES}; --json FILE has all)" if len(remarks) > SHOWN_MOVIES else ""
        err.print(f"{title}{more}:", style=style, markup=False)
    for text in remarks[:SHOWN_MOVIES]:
        err.print(f"{file}: {text}", style=style, markup=False)


def reported(report: Report, others: Sequence[Path]) -> None:
    """Where the cast sheets are, how many had to be written besides the index, and which there are `others`':
    left, in no index."""
    sheets, written = len(report.sheets), len(report.written)
    kept = f" ({written or 'none'} had to be written besides the index)" if written < sheets else ""
    out.print(f"{counted(sheets, 'cast sheet')}{kept}: open {report.index}", markup=False, soft_wrap=True)
    if len(report.runs) > 1:
        which = f"the latest of {len(report.runs)}" if report.run == report.runs[-1] else f"one of {len(report.runs)}"
        runs = ", ".join(report.runs[-NAMED_MOVIES:])
        out.print(f"run {report.run}, {which}: {runs} (--run NAME chooses)", markup=False, soft_wrap=True)
    if others:
        remove = " ".join(quote(str(page)) for page in others)
        told = f"{counted(len(others), 'sheet')} there of no movie of this dataset, left as found"
        out.print(f"{told}; what removes it: rm {remove}", markup=False, soft_wrap=True)


def told_of_no_characters(report: Report, dataset: str) -> None:
    """Which sheets show no characters, as after a new harvest; nothing where all do."""
    names = report.unclustered
    if names:
        told = "no movie is clustered" if len(names) == len(report.sheets) else f"not clustered: {first_names(names)}"
        out.print(f"{told} (castmine cluster --dataset {quote(dataset)})", markup=False, soft_wrap=True)


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


def _yaml(value: object) -> object:
    if isinstance(value, tuple):
        return json.dumps([item.model_dump(mode="json") if isinstance(item, Section) else item for item in value])
    return "null" if value is None else value
