"""`castmine sql`, and what comes into a dataset from elsewhere: labels, tracks; and `castmine config`."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from workflows.cli.app import app, import_app, labels_app
from workflows.cli.options import FAILED, MAIN, MORE, DatasetOption, JsonOption, flag
from workflows.config import keys
from workflows.console import out, write_json


class Format(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


@app.command(rich_help_panel=MAIN)
def sql(
    query: Annotated[
        str | None,
        typer.Argument(help="One SELECT, or the name of a query of --list.", show_default="a prompt"),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", "-d", metavar="DIR", help="Folder of the dataset; not for --schema or --list."),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="Form of the answer.")] = Format.table,
    out_file: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="File for the answer.", show_default="print it")
    ] = None,
    schema: Annotated[bool, flag("--schema", "Print every view, and what its columns mean.")] = False,
    list_: Annotated[bool, flag("--list", "Print the queries that come with castmine.")] = False,
) -> None:
    """Ask the dataset in SQL: one SELECT over movies, shots, tracks, faces, links, clusters and more."""
    from harvest.dataset.read import Dataset
    from workflows.sql.prompt import answer, print_queries, print_schema

    if schema or list_:
        (print_schema if schema else print_queries)(out)
    elif dataset is None:
        raise typer.BadParameter("name the dataset: --dataset DIR")
    else:
        answer(Dataset.open(dataset).snapshot(), query, format_.value, out_file, dataset)


@import_app.command("tracks")
def import_tracks(
    file: Annotated[Path, typer.Argument(help="Parquet with a row per track: movie_id, track_id, …, embeddings.")],
    dataset: DatasetOption,
    json_file: JsonOption = None,
) -> None:
    """Make movies of a dataset from precomputed tracks.

    Columns: movie_id, track_id, shot_id, start_frame, end_frame (exclusive), embeddings (a list of face embeddings);
    optional: identity, fps. Tracks of one shot whose frames overlap are cannot-link.
    """
    _import(file, dataset, "tracks", json_file)


@import_app.command("bcl")
def import_bcl(
    folder: Annotated[
        Path, typer.Argument(help="Folder data/ of the release: features/VIDEO/TRACK_ID.npy and ids/VIDEO.ids.")
    ],
    dataset: DatasetOption,
    json_file: JsonOption = None,
) -> None:
    """Make movies of a dataset from the published features of Ball Cluster Learning, with their people.

    The release has no frame times: tracks stand one after another in the order of their numbers, and none is known to
    be seen together with another, so there are no cannot-links to learn from or to keep to.
    """
    _import(folder, dataset, "bcl", json_file)


@import_app.command("ssiam")
def import_ssiam(
    folder: Annotated[Path, typer.Argument(help="Folder of MATLAB files with features_vgg and Tracks, by episode.")],
    dataset: DatasetOption,
    json_file: JsonOption = None,
) -> None:
    """Make movies of a dataset from the published features of SSiam, their labelid standing for names.

    Of BBT its authors leave out of their scores label 2, unknown people, and the highest, false detections; here they
    count as two people.

    The release has no frame times: tracks stand one after another in the order of their numbers, and none is known to
    be seen together with another, so there are no cannot-links to learn from or to keep to.
    """
    _import(folder, dataset, "ssiam", json_file)


def _import(path: Path, dataset: str, form: str, json_file: Path | None) -> None:
    from workflows.printing import imported
    from workflows.tracks_import import import_tracks as run

    counts = run(path, dataset, form)
    imported(counts, dataset)
    write_json(json_file, {"movies": [asdict(movie) for movie in counts]})


@labels_app.command("import")
def import_labels(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV with the columns movie_id, track_id, identity, or movie_id, time_s, x1, y1, x2, y2, identity."
        ),
    ],
    dataset: DatasetOption,
    json_file: JsonOption = None,
) -> None:
    """Attach identities to tracks, by number or by place; they outlive every re-harvest.

    Those of each movie that the file names replace the movie's earlier ones. A place is a box in pixels of the frame at
    that time, and names the track whose box overlaps it most, by an IoU (intersection over union) of 0.5 or more; a
    track's number stands below its picture in the cast sheet. Places with no track are told, with exit status 1; a
    movie or a track number that is not there refuses the file. A name on two tracks that are seen together is told, and
    taken all the same.
    """
    from harvest.dataset.read import Dataset
    from workflows.labels import import_labels as run
    from workflows.printing import labelled, remarked

    changes = run(file, Dataset.open(dataset))
    labelled(changes)
    remarked(changes, file)
    write_json(json_file, {"movies": [asdict(change) for change in changes]})
    if any(change.missed for change in changes):
        raise typer.Exit(FAILED)


@app.command("config", rich_help_panel=MORE)
def show_config() -> None:
    """Print every key of the configuration with its default and its meaning, as YAML."""
    from workflows.printing import configuration

    configuration(keys())
