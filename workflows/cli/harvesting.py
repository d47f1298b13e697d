"""`castmine harvest` and `castmine demo`."""

from pathlib import Path
from typing import Annotated

import typer

from workflows.cli.app import app
from workflows.cli.options import (
    FAILED,
    MAIN,
    AddressOption,
    ConfigOption,
    DatasetOption,
    DeviceOption,
    JsonOption,
    ModelsOption,
    PruneAllOption,
    PruneOption,
    RetryOption,
    SetOption,
    WaitOption,
    WorkersOption,
    settings,
)
from workflows.config import load_config
from workflows.console import write_json
from workflows.submitted import lasting


@app.command(rich_help_panel=MAIN)
def demo(
    out_folder: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for everything it makes.", callback=lasting)
    ] = Path("demo"),
    workers: WorkersOption = None,
    json_file: JsonOption = None,
) -> None:
    """Make a short movie of real faces, find its cast with every stage, and score it. Needs no file and no network."""
    from workflows.demo.run import run_demo

    result = run_demo(out_folder, settings(None, [], workers))
    write_json(json_file, result)
    if result["fell_short"]:
        raise typer.Exit(FAILED)


@app.command(rich_help_panel=MAIN)
def harvest(
    corpus: Annotated[
        str, typer.Argument(help="Video file, folder, glob, or CSV/Parquet with the columns movie_id and uri.")
    ],
    dataset: DatasetOption,
    models: ModelsOption = None,
    workers: WorkersOption = None,
    segment_minutes: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="Length of the parts of a movie that workers do at the same time.",
            show_default="10",
        ),
    ] = None,
    device: DeviceOption = None,
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Share of a GPU for each worker, with --device cuda.", show_default="1"),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(metavar="N", help="Frames that the face models take at once; for a GPU.", show_default="1"),
    ] = None,
    retry_failed: RetryOption = False,
    prune: PruneOption = False,
    prune_all: PruneAllOption = False,
    wait: WaitOption = False,
    address: AddressOption = None,
    config: ConfigOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Decode movies, detect, track and embed every face, and commit tracks and links movie by movie.

    Only what is new or changed is done. Stop it with Ctrl-C; the same command goes on where it stopped.
    """
    from workflows.harvest.printed import harvest_json, harvested
    from workflows.harvest.run import harvest as run

    flags = {
        "workers": workers,
        "segment_minutes": segment_minutes,
        "device": device,
        "gpus_per_worker": gpus_per_worker,
        "batch": batch,
    }
    given = [f"run.{key}={value}" for key, value in flags.items() if value is not None]
    loaded = load_config(config, [*set_, *given])
    most = 1.0 if prune_all else loaded.corpus.shrunk if prune else None
    summary = run(corpus, dataset, models, loaded, address, retry_failed, most, wait)
    harvested(summary, dataset)
    write_json(json_file, harvest_json(summary))
    if summary.count("failed") or summary.not_pruned:
        raise typer.Exit(FAILED)
