"""`castmine corpus --dry-run`: what a run would do and take, with its arithmetic. Nothing is written or started."""

import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from harvest.corpus import Movie, list_corpus
from harvest.dataset.read import MARKER, Dataset
from harvest.dataset.schema import HARVEST_TABLES
from harvest.dataset.store import Store
from harvest.errors import ModelsNotFetchedError, VideoDecodeError
from workflows.config import Config
from workflows.corpus import clustering, reporting, training
from workflows.corpus.places import Places, find_places
from workflows.corpus.run import Choice
from workflows.harvest.gone import gone, gone_json
from workflows.harvest.packs import pack_for
from workflows.harvest.plan import HarvestPlan, MovieState, plan_harvest, segment_minutes, within_limit
from workflows.journal.harvesting import START
from workflows.journal.records import Journal, last_measured

LOAD = "load"
"""The stage in which each worker loads its models and libraries, once."""


@dataclass(frozen=True)
class Estimate:
    """What a harvest takes. Seconds are of the movies whose length is known, scaled to all."""

    movies: int
    unchanged: int | None
    """None: not looked at, for only what failed before was asked for."""
    later: int
    unknown: tuple[str, ...]
    """Movies whose file does not say how long it is, as far as can be seen from here."""
    hours: float
    """Of all movies to be harvested; those of unknown length at the mean of the others."""
    segments: int
    shards: int
    workers: int | None
    """None: one for each core of the cluster …"""
    at_work: int | None
    """… and how many of them there is a segment for."""
    memory_gb: float
    """That a worker declares."""
    start_s: float | None
    """Until the work begins, Ray, the workers and their models being started; None: no run has noted it. Of the last
    run, as is …"""
    rate: float | None
    """… the rate, movie-seconds a worker-second at work …"""
    measured: str
    """… which was this one."""
    wall_s: float | None
    left_out: tuple[str, ...] = ()
    """Movies that would fail again as they are."""
    names: tuple[str, ...] = ()
    """Of the movies to be harvested."""
    gone: dict[str, str] = field(default_factory=dict)
    """Movies of the dataset that are no longer in the corpus, with the other corpus that has them; "": none."""
    to_fetch: str = ""
    """Which models are not here, and how to fetch them; empty: they are."""


def plan_corpus(config: Config, choice: Choice) -> tuple[Estimate, dict[str, str]]:
    """What a run would harvest, and for each later stage why it would be done ("" where nothing changed).

    Raises as `run_corpus` does, but for a dataset that cannot be written.
    """
    places = find_places(config.corpus)
    store = Store(places.dataset)
    if not store.exists(MARKER):
        return _first_run(list_corpus(places.movies), places, config, choice)
    dataset = Dataset.open(places.dataset)
    movies = list_corpus(places.movies, dataset.records())
    _, pack = pack_for(places.models, places.dataset, fetch=False)
    plan = plan_harvest(movies, dataset, pack, config, choice.selection, settle=False)
    harvests = bool(plan.todo) and choice.takes("harvest")
    missing = gone(dataset, movies)
    reasons = dict.fromkeys(_stages(config, choice), "movies are harvested before it")
    if not harvests:
        reasons = {name: why() for name, why in _reasons(dataset, places, config, pack.hash).items() if name in reasons}
    if choice.selection.force:
        reasons = {name: reason or "forced" for name, reason in reasons.items()}
    taken = plan if choice.takes("harvest") else HarvestPlan({})
    return replace(_estimate(taken, config, last_measured(store), choice), gone=missing), reasons


def _first_run(movies: list[Movie], places: Places, config: Config, choice: Choice) -> tuple[Estimate, dict[str, str]]:
    """Where there is no dataset yet: nothing has failed, and without a harvest there is nothing to do."""
    to_fetch = ""
    try:
        pack_for(places.models, places.dataset, fetch=False)
    except ModelsNotFetchedError as error:  # the run fetches them
        to_fetch = str(error)
    taken = [] if choice.selection.retry_failed or not choice.takes("harvest") else movies
    plan = within_limit({movie.movie_id: MovieState(movie) for movie in taken}, choice.selection)
    reasons = dict.fromkeys(_stages(config, choice), "not done yet" if plan.todo else "")
    return replace(_estimate(plan, config, None, choice), to_fetch=to_fetch), reasons


