"""`castmine demo`: a movie of real faces through every stage, each with a line on what it did, and what it must reach.

The identities are known, so the demo can tell whether it worked; where a stage fell short it says so and fails.
"""

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cluster.metrics import Metrics
from harvest.dataset.read import Dataset
from harvest.errors import CastmineError, TooLittleDataError
from workflows.cluster.printed import cluster_json
from workflows.cluster.request import ClusterRequest
from workflows.cluster.run import ClusterSummary, cluster
from workflows.config import Config
from workflows.console import meter, out
from workflows.demo.camera import FPS
from workflows.demo.movie import DemoMovie, make_demo_movie
from workflows.harvest.plan import MovieState
from workflows.harvest.printed import harvest_json
from workflows.harvest.run import HarvestSummary, harvest
from workflows.labels import import_labels
from workflows.ray_cluster import ray_cluster
from workflows.report.current import page_name
from workflows.report.write import write_report
from workflows.train.run import train

STEPS = 6
MODELS = "bundled"
RUN = "demo"
"""Name of the clustering in the demo's dataset."""
LEAST_FOUND = 0.95
"""Share of the movie's shots, and of its appearances as tracks, that must be found (measured: all of them †)."""
LEAST_PURITY = 0.95
"""WCP and V-measure that must be reached (measured: 1.000 at every threshold from 0.025 to 0.100 †)."""


class _Steps:
    """Prints each step when it has ended, with its number and its seconds."""

    def __init__(self) -> None:
        self._number, self._began = 0, time.monotonic()

    def ended(self, name: str, text: str, *more: str) -> None:
        self._number += 1
        seconds, self._began = time.monotonic() - self._began, time.monotonic()
        line = f"{self._number}/{STEPS} {name:<8} {text} · {seconds:.1f} s"
        for printed in (line, *(f"{'':13}{text}" for text in more)):
            out.print(printed, markup=False, soft_wrap=True)


def run_demo(folder: Path, config: Config) -> dict[str, Any]:
    """Make the movie in `folder`, find its cast with the bundled models, score it, write its sheet; print each step.

    May be run again in the same folder: what has not changed is not harvested again. Returns what was printed; its
    `fell_short` names every stage that missed what it must reach, and is empty where all is well.

    Raises:
        CastmineError: a stage could not run at all.
    """
    began, steps = time.monotonic(), _Steps()
    root = str(folder / "dataset")
    movie = _make_movie(folder)
    text = f"{movie.people} people in {movie.shots} shots, {movie.frames / FPS:.0f} s: {movie.path}"
    steps.ended("movie", f"{text} (photographs of real people, a simulated camera)")
    with ray_cluster("local", config.run.workers) as cores:
        harvested = harvest(str(movie.path), root, MODELS, _one_part_a_worker(config, movie, cores))
        state = harvested.movies[0]
        if state.state == "failed":
            raise CastmineError(f"demo: the harvest failed: {state.message}")
        steps.ended("harvest", _found(state))
        (labels,) = import_labels(movie.truth, Dataset.open(root))
        steps.ended("labels", f"{labels.attached} tracks named from the truth, {labels.lost} names on no track")
        model, learned = _learn(root, folder / "model", config)
        steps.ended("train", *learned)
        clustered = cluster(root, ClusterRequest(model=model, run=RUN), config)
    if clustered.failed:
        raise CastmineError(f"demo: the clustering failed: {clustered.failed[movie.movie_id]}")
    steps.ended("cluster", *_cast(clustered))
    write_report(Dataset.open(root), RUN, folder / "sheets")
    sheet = (folder / "sheets" / page_name(movie.movie_id)).resolve()
    steps.ended("report", f"{sheet.stat().st_size / 2**20:.1f} MiB of HTML that opens anywhere")
    metrics = clustered.movies[0].metrics
    fell_short = shortfalls(movie, state, metrics)
    _print_end(metrics, sheet, fell_short, time.monotonic() - began)
    return _result(movie, harvested, learned, clustered, sheet, fell_short)


