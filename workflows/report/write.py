"""`castmine report`: a dataset and a run in, a folder of cast sheets out. The pages are built in `pages.py`."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from cluster.metrics import score_movie
from harvest.dataset.read import Dataset, movies_table
from harvest.dataset.records import MovieRecord, file_name
from harvest.errors import DatasetError
from workflows.cluster.earlier import labels_digest
from workflows.report.config import ReportConfig
from workflows.report.contacts import FACE_COLUMNS, track_identities
from workflows.report.folder import unwritable
from workflows.report.pages import CastSheet, IndexRow, cast_sheet, index_page

INDEX = "index.html"
HEAD_BYTES = 4096
"""Of a page, in which its title stands."""


def write_report(dataset: Dataset, run: str | None, out: str | Path, config: ReportConfig | None = None) -> list[Path]:
    """Write a cast sheet for every movie of a clustering run (None: the latest), and the index; the index comes first.

    A movie that the run has not clustered since its last harvest gets a sheet on which no track has a character.
    Raises DatasetError where there is no such run, or where `out` cannot be written.
    """
    config = config or ReportConfig()
    run = choose_run(dataset, run)
    folder = Path(out)
    rows: list[IndexRow] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for record in dataset.records():
            sheet = read_sheet(dataset, record, run)
            cast = sheet.cast(config)
            rows.append(IndexRow(sheet.movie, cast, page_name(record.movie_id), sheet.metrics))
            (folder / rows[-1].page).write_text(cast_sheet(sheet, config, cast), encoding="utf-8")
        failures = [each.model_dump() for each in dataset.failures() if run is None or each.run in ("", run)]
        (folder / INDEX).write_text(index_page(rows, failures, run, config), encoding="utf-8")
    except OSError as error:
        raise unwritable(folder, error) from error
    return [folder / INDEX, *(folder / row.page for row in rows)]


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


def page_name(movie_id: str) -> str:
    """File name of a movie's cast sheet: one safe path segment for any id, and never that of the index."""
    name = file_name(movie_id)
    return f"%{ord(name[0]):02X}{name[1:]}.html" if name.lower() == "index" else f"{name}.html"


def read_sheet(dataset: Dataset, record: MovieRecord, run: str | None) -> CastSheet:
    """What the dataset holds of a movie for its cast sheet, scored where it has labels."""
    movie_id = record.movie_id
    tracks, links = dataset.table("tracks", movie_id), dataset.table("links", movie_id)
    clusters = dataset.derived("clusters", run, movie_id) if run is not None else None
    noted = dataset.derived_record("clusters", run, movie_id) if run is not None and clusters is not None else None
    labels = read_labels(dataset, movie_id)
    return CastSheet(
        movie=movies_table([record]).to_pylist()[0],
        shots=dataset.table("shots", movie_id),
        tracks=tracks,
        faces=dataset.table("faces", movie_id, list(FACE_COLUMNS)),
        links=links,
        clusters=clusters,
        labels=labels,
        metrics=score_run(tracks, links, clusters, labels),
        notes={"run": run, **_current(noted.notes, labels_digest(dataset, record))} if noted else {},
        index=INDEX,
    )


def read_labels(dataset: Dataset, movie_id: str) -> pa.Table | None:
    """All labels of a movie, of every import; None where there are none."""
    imports = [dataset.derived("labels", run, movie_id) for run in dataset.runs("labels")]
    found = [labels for labels in imports if labels is not None and labels.num_rows]
    return pa.concat_tables(found) if found else None


def score_run(
    tracks: pa.Table, links: pa.Table, clusters: pa.Table | None, labels: pa.Table | None
) -> dict[str, float | int] | None:
    """`cluster.metrics.Metrics` of a run as a dict; None where it has no assignments or no labelled track."""
    if clusters is None:
        return None
    identities = track_identities(labels)
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
