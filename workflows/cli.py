"""The command line: parse, call, print. Everything it does can be imported from the modules it calls."""

import signal
import sys
from dataclasses import asdict
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from harvest.errors import CastmineError, TooLittleDataError
from workflows import printing
from workflows.config import Config, keys, load_config
from workflows.console import err, out, write_json

FAILED, USAGE, INTERRUPTED = 1, 2, 130
"""Exit status: some movies failed; wrong usage or nothing could be done; stopped by Ctrl-C. 0: all done."""

app = typer.Typer(
    name="castmine",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 all done · 1 some movies failed · 2 wrong usage, or nothing could be done.",
)
import_app = typer.Typer(no_args_is_help=True, help="Bring in what was made elsewhere.")
labels_app = typer.Typer(no_args_is_help=True, help="Say who is who, to score a clustering.")
app.add_typer(import_app, name="import", rich_help_panel="More")
app.add_typer(labels_app, name="labels", rich_help_panel="More")

MAIN, MORE = "From a movie to its cast", "More"

DatasetOption = Annotated[str, typer.Option("--dataset", "-d", metavar="DIR", help="Folder of the dataset.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="YAML file; [b]castmine config[/b] prints its keys."),
]
SetOption = Annotated[
    list[str], typer.Option("--set", "-s", metavar="K=V", help="One key of the configuration: harvest.stride=2.")
]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write what is printed as JSON too.")]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Ray workers.", show_default="one for each core")]
AddressOption = Annotated[
    str | None,
    typer.Option(metavar="ADDR", help="Ray cluster to use.", envvar="RAY_ADDRESS", show_default="one on this machine"),
]


class Device(StrEnum):
    cpu = "cpu"
    cuda = "cuda"


