"""`castmine compare`: any runs of a dataset on the movies that all of them have clustered."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harvest.dataset.read import Dataset
from harvest.dataset.records import DerivedRecord
from harvest.errors import ConfigError, DatasetError
from workflows.compare.comparison import RunComparison, compare_runs
from workflows.compare.scored import ScoredMovie, ScoredRun, Truth, read_truth, score_movie_of_run
from workflows.compare.write import write_comparison
from workflows.config import Config
from workflows.console import meter
from workflows.report.folder import make_folder


@dataclass(frozen=True)
class CompareSummary:
    """What a comparison did, as the command prints it and `--json` writes it."""

    comparison: RunComparison
    page: str
    seconds: float


def compare(root: str, runs: Sequence[str], out: Path, config: Config) -> CompareSummary:
    """Score runs (none named: all that there are) by the labels there are now; page and tables go to `out`.

    Raises:
        ConfigError: a run named twice. DatasetError: no such run, no movie that all of them have clustered, or a
            folder that cannot be written.
    """
    began = time.monotonic()
    dataset = Dataset.open(root)
    records = {run: _current(dataset, run) for run in _chosen(dataset, runs)}
    movies = {movie.movie_id: movie for movie in dataset.records()}
    common = [movie for movie in movies if all(movie in of_run for of_run in records.values())]
    left_out = {
        movie: "not clustered by " + ", ".join(run for run, of_run in records.items() if movie not in of_run)
        for movie in movies
        if movie not in common and any(movie in of_run for of_run in records.values())
    }
    if not common:
        raise DatasetError(
            f"{root}: no movie has a current clustering by each of {', '.join(records)}; cluster the same movies with "
            "each, or name the runs to compare: --runs A,B"
        )
    make_folder(out)
    truths: list[Truth] = []
    scored: dict[str, list[ScoredMovie]] = {run: [] for run in records}
    with meter("compare", "movies") as shown:
        for number, movie_id in enumerate(common, 1):
            truths.append(read_truth(dataset, movies[movie_id], config.comparison.small_px))
            for run, of_run in records.items():
                record = of_run[movie_id]
                scored[run].append(score_movie_of_run(truths[-1], dataset.read_shard(record.shard), record.notes))
            shown.update(number, len(common), movie_id)
    rows = [_row(run, records[run][common[0]], scored[run]) for run in records]
    comparison = compare_runs(root, rows, truths, left_out, config.comparison)
    page = write_comparison(comparison, out)
    return CompareSummary(comparison, str(page), time.monotonic() - began)


def _chosen(dataset: Dataset, runs: Sequence[str]) -> list[str]:
    there = dataset.runs()
    if not there:
        raise DatasetError(f"{dataset.root}: nothing was clustered yet; make runs with: castmine cluster")
    if twice := [run for run in runs if runs.count(run) > 1]:
        raise ConfigError(f"--runs: {twice[0]} was named twice")
    if unknown := [run for run in runs if run not in there]:
        raise DatasetError(f"{dataset.root}: has no clustering run '{unknown[0]}'; there are: {', '.join(there)}")
    return list(runs) or there


def _current(dataset: Dataset, run: str) -> dict[str, DerivedRecord]:
    """The run's records of current harvests, by movie_id."""
    harvests = {movie.movie_id: movie.harvest_id for movie in dataset.records()}
    records = dataset.derived_records("clusters", run)
    return {record.movie_id: record for record in records if harvests.get(record.movie_id) == record.harvest_id}


def _row(run: str, record: DerivedRecord, movies: list[ScoredMovie]) -> ScoredRun:
    notes = record.notes
    method, model, k_from = (str(notes.get(name, "")) for name in ("method", "model", "k_from"))
    return ScoredRun(run, method, model, k_from, tuple(movies))
