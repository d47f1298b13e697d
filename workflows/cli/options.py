"""Options that several commands share, and the exit statuses that all do."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from harvest.errors import ConfigError
from workflows.config import Config, load_config
from workflows.submitted import lasting

FAILED, USAGE, INTERRUPTED = 1, 2, 130
"""Exit status: some movies failed; wrong usage or nothing could be done; stopped by Ctrl-C. 0: all done."""

MAIN, SCALE, MORE = "From a movie to its cast", "A corpus at scale", "More"
"""Panels of `castmine --help`, in this order."""


class Device(StrEnum):
    cpu = "cpu"
    cuda = "cuda"


def flag(name: str, told: str, short: str = "") -> Any:
    """An option that takes no value; typer's own help would show it with one, `<bool>`."""
    return typer.Option(*filter(None, (name, short)), help=told, metavar="")


DatasetOption = Annotated[
    str, typer.Option("--dataset", "-d", metavar="DIR", help="Folder of the dataset.", callback=lasting)
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help="YAML file of settings; [b]castmine config[/b] prints its keys."
    ),
]
SetOption = Annotated[
    list[str],
    typer.Option(
        "--set", "-s", metavar="K=V", help="Set one key of the config, as harvest.stride=2; may be given again."
    ),
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
    typer.Option("--json", metavar="FILE", help="Write what is printed also as JSON.", callback=outside_datasets),
]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Number of Ray workers.", show_default="one for each core")
]
AddressOption = Annotated[
    str | None,
    typer.Option(metavar="ADDR", help="Ray cluster to use.", envvar="RAY_ADDRESS", show_default="one on this machine"),
]

WaitOption = Annotated[
    bool, flag("--wait", "Wait for the end of another run at work on the dataset, instead of giving up.")
]
RetryOption = Annotated[bool, flag("--retry-failed", "Harvest only the movies that failed before.")]
ModelsOption = Annotated[
    str | None,
    typer.Option(
        metavar="PACK",
        help="Face models: bundled, an insightface pack (buffalo_l), or a folder of ONNX files.",
        show_default="the dataset's; else bundled",
    ),
]
DeviceOption = Annotated[Device | None, typer.Option(help="Where the face models run.", show_default="cpu")]
PruneOption = Annotated[
    bool, flag("--prune", "Remove movies that are no longer in the corpus, nor in another that listed them.")
]
PruneAllOption = Annotated[
    bool, flag("--prune-all", "Remove them even where they are more than half of the movies (corpus.shrunk).")
]


def settings(file: Path | None, overrides: list[str], workers: int | None) -> Config:
    """The configuration of a command: its file, its `--set`s, its `--workers`."""
    return load_config(file, [*overrides, *([f"run.workers={workers}"] if workers else [])])