class Format(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


@app.callback(invoke_without_command=True)
def castmine(
    shown_version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Find who is who in a film library.

    Decode movies, detect and track every face, learn from what the tracks themselves tell (one track: one person; seen
    together: different people), and group the tracks of each movie into a cast. No human label is needed.

    [b]Begin with[/b]   castmine demo

    [b]Then[/b]   castmine harvest clip.mp4 -d clips && castmine cluster -d clips && castmine report -d clips -o sheets
    """
    if shown_version:
        out.print(f"castmine {version('castmine')}")
        raise typer.Exit


@app.command(rich_help_panel=MAIN)
def harvest(
    corpus: Annotated[str, typer.Argument(help="Video file, folder, glob, or CSV/Parquet with movie_id, uri.")],
    dataset: DatasetOption,
    models: Annotated[
        str, typer.Option(metavar="PACK", help="bundled, an insightface pack (buffalo_l), or a folder of ONNX files.")
    ] = "bundled",
    workers: WorkersOption = None,
    segment_minutes: Annotated[
        float | None, typer.Option(help="Length of the parts in which a movie is spread.", show_default="10")
    ] = None,
    device: Annotated[Device | None, typer.Option(help="Where the face models run.", show_default="cpu")] = None,
    gpus_per_worker: Annotated[
        float | None, typer.Option(help="Share of a GPU for each worker.", show_default="1")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Frames at once, for a GPU.", show_default="1")] = None,
    retry_failed: Annotated[bool, typer.Option(help="Only the movies that failed before.")] = False,
    address: AddressOption = None,
    config: ConfigOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Decode movies, detect, track and embed every face, and commit tracks and links movie by movie.

    Only what is new or changed is done. Stop it with Ctrl-C; the same command goes on where it was.
    """
    from workflows.harvest import harvest as run

    flags = {
        "workers": workers,
        "segment_minutes": segment_minutes,
        "device": device,
        "gpus_per_worker": gpus_per_worker,
        "batch": batch,
    }
    given = [f"run.{key}={value}" for key, value in flags.items() if value is not None]
    summary = run(corpus, dataset, models, load_config(config, [*set_, *given]), address, retry_failed)
    printing.harvested(summary, dataset)
    write_json(json_file, printing.harvest_json(summary))
    if summary.count("failed"):
        raise typer.Exit(FAILED)


@app.command(rich_help_panel=MAIN)
def train(
    dataset: DatasetOption,
    out_folder: Annotated[Path, typer.Option("--out", "-o", metavar="MODEL_DIR", help="Folder for the model.")],
    preset: Annotated[
        str | None,
        typer.Option(help="A paper's recipe: multiface-mvcorr, multiface-imptriplet, bcl (needs labels)."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="mvcorr-linear, the closed form, in seconds; or a baseline that learns from labels: triplet, "
            "contrastive, ldml, prototypical, cross-entropy.",
            show_default="mvcorr-linear",
        ),
    ] = None,
    workers: WorkersOption = None,
    gpus_per_worker: Annotated[
        float | None, typer.Option(help="Train on GPUs, with this share of one for each worker.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with a training that was stopped, where there is one.")] = False,
    address: AddressOption = None,
    config: ConfigOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Learn a representation from a corpus, from its own must-links and cannot-links, or from labels.

    Refuses, with exit status 2, a corpus that is too small to learn anything but noise from.
    """
    from workflows.train import CLOSED_FORM
    from workflows.train import train as run

    if preset and method:
        raise typer.BadParameter("give --preset or --method, not both")
    on_gpu = [] if gpus_per_worker is None else ["run.device=cuda", f"run.gpus_per_worker={gpus_per_worker}"]
    settings = _config(config, [*set_, *on_gpu], workers)
    try:
        summary = run(dataset, preset or method or CLOSED_FORM, out_folder, settings, address, resume)
    except TooLittleDataError as error:
        raise TooLittleDataError(f"{error}; go on without a model: castmine cluster --dataset {dataset}") from error
    except (InterruptedRunError, SystemError) as error:
        if not _interruption(error):
            raise
        again = "the same command begins anew, and with --resume after the last epoch of a network's training"
        raise InterruptedRunError(f"stopped; {again}") from error
    printing.trained(summary)
    write_json(json_file, printing.train_json(summary))


@app.command(rich_help_panel=MAIN)
def verify(
    dataset: DatasetOption,
    out_folder: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the page.")],
    model: Annotated[
        list[str], typer.Option(metavar="MODEL_DIR", help="A model to compare with the base; give several.")
    ] = [],  # noqa: B006
    workers: WorkersOption = None,
    address: AddressOption = None,
    config: ConfigOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Say what models gained: how well they tell two tracks of one person from tracks of two.

    On named tracks: ROC, AUC and equal error of all pairs of a movie. On any: distances of mined hard pairs.
    """
    from workflows.verify.run import verify as run

    summary = run(dataset, model, out_folder, _config(config, set_, workers), address)
    printing.verified(summary)
    write_json(json_file, printing.verify_json(summary))
    if summary.comparison.failed:
        raise typer.Exit(FAILED)


@app.command(rich_help_panel=MAIN)
def cluster(
    dataset: DatasetOption,
    method: Annotated[
        str, typer.Option(help="hac, hac-complete, hac-ward, ball, affinity, hdbscan or videoclusternet.")
    ] = "hac",
    model: Annotated[
        str | None, typer.Option(metavar="MODEL_DIR", help="A model that was trained.", show_default="the pack itself")
    ] = None,
    k_from: Annotated[
        str,
        typer.Option(
            metavar="WHERE", help="Number of characters: threshold, labels, corpus (its cast_size), or a number."
        ),
    ] = "threshold",
    run: Annotated[str | None, typer.Option(help="Name of this clustering.", show_default="method and model")] = None,
    movies: Annotated[str, typer.Option(metavar="ID,…", help="Only these movies.", show_default="all")] = "",
    workers: WorkersOption = None,
    address: AddressOption = None,
    config: ConfigOption = None,
    set_: SetOption = [],  # noqa: B006
    json_file: JsonOption = None,
) -> None:
    """Group the tracks of each movie into its cast; score it where labels exist."""
    from workflows.cluster import cluster as cluster_all

    chosen = [movie for movie in movies.split(",") if movie]
    settings = _config(config, set_, workers)
    summary = cluster_all(dataset, method, settings, model, _k_from(k_from), run, chosen, address)
    printing.clustered(summary)
    write_json(json_file, printing.cluster_json(summary))
    if summary.failed:
        raise typer.Exit(FAILED)


@app.command(rich_help_panel=MAIN)
def report(
    dataset: DatasetOption,
    out_folder: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the pages.")],
    run: Annotated[str | None, typer.Option(help="Clustering to show.", show_default="the latest")] = None,
    json_file: JsonOption = None,
) -> None:
    """Write a cast sheet per movie: an HTML page that opens anywhere, without a network."""
    from harvest.dataset.read import Dataset
    from workflows.report.write import write_report

    pages = write_report(Dataset.open(dataset), run, out_folder)
    out.print(f"{len(pages) - 1} cast sheets: open {pages[0]}", markup=False, soft_wrap=True)
    write_json(json_file, {"pages": [str(page) for page in pages]})


@app.command(rich_help_panel=MAIN)
def sql(
    query: Annotated[
        str | None, typer.Argument(help="One SELECT, or the name of a shipped query.", show_default="a prompt")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", metavar="DIR", help="Folder of the dataset.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to write the answer.")] = Format.table,
    out_file: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to write it.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Every view with its columns' meaning.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="The shipped queries.")] = False,
) -> None:
    """Ask the dataset in SQL: one SELECT over movies, shots, tracks, faces, links, clusters and more."""
    from harvest.dataset.read import Dataset
    from workflows.sql.prompt import answer, print_queries, print_schema

    if schema or list_:
        (print_schema if schema else print_queries)(out)
    elif dataset is None:
        raise typer.BadParameter("name the dataset: --dataset DIR")
    else:
        answer(Dataset.open(dataset).snapshot(), query, format_.value, out_file)


@app.command(rich_help_panel=MAIN)
def demo(
    out_folder: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for everything it makes.")
    ] = Path("demo"),
    workers: WorkersOption = None,
    json_file: JsonOption = None,
) -> None:
    """Make a short movie of real faces, find its cast with every stage, and score it. Needs no file and no network."""
    from workflows.demo.run import run_demo

    result = run_demo(out_folder, _config(None, [], workers))
    write_json(json_file, result)
    if result["fell_short"]:
        raise typer.Exit(FAILED)


@import_app.command("tracks")
def import_tracks(
    file: Annotated[Path, typer.Argument(help="Parquet with a row per track: movie_id, track_id, …, embeddings.")],
    dataset: DatasetOption,
    json_file: JsonOption = None,
) -> None:
    """Precomputed tracks become movies of a dataset.

    Columns: movie_id, track_id, shot_id, start_frame, end_frame (exclusive), embeddings (a list of face embeddings);
    optional: identity, fps. Tracks of one shot whose frames overlap are cannot-link.
    """
    from workflows.tracks_import import import_tracks as run

    counts = run(file, dataset)
    printing.imported(counts, dataset)
    write_json(json_file, {"movies": [asdict(movie) for movie in counts]})


@labels_app.command("import")
def import_labels(
    file: Annotated[
        Path, typer.Argument(help="CSV: movie_id, track_id, identity, or movie_id, time_s, x1, y1, x2, y2, identity.")
    ],
    dataset: DatasetOption,
    json_file: JsonOption = None,
) -> None:
    """Attach identities to tracks, by number or by place; they outlive every re-harvest.

    Those of each movie that the file names replace the movie's earlier ones.
    """
    from harvest.dataset.read import Dataset
    from workflows.labels import import_labels as run

    changes = run(file, Dataset.open(dataset))
    printing.labelled(changes)
    write_json(json_file, {"movies": [asdict(change) for change in changes]})


@app.command("config", rich_help_panel=MORE)
def show_config() -> None:
    """Print every key of the configuration with its default and its meaning, as YAML."""
    printing.configuration(keys(Config))


def _config(file: Path | None, overrides: list[str], workers: int | None) -> Config:
    return load_config(file, [*overrides, *([f"run.workers={workers}"] if workers else [])])


def _k_from(text: str) -> Any:
    if text in ("threshold", "labels", "corpus"):
        return text
    if text.isdigit() and int(text) > 0:
        return int(text)
    raise typer.BadParameter(f"--k-from {text}: give threshold, labels, corpus, or a number of characters")


class InterruptedRunError(BaseException):
    """Ctrl-C, or the SIGTERM by which a scheduler stops a job: nothing that catches errors on the way may hold it."""


def _interrupt(number: int, frame: object) -> None:
    raise InterruptedRunError("stopped; what was committed stays, and the same command goes on from there")


def _interruption(error: BaseException) -> InterruptedRunError | None:
    """Raised while Ray waits, it comes out as a SystemError that Ray's compiled code has put around it."""
    interrupted = error if isinstance(error, InterruptedRunError) else error.__cause__
    return interrupted if isinstance(interrupted, InterruptedRunError) else None


def main() -> None:
    """Run the command line; an error is one line, never a traceback."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except (InterruptedRunError, SystemError) as error:
        interrupted = _interruption(error)
        if not interrupted:
            raise
        err.print(str(interrupted))
        sys.exit(INTERRUPTED)
    except CastmineError as error:
        err.print(f"[bold]{'refused' if isinstance(error, TooLittleDataError) else 'error'}[/bold]: ", end="")
        err.print(str(error), markup=False)
        sys.exit(USAGE)
    except OSError as error:  # a file that a command was told to read or write; a dataset has errors of its own
        err.print(f"error: {error.filename or 'a file'}: {error.strerror or error}", markup=False)
        sys.exit(USAGE)
