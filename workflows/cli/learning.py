"""`castmine train` and `castmine verify`."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from harvest.errors import TooLittleDataError
from workflows.cli.app import app
from workflows.cli.interruption import InterruptedRunError, interruption
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
def train(
    dataset: DatasetOption,
    out_folder: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the model.", callback=lasting)
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A paper's recipe: multiface-mvcorr, multiface-imptriplet, or bcl (needs labels)."
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="mvcorr-linear, a closed form that takes seconds and needs no label; or a baseline that learns from "
            "labels: triplet, contrastive, ldml, prototypical, cross-entropy.",
            show_default="mvcorr-linear",
        ),
    ] = None,
    workers: WorkersOption = None,
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Train on GPUs: the share of one for each worker.", show_default="no GPU"),
    ] = None,
    resume: Annotated[
        bool, flag("--resume", "Go on with the training of this model that was stopped, where there is one.")
    ] = False,
    address: AddressOption = None,
    config: ConfigOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Learn a representation from a dataset: from its own must-links and cannot-links, or from labels.

    A dataset that is too small to learn anything but noise from is refused, with exit status 2.
    """
    from train.presets import CLOSED_FORM
    from workflows.train.printed import train_json, trained
    from workflows.train.run import train as run

    if preset and method:
        raise typer.BadParameter("give --preset or --method, not both")
    on_gpu = [] if gpus_per_worker is None else ["run.device=cuda", f"run.gpus_per_worker={gpus_per_worker}"]
    chosen = settings(config, [*set_, *on_gpu], workers)
    try:
        summary = run(dataset, preset or method or CLOSED_FORM, out_folder, chosen, address, resume)
    except TooLittleDataError as error:
        without = f"castmine cluster --dataset {quote(dataset)}"
        raise TooLittleDataError(f"{error}; or go on without a model: {without}") from error
    except (InterruptedRunError, SystemError) as error:
        if not interruption(error):
            raise
        again = "the same command begins anew, and with --resume after the last epoch of a network's training"
        raise InterruptedRunError(f"stopped; {again}") from error
    trained(summary)
    write_json(json_file, train_json(summary))


@app.command(rich_help_panel=MAIN)
def verify(
    dataset: DatasetOption,
    out_folder: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the page and its curves.", callback=lasting)
    ],
    model: Annotated[
        list[str],
        typer.Option(metavar="DIR", help="Model to compare with the pack's own embeddings; may be given again."),
    ] = [],  # noqa: B006
    workers: WorkersOption = None,
    address: AddressOption = None,
    config: ConfigOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Show what models gained: how well they tell two tracks of one person from tracks of two.

    On any tracks: how often people are known again before links contradict it, how often links are confused, and the
    distances of mined hard pairs. On named tracks: true positive rates (TPR), ROC, AUC and equal error of all pairs.
    """
    from workflows.verify.printed import verified, verify_json
    from workflows.verify.run import verify as run

    summary = run(dataset, model, out_folder, settings(config, set_, workers), address)
    verified(summary)
    write_json(json_file, verify_json(summary))
    if summary.comparison.failed:
        raise typer.Exit(FAILED)
