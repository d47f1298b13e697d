"""`castmine report`: a dataset and a run in, a folder of cast sheets out. The pages are built in `pages.py`."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from cluster.metrics import score_movie
from harvest.dataset.read import Dataset, movies_table
from harvest.errors import DatasetError
from workflows.labels import identities_in
from workflows.report.config import ReportConfig
from workflows.report.contacts import FACE_COLUMNS
from workflows.report.current import INDEX, MADE_FROM, SheetSource, is_current, lines_there, sheet_sources
from workflows.report.folder import make_folder, write_page
from workflows.report.pages import CastSheet, cast_sheet, index_line, index_page

HEAD_BYTES = 4096
"""Of a page, in which its title stands."""


@dataclass(frozen=True)
class Report:
    """The pages of a report, as they lie in its folder."""

    index: Path
    sheets: tuple[Path, ...]
    written: tuple[Path, ...]
    """Those of the sheets that were written; the others show just what they would if they had been."""
    unclustered: tuple[str, ...]
    """Movies that the run has not clustered since their last harvest: their sheets show no characters."""
    run: str | None
    """The clustering that they show, None: there is none …"""
    runs: tuple[str, ...]
    """… of these, the latest last."""

    @property
    def pages(self) -> list[Path]:
        """All of them, the index first."""
        return [self.index, *self.sheets]


def write_report(
    dataset: Dataset, run: str | None, out: str | Path, config: ReportConfig | None = None, force: bool = False
) -> Report:
    """Write a cast sheet for every movie of a clustering run (None: the latest), and the index.

    A sheet that lies there and shows just what it would again is left as it is, unless by `force`; its movie's tables
    are not read. A movie that the run has not clustered since its last harvest gets a sheet on which no track has a
    character. Raises DatasetError where there is no such run, where a table is lost, or where `out` cannot be written.
    """
    config, folder = config or ReportConfig(), Path(out)
    run = choose_run(dataset, run)
    make_folder(folder)
    sources = sheet_sources(dataset, run, config)
    known = {} if force else lines_there(folder)
    lines, written = [], []
    for source in sources:
        if not is_current(source, folder, known):
            known[source.made_from] = _write_sheet(dataset, source, folder, config)
            written.append(folder / source.page)
        lines.append(known[source.made_from])
    failures = [each.model_dump() for each in dataset.failures() if run is None or each.run in ("", run)]
    seconds = sum(source.movie.facts.duration_s for source in sources)
    write_page(folder / INDEX, index_page(lines, failures, run, seconds))
    without = tuple(source.movie.movie_id for source in sources if source.clusters is None)
    return Report(
        folder / INDEX,
        tuple(folder / source.page for source in sources),
        tuple(written),
        without,
        run,
        tuple(dataset.runs()),
    )


def _write_sheet(dataset: Dataset, source: SheetSource, folder: Path, config: ReportConfig) -> str:
    """Returns the movie's line of the index."""
    sheet = read_sheet(dataset, source)
    cast = sheet.cast(config)
    end = MADE_FROM.format(source.made_from)
    write_page(folder / source.page, cast_sheet(sheet, config, cast) + end)
    return index_line(sheet, source.page, config, cast) + end


def other_sheets(pages: Sequence[Path]) -> list[Path]:
    """Cast sheets beside these pages that are none of them: of movies that were forgotten, or of another dataset.

    They are told, never removed: whose they are stands in no file.
    """
    folder = pages[0].parent
    return sorted(path for path in folder.glob("*.html") if path not in pages and _is_sheet(path))


def _is_sheet(path: Path) -> bool:
    """Whether castmine made the page, as a cast sheet: its first lines say so."""
    with suppress(OSError), path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        return b'name="generator" content="castmine"' in head and "· cast sheet</title>".encode() in head
    return False


def choose_run(dataset: Dataset, run: str | None) -> str | None:
    """The run itself, or the latest where none is named; None where nothing was clustered yet.

    Raises DatasetError, which names the runs there are, where `run` is not one of them.
    """
    runs = dataset.runs()
    if run is None:
        return runs[-1] if runs else None
    if run not in runs:
        there = f"there are: {', '.join(runs)}" if runs else "there is none yet; make one with: castmine cluster"
        raise DatasetError(f"{dataset.root}: has no clustering run '{run}'; {there}")
    return run


def read_sheet(dataset: Dataset, source: SheetSource) -> CastSheet:
    """What the dataset holds of a movie for its cast sheet, scored where it has labels. Raises DatasetError."""
    shards, clustered, labelled = source.movie.shards, source.clusters, source.labels
    tracks, links = dataset.read_shard(shards["tracks"]), dataset.read_shard(shards["links"])
    clusters = dataset.read_shard(clustered.shard) if clustered else None
    identities = identities_in(dataset.read_shard(labelled.shard)) if labelled else {}
    notes = _current(clustered.notes, labelled.shard.digest if labelled else "") if clustered else {}
    return CastSheet(
        movie=movies_table([source.movie]).to_pylist()[0],
        shots=dataset.read_shard(shards["shots"]),
        tracks=tracks,
        faces=dataset.read_shard(shards["faces"], list(FACE_COLUMNS)),
        links=links,
        clusters=clusters,
        identities=identities,
        metrics=score_run(tracks, links, clusters, identities),
        notes={"run": clustered.run, **notes} if clustered else {},
        index=INDEX,
    )


def score_run(
    tracks: pa.Table, links: pa.Table, clusters: pa.Table | None, identities: Mapping[int, str]
) -> dict[str, float | int] | None:
    """`cluster.metrics.Metrics` of a run as a dict; None where it has no assignments or no labelled track."""
    if clusters is None:
        return None
    place = {track_id: position for position, track_id in enumerate(tracks["track_id"].to_pylist())}
    assigned = dict(zip(clusters["track_id"].to_pylist(), clusters["cluster_id"].to_pylist(), strict=True))
    pairs = zip(links["track_a"].to_pylist(), links["track_b"].to_pylist(), strict=True)
    metrics = score_movie(
        [assigned.get(track_id, -1) for track_id in place],
        [identities.get(track_id) for track_id in place],
        [(place[a], place[b]) for a, b in pairs],
        tracks["end_frame"].to_numpy() - tracks["start_frame"].to_numpy(),
    )
    return metrics.as_dict() if metrics else None


def _current(notes: dict[str, Any], labels: str) -> dict[str, Any]:
    """A run's notes, without the curve of scores where labels have changed since; the next clustering draws it anew."""
    return notes if notes.get("labels") == labels else {name: notes[name] for name in notes if name != "k_curve"}
