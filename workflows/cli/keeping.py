"""`castmine forget` and `castmine vacuum`: what an operator removes from a dataset."""

import re
from datetime import timedelta
from shlex import quote
from typing import Annotated

import typer

from harvest.errors import ConfigError, DatasetError
from workflows.cli.app import app
from workflows.cli.options import INTERRUPTED, SCALE, DatasetOption, JsonOption, WaitOption, flag
from workflows.console import counted, out, write_json

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def age(text: str) -> timedelta:
    """90s, 30m, 24h, 7d. Raises typer.BadParameter."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if not found:
        raise typer.BadParameter(f"{text!r} is no time; write it as 90s, 30m, 24h or 7d")
    return timedelta(seconds=float(found[1]) * UNITS[found[2]])


def _confirmed(question: str) -> bool:
    """The answer to a question. Raises ConfigError where there is nobody to answer."""
    try:
        return typer.confirm(question)
    except typer.Abort as error:
        out.print()  # ends the line of the question
        raise ConfigError("nobody answered, so nothing was removed; say --yes") from error


@app.command(rich_help_panel=SCALE)
def forget(
    movie: Annotated[str, typer.Argument(help="movie_id of the movie.")],
    dataset: DatasetOption,
    yes: Annotated[bool, flag("--yes", "Remove without asking.", short="-y")] = False,
    wait: WaitOption = False,
    json_file: JsonOption = None,
) -> None:
    """Remove every row and file of a movie: tables, clusters, labels, staged segments, failures.

    At once and for good. What was made outside the dataset stays yours to remove: cast sheets, exports, models.
    """
    from harvest.dataset.forget import remains
    from harvest.dataset.read import Dataset
    from harvest.storage import cache_folder
    from workflows.forgetting import forget_movie
    from workflows.lease import lease_on

    opened = Dataset.open(dataset)
    with lease_on(opened.store, wait):
        found = remains(opened, movie)
        if not found.records and not found.files:
            every = f'castmine sql "SELECT movie_id FROM movies" --dataset {quote(dataset)}'
            raise DatasetError(f"{dataset}: has nothing of a movie {movie!r}; what there is: {every}")
        records, files = counted(len(found.records), "record"), counted(len(found.files), "file")
        shards = f"{records} and {files}, {found.bytes / 2**20:.1f} MiB"
        if not yes and not _confirmed(f"Remove {shards} of {movie} for good?"):
            out.print("nothing was removed")
            raise typer.Exit(INTERRUPTED)
        forget_movie(opened, movie)
    out.print(f"{movie}: removed {shards}", markup=False)
    if any(path.startswith("shards/") for path in found.files):  # of a movie that was never decoded nothing was made
        out.print("cast sheets, exports and models made from it are not in the dataset: remove or train them anew")
        out.print("castmine report names the sheets that are left over")
    if not opened.store.is_local:
        out.print(f"other machines keep what they read of a bucket's records in {cache_folder()} until they read again")
    out.print("while its file is in the corpus, the next harvest brings it back")
    write_json(json_file, {"movie_id": movie, "removed": [*found.records, *found.files], "bytes": found.bytes})


@app.command(rich_help_panel=SCALE)
def vacuum(
    dataset: DatasetOption,
    older_than: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Grace time: remove what no record has named for so long (90s, 30m, 24h, 7d)."
        ),
    ] = "24h",
    dry_run: Annotated[bool, flag("--dry-run", "Say what would be removed; remove nothing.")] = False,
    wait: WaitOption = False,
    json_file: JsonOption = None,
) -> None:
    """Remove files that no record names: shards of earlier harvests, staging of abandoned runs.

    Queries that began before a movie was harvested anew still read its old files: let the grace time outlast them. What
    is younger than ten minutes stays in any case: a command may be about to name it.
    """
    from harvest.dataset.read import Dataset
    from harvest.dataset.vacuum import WRITING, litter
    from harvest.dataset.vacuum import vacuum as run
    from workflows.lease import lease_on, utc_clock

    grace, opened = age(older_than), Dataset.open(dataset)
    if dry_run:
        found = litter(opened, utc_clock(), grace)
    else:
        with lease_on(opened.store, wait):
            found = run(opened, utc_clock(), grace)
    verb, size = "would remove" if dry_run else "removed", sum(each.bytes for each in found)
    young = "" if grace >= WRITING else "; what is younger than ten minutes stays"
    said = f"{verb} {counted(len(found), 'file')}, {size / 2**20:.1f} MiB · {dataset}{young}"
    out.print(said, markup=False, soft_wrap=True)
    write_json(json_file, {"removed": [each.path for each in found], "bytes": size, "dry_run": dry_run})