def shortfalls(movie: DemoMovie, state: MovieState, metrics: Metrics | None) -> list[str]:
    """What each stage missed of what it must reach, in words; empty where all is well."""
    if metrics is None:
        return ["harvest: no track lies where a person of the movie is"]
    shots, tracks = state.rows["shots"], metrics.tracks
    checks = [
        (abs(shots - movie.shots) <= (1 - LEAST_FOUND) * movie.shots, f"harvest: {shots} shots of {movie.shots}"),
        (metrics.identities == movie.people, f"harvest: {metrics.identities} of {movie.people} people have tracks"),
        (
            abs(tracks - movie.appearances) <= (1 - LEAST_FOUND) * movie.appearances,
            f"harvest: {tracks} tracks of people for {movie.appearances} appearances",
        ),
        (metrics.wcp >= LEAST_PURITY, f"cluster: WCP {metrics.wcp:.3f}, must reach {LEAST_PURITY}"),
        (metrics.v_measure >= LEAST_PURITY, f"cluster: V-measure {metrics.v_measure:.3f}, must reach {LEAST_PURITY}"),
        (metrics.violations == 0, f"cluster: {metrics.violations} cannot-links violated"),
    ]
    return [text for reached, text in checks if not reached]


def _make_movie(folder: Path) -> DemoMovie:
    """The movie, made anew; a file of the same bytes stays as it is, so that its harvest need not be repeated."""
    staging = folder / "_movie"
    try:
        with meter("demo movie", "frames") as shown:
            made = make_demo_movie(staging, progress=lambda done, total: shown.update(done, total, "filming"))
        path, truth = folder / made.path.name, folder / made.truth.name
        if not path.exists() or path.read_bytes() != made.path.read_bytes():
            made.path.replace(path)
        made.path.unlink(missing_ok=True)
        made.truth.replace(truth)
        staging.rmdir()
    except OSError as error:
        raise CastmineError(f"{folder}: cannot be written ({error.strerror}); name another folder as --out") from error
    return replace(made, path=path, truth=truth)


def _one_part_a_worker(config: Config, movie: DemoMovie, cores: int) -> Config:
    """The config with segments such that every worker has one."""
    parts = config.run.workers or cores
    run = config.run.model_copy(update={"segment_minutes": movie.frames / FPS / 60 / parts})
    return config.model_copy(update={"run": run})


def _learn(root: str, folder: Path, config: Config) -> tuple[str | None, list[str]]:
    """The model that training made, or none, and what came of it in lines: one movie is too little to learn from."""
    try:
        summary = train(root, "mvcorr-linear", folder, config)
    except TooLittleDataError as error:
        return None, ["refused, as it should; the demo goes on with the models' own embeddings", f"why: {error}"]
    return summary.model, [f"learned from {summary.card.fitted_tracks} tracks"]


def _found(state: MovieState) -> str:
    rows = state.rows
    text = f"{rows['shots']} shots, {rows['tracks']} tracks, {rows['links']} cannot-links, {rows['faces']} boxes"
    return f"{text} (unchanged since the last run)" if state.state == "skipped" else text


def _cast(summary: ClusterSummary) -> list[str]:
    movie = summary.movies[0]
    text = (
        f"{movie.clusters} characters from {movie.tracks} tracks, apart by a cosine distance of {movie.threshold:.3f}"
    )
    return [text, f"threshold: {summary.threshold_source}"]


def _print_end(metrics: Metrics | None, sheet: Path, fell_short: list[str], seconds: float) -> None:
    if metrics:
        scores = f"WCP {metrics.wcp:.3f} · V-measure {metrics.v_measure:.3f} · homogeneity {metrics.homogeneity:.3f}"
        scores += f" · completeness {metrics.completeness:.3f} · NMI {metrics.nmi:.3f}"
        counts = f"{metrics.clusters} characters for {metrics.identities} people (PCR {metrics.pcr:.3f})"
        out.print(f"\nscore        {scores}", markup=False, soft_wrap=True)
        out.print(f"             {counts} · {metrics.violations} cannot-links violated", markup=False, soft_wrap=True)
    for text in fell_short:
        out.print(f"fell short:  {text}", style="red", markup=False, soft_wrap=True)
    out.print(f"cast sheet   {sheet.as_uri()}", markup=False, soft_wrap=True)
    out.print(f"in all       {seconds:.0f} s", markup=False)


def _result(
    movie: DemoMovie,
    harvested: HarvestSummary,
    learned: list[str],
    clustered: ClusterSummary,
    sheet: Path,
    fell_short: list[str],
) -> dict[str, Any]:
    return {
        "movie": asdict(movie),
        "harvest": harvest_json(harvested),
        "train": ". ".join(learned),
        "cluster": cluster_json(clustered),
        "sheet": str(sheet),
        "fell_short": fell_short,
    }
