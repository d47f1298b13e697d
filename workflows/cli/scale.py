"""`castmine corpus`, `status`, `failures`, `doctor` and `card`: a library that is harvested night after night."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from workflows.cli.app import app
from workflows.cli.options import (
    FAILED,
    SCALE,
    USAGE,
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
    flag,
    outside_datasets,
    settings,
)
from workflows.console import out, write_json


class StageName(StrEnum):
    harvest = "harvest"
    train = "train"
    cluster = "cluster"
    report = "report"


@app.command(rich_help_panel=SCALE)
def corpus(
    config: ConfigOption = None,
    only: Annotated[
        StageName | None,
        typer.Option(metavar="STAGE", help="Do one stage: harvest, train, cluster or report.", show_default="all"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Harvest at most so many movies.", show_default="all")
    ] = None,
    retry_failed: RetryOption = False,
    force: Annotated[bool, flag("--force", "Do everything again, changed or not.")] = False,
    prune: PruneOption = False,
    prune_all: PruneAllOption = False,
    dry_run: Annotated[bool, flag("--dry-run", "Say what would be done, and what it takes; do nothing.")] = False,
    wait: WaitOption = False,
    workers: WorkersOption = None,
    address: AddressOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Harvest, train, cluster and report by one config, each only where its inputs changed: for every night.

    The section [b]corpus[/b] of the config says what and where. Stop it with Ctrl-C; the same command goes on where it
    stopped.
    """
    from workflows.corpus.printed import corpus_done, corpus_plan
    from workflows.corpus.run import Choice, run_corpus
    from workflows.harvest.plan import Selection

    selection, told = Selection(retry_failed, limit, force), str(config or "FILE")
    chosen = Choice(only.value if only else None, selection, prune, prune_all, wait, told)
    loaded = settings(config, set_, workers)
    if dry_run:
        from workflows.corpus.dry_run import as_json, plan_corpus

        plan = plan_corpus(loaded, chosen)
        corpus_plan(*plan)
        write_json(json_file, as_json(*plan))
        return
    summary, report = run_corpus(loaded, chosen, address)
    corpus_done(summary, report.figures, str(report.file))
    write_json(json_file, report.figures)
    if summary.failed or summary.refused:
        raise typer.Exit(FAILED if summary.failed else USAGE)


@app.command(rich_help_panel=SCALE)
def status(
    dataset: DatasetOption,
    run: Annotated[str | None, typer.Option(metavar="ID", help="Run to show.", show_default="the latest")] = None,
    json_file: JsonOption = None,
) -> None:
    """Show how far a harvest or a corpus run is, from any machine: movies by state, rate, ETA, sign of life."""
    from workflows.journal.status import print_status, read_status, status_json

    found = read_status(dataset, run)
    print_status(found)
    write_json(json_file, status_json(found))


@app.command(rich_help_panel=SCALE)
def failures(dataset: DatasetOption, json_file: JsonOption = None) -> None:
    """List what could not be done: which movie, where, how often, and the command that tries it again."""
    from workflows.journal.failures import failures_json, print_failures, read_failures

    found = read_failures(dataset)
    print_failures(found)
    write_json(json_file, failures_json(found))


@app.command(rich_help_panel=SCALE)
def doctor(
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", metavar="DIR", help="Dataset to try.", show_default="none")
    ] = None,
    models: ModelsOption = None,
    device: DeviceOption = None,
    repair: Annotated[
        bool, flag("--repair", "Take back records of lost shards, so that the next harvest makes these again.")
    ] = False,
    workers: WorkersOption = None,
    address: AddressOption = None,
    config: ConfigOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Try what works here, and say what to do about the rest: packages, decoders, GPU, models, Ray, disk, a dataset.

    With the config of a corpus, that corpus's dataset and models are tried.
    """
    from workflows.doctor.run import examine, findings_json

    loaded = settings(config, [*set_, *([f"run.device={device}"] if device else [])], workers)
    findings = examine(loaded, models or loaded.corpus.models, dataset or loaded.corpus.dataset, address, repair)
    write_json(json_file, findings_json(findings))
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(FAILED)


@app.command(rich_help_panel=SCALE)
def card(
    dataset: DatasetOption,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Markdown file to write.",
            show_default="print it",
            callback=outside_datasets,
        ),
    ] = None,
) -> None:
    """Write a dataset card: what was harvested, by which models and licences, splits, drops, failures, what is owed."""
    from harvest.dataset.read import Dataset
    from workflows.card.facts import gather
    from workflows.card.markdown import card as written

    text = written(gather(Dataset.open(dataset)))
    if out_file:
        out_file.write_text(text, encoding="utf-8")
    out.print(f"dataset card: {out_file}" if out_file else text, markup=False, soft_wrap=True)
