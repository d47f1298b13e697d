"""`castmine cluster`, `castmine compare` and `castmine report`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from workflows.cli.app import app
from workflows.cli.options import (
    FAILED,
    MAIN,
    AddressOption,
    ConfigOption,
    DatasetOption,
    JsonOption,
    SetOption,
    WorkersOption,
    flag,
    settings,
)
from workflows.console import write_json
from workflows.submitted import lasting


@app.command(rich_help_panel=MAIN)
def cluster(
    dataset: DatasetOption,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="How to group: hac, hac-complete, hac-ward, hac-expanded, ball, affinity, hdbscan, videoclusternet.",
            show_default="hac; with --model hac-expanded",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Model to embed the tracks with.", show_default="none, the pack's own"),
    ] = None,
    adapt: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Fit to each movie first: tsiam, ssiam, selfdistill, selfdistill-network, or ball (with a bcl model).",
            show_default="no fitting",
        ),
    ] = None,
    k_from: Annotated[
        str,
        typer.Option(
            metavar="WHERE",
            help="Take the number of characters from threshold (a distance), labels, corpus (its cast_size); or N.",
        ),
    ] = "threshold",
    run: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of this clustering.", show_default="method, model, adaptation, K if known"
        ),
    ] = None,
    movies: Annotated[
        list[str],
        typer.Option(metavar="ID,…", help="Cluster these movies only; may be given again.", show_default="all"),
    ] = [],  # noqa: B006
    force: Annotated[bool, flag("--force", "Cluster again even where this clustering has the same already.")] = False,
    workers: WorkersOption = None,
    address: AddressOption = None,
    config: ConfigOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Group the tracks of each movie into its cast; score it where labels exist."""
    from workflows.cluster.printed import cluster_json, clustered
    from workflows.cluster.request import ClusterRequest
    from workflows.cluster.run import cluster as cluster_all

    asked = ClusterRequest(method, model, adapt, _k_from(k_from), run, movies, force)
    summary = cluster_all(dataset, asked, settings(config, set_, workers), address)
    clustered(summary)
    write_json(json_file, cluster_json(summary))
    if summary.failed:
        raise typer.Exit(FAILED)


@app.command(rich_help_panel=MAIN)
def report(
    dataset: DatasetOption,
    out_folder: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the pages.", callback=lasting)
    ],
    run: Annotated[
        str | None, typer.Option(metavar="NAME", help="Clustering to show.", show_default="the latest")
    ] = None,
    force: Annotated[bool, flag("--force", "Write sheets again even where they would show the same.")] = False,
    config: ConfigOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Write a cast sheet per movie: an HTML page that opens anywhere, without a network.

    A sheet that would show the same again is left as it is. Sheets in the folder of movies that the dataset no longer
    has are named, with the command that removes them. Sheets of movies that are not clustered show no characters.
    """
    from harvest.dataset.read import Dataset
    from workflows.printing import reported, told_of_no_characters
    from workflows.report.write import other_sheets, write_report

    written = write_report(Dataset.open(dataset), run, out_folder, settings(config, set_, None).report, force)
    others = other_sheets(written.pages)
    reported(written, others)
    told_of_no_characters(written, dataset)
    found = {"pages": written.pages, "written": written.written, "others": others, "unclustered": written.unclustered}
    told = {what: [str(each) for each in those] for what, those in found.items()}
    write_json(json_file, {"run": written.run, **told})


@app.command(rich_help_panel=MAIN)
def compare(
    dataset: DatasetOption,
    out_folder: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the page and its tables.", callback=lasting)
    ],
    runs: Annotated[str, typer.Option(metavar="NAME,…", help="Clusterings to compare.", show_default="all")] = "",
    config: ConfigOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Put clusterings of one dataset side by side: scores, a test of their differences, which tracks are hard.

    They are scored on the movies that all of them have clustered, by the labels that there are now.
    """
    from workflows.compare.printed import compare_json, compared
    from workflows.compare.run import compare as run

    summary = run(dataset, [name for name in runs.split(",") if name], out_folder, settings(config, set_, None))
    compared(summary)
    write_json(json_file, compare_json(summary))


def _k_from(text: str) -> Any:
    if text in ("threshold", "labels", "corpus"):
        return text
    if text.isdigit() and int(text) > 0:
        return int(text)
    raise typer.BadParameter(f"--k-from {text}: give threshold, labels, corpus, or a number of characters")
