"""Options that several commands share, and the exit statuses that all do."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harvest.errors import ConfigError
from workflows.config import Config, load_config
from workflows.submitted import lasting

FAILED, USAGE, INTERRUPTED = 1, 2, 130
"""Exit status: some movies failed; wrong usage or nothing could be done; stopped by Ctrl-C. 0: all done."""

MAIN, SCALE, MORE = "From a movie to its cast", "A corpus at scale", "More"
"""Panels of `castmine --help`, in this order."""

DatasetOption = Annotated[
    str, typer.Option("--dataset", "-d", metavar="DIR", help="Folder of the dataset.", callback=lasting)
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="YAML file; [b]castmine config[/b] prints its keys."),
]
SetOption = Annotated[
    list[str], typer.Option("--set", "-s", metavar="K=V", help="One key of the configuration: harvest.stride=2.")
]


def outside_datasets(file: Path | None) -> Path | None:
    """A file to write, as given. Raises ConfigError where it lies in a dataset: over its marker or a record, that could
    not be read any more."""
    from harvest.dataset.read import lies_in_dataset

    if file and lies_in_dataset(file):
        raise ConfigError(f"{file}: lies in a dataset, where no command writes what it prints; name another file")
    return file


JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write what is printed as JSON too.", callback=outside_datasets),
]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Ray workers.", show_default="one for each core")]
AddressOption = Annotated[
    str | None,
    typer.Option(metavar="ADDR", help="Ray cluster to use.", envvar="RAY_ADDRESS", show_default="one on this machine"),
]

WaitOption = Annotated[
    bool, typer.Option("--wait", help="Where another run is at work on the dataset, wait for its end.")
]
PruneOption = Annotated[bool, typer.Option("--prune", help="Remove movies that are no longer in the corpus.")]
PruneAllOption = Annotated[
    bool, typer.Option("--prune-all", help="… also where that is more than half of them (corpus.shrunk).")
]


class Device(StrEnum):
    cpu = "cpu"
    cuda = "cuda"


def settings(file: Path | None, overrides: list[str], workers: int | None) -> Config:
    """The configuration of a command: its file, its `--set`s, its `--workers`."""
    return load_config(file, [*overrides, *([f"run.workers={workers}"] if workers else [])])
