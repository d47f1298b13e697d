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
            help="hac, hac-complete, hac-ward, hac-expanded, ball, affinity, hdbscan or videoclusternet.",
            show_default="hac; with a model hac-expanded",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL_DIR", help="A model that was trained.", show_default="the pack itself")
    ] = None,
    adapt: Annotated[
        str | None,
        typer.Option(
            help="Fit to each movie first: tsiam, ssiam, selfdistill, selfdistill-network, or ball (of a bcl model).",
            show_default="as it is",
        ),
    ] = None,
    k_from: Annotated[
        str,
        typer.Option(
            metavar="WHERE", help="Number of characters: threshold, labels, corpus (its cast_size), or a number."
        ),
    ] = "threshold",
    run: Annotated[
        str | None,
        typer.Option(help="Name of this clustering.", show_default="method, model, adaptation, K where known"),
    ] = None,
    movies: Annotated[str, typer.Option(metavar="ID,…", help="Only these movies.", show_default="all")] = "",
    force: Annotated[bool, typer.Option("--force", help="Also what this run has clustered just so before.")] = False,
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

    chosen = [movie for movie in movies.split(",") if movie]
    asked = ClusterRequest(method, model, adapt, _k_from(k_from), run, chosen, force)
    summary = cluster_all(dataset, asked, settings(config, set_, workers), address)
    clustered(summary)
    write_json(json_file, cluster_json(summary))
    if summary.failed:
        raise typer.Exit(FAILED)


@app.command(rich_help_panel=MAIN)
def report(
    dataset: DatasetOption,
    out_folder: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the pages.", callback=lasting)
    ],
    run: Annotated[str | None, typer.Option(help="Clustering to show.", show_default="the latest")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also sheets that would show the same as before.")] = False,
    config: ConfigOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Write a cast sheet per movie: an HTML page that opens anywhere, without a network.

    A sheet there that would show the same again is left as it is. Sheets in the folder of movies that the dataset no
    longer has are named, with the command that removes them. So are movies that are not clustered: theirs show no
    characters.
    """
    from harvest.dataset.read import Dataset
    from workflows.printing import reported, told_of_no_characters
    from workflows.report.write import other_sheets, write_report

    written = write_report(Dataset.open(dataset), run, out_folder, settings(config, set_, None).report, force)
    others = other_sheets(written.pages)
    reported(written, others)
    told_of_no_characters(written, dataset)
    found = {"pages": written.pages, "written": written.written, "others": others, "unclustered": written.unclustered}
    write_json(json_file, {what: [str(each) for each in those] for what, those in found.items()})


@app.command(rich_help_panel=MAIN)
def compare(
    dataset: DatasetOption,
    out_folder: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for page and tables.")],
    runs: Annotated[
        str, typer.Option(metavar="A,B,…", help="Clusterings to compare.", show_default="all that there are")
    ] = "",
    config: ConfigOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Put clusterings of one dataset side by side: scores, a test of their differences, which tracks are hard.

    On the movies that all of them have clustered, by the labels that there are now.
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