def _estimate(plan: HarvestPlan, config: Config, last: Journal | None, choice: Choice) -> Estimate:
    todo, run = plan.todo, config.run
    unchanged = sum(state.state == "skipped" for state in plan.states.values())
    found = {state.movie.movie_id: _length_s(state.movie.uri) for state in todo}
    lengths = [seconds for seconds in found.values() if seconds is not None]
    mean = sum(lengths) / len(lengths) if lengths else 0.0
    every = [*lengths, *[mean] * (len(todo) - len(lengths))]
    start_s, rate = (_start_s(last), _rate(last)) if last else (None, None)
    workers = run.workers or (last.usage.workers if last else None)
    split = (len(todo), workers or os.cpu_count() or 1, run.segment_minutes)
    segments = sum(max(ceil(seconds / 60 / segment_minutes(seconds, *split)), 1) for seconds in every)
    at_work = min(workers, segments) if workers else None
    return Estimate(
        movies=len(todo),
        unchanged=None if choice.selection.retry_failed else unchanged,
        names=tuple(found),
        later=len(plan.later),
        unknown=tuple(name for name, seconds in found.items() if seconds is None),
        hours=sum(every) / 3600,
        segments=segments,
        shards=len(todo) * len(HARVEST_TABLES),
        workers=workers,
        at_work=at_work,
        memory_gb=run.memory_gb,
        start_s=start_s,
        rate=rate,
        measured=f"run {last.run_id}" if last else "",
        wall_s=sum(every) / rate / at_work + (start_s or 0.0) if rate and at_work and lengths else None,
        left_out=tuple(sorted(name for name, state in plan.states.items() if state.state == "failed")),
    )


def _start_s(last: Journal) -> float | None:
    """Until a worker was at work, and loading the models, which all workers did at once."""
    loading = last.stages.get(LOAD, 0.0) / max(last.usage.workers, 1)
    return None if last.start_s is None else last.start_s + loading


def _rate(last: Journal) -> float | None:
    """Movie-seconds a worker-second, after the start."""
    seconds = sum(movie.own_s() for movie in last.movies.values() if movie.state == "done")
    at_work = last.usage.worker_s - sum(last.stages.get(stage, 0.0) for stage in (START, LOAD))
    return seconds / at_work if seconds and at_work > 0 else None


def _length_s(uri: str) -> float | None:
    """Length of a movie as its header says; None where it does not, or cannot be read from here."""
    import av  # PyAV: 0.3 s to load

    from harvest.containers import announcement

    if "://" in uri:
        return None
    try:
        return announcement(Path(uri)).duration_s
    except (VideoDecodeError, av.FFmpegError, OSError):
        return None


def _stages(config: Config, choice: Choice) -> Iterable[str]:
    if choice.takes("train") and config.corpus.train:
        yield training.STAGE
    if choice.takes("cluster"):
        yield from (clustering.stage_name(chosen) for chosen in config.corpus.clusterings)
    if choice.takes("report"):
        yield reporting.STAGE


def _reasons(dataset: Dataset, places: Places, config: Config, pack: str) -> dict[str, Callable[[], str]]:
    """By stage, what says why it is to be done."""
    reasons: dict[str, Callable[[], str]] = {training.STAGE: partial(training.why, dataset, places, config, pack)}
    model = training.model_folder(dataset, places, config, pack)
    for chosen in config.corpus.clusterings:
        weights = training.weights_digest(places) if model and chosen.model else ""
        reasons[clustering.stage_name(chosen)] = partial(clustering.why, dataset, chosen, config, weights)
    if config.corpus.clusterings:
        first = config.corpus.clusterings[0].name
        reasons[reporting.STAGE] = partial(reporting.why, dataset, places, first, config.report)
    return reasons


def as_json(estimate: Estimate, reasons: dict[str, str]) -> dict[str, Any]:
    return {"harvest": asdict(estimate) | gone_json(estimate.gone), "stages": reasons}
