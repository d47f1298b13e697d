"""`castmine verify`: any number of models against the base embeddings on one dataset, a Ray task a movie."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.errors import ConfigError, DatasetError
from harvest.tracks import read_face_embeddings, read_track_set
from train.mining import mine_movie
from train.registry import ModelCard, load_model
from train.verification import verify_movie
from workflows.config import Config
from workflows.console import meter
from workflows.labels import identities_in, labels_of
from workflows.report.folder import make_folder
from workflows.train.memory import PROCESS_GB, verification_gb
from workflows.verify.comparison import ModelComparison, VerifiedMovie, compare
from workflows.verify.write import write_comparison


@dataclass(frozen=True)
class VerifyJob:
    """All that a task needs to know."""

    root: str
    movie_id: str
    models: tuple[str, ...]
    config: Config
    memory_gb: float = PROCESS_GB
    """What the task declares."""


@dataclass(frozen=True)
class VerifySummary:
    """What a verification did, as the command prints it and `--json` writes it."""

    comparison: ModelComparison
    page: str
    seconds: float


def verify(root: str, models: Sequence[str], out: Path, config: Config, address: str | None = None) -> VerifySummary:
    """Compare the base embeddings and the given model folders on a dataset; the page and the curves go to `out`.

    Raises:
        CastmineError: nothing could be compared: an empty dataset, a folder that is not a model's, a model for another
            embedding size, neither labels nor links in any movie. What goes wrong with one movie is in the summary.
    """
    from workflows.ray_cluster import map_tasks, ray_cluster

    began = time.monotonic()
    dataset = Dataset.open(root)
    records = dataset.records()
    if not records:
        raise DatasetError(f"{root}: holds no movie yet; harvest or import some first")
    cards = _cards(models, records)
    make_folder(out)
    movies: list[VerifiedMovie] = []
    failed: dict[str, str] = {}
    with meter("verify", "movies") as shown, ray_cluster(address, config.run.workers) as cores:
        jobs = _jobs(dataset, records, models, config)
        in_flight, allowed = config.run.workers or cores, (config.run.attempts, config.run.losses)
        for job, result in map_tasks(verify_one, jobs, in_flight, lambda job: job.memory_gb, *allowed):
            if isinstance(result, VerifiedMovie):
                movies.append(result)
            else:
                failed[job.movie_id] = str(result)
            shown.update(len(movies) + len(failed), len(jobs), job.movie_id)
    movies.sort(key=lambda movie: movie.movie_id)
    comparison = compare(root, list(zip(models, cards, strict=True)), records, movies, failed, config)
    page = write_comparison(comparison, out)
    return VerifySummary(comparison, str(page), time.monotonic() - began)


def _jobs(dataset: Dataset, records: list[MovieRecord], models: Sequence[str], config: Config) -> list[VerifyJob]:
    """A task a movie, the longest first; none declares more than the largest machine has."""
    from workflows.ray_cluster import largest_node_gb

    room, views = largest_node_gb(), config.train.mining.views
    folders = tuple(str(Path(model).absolute()) for model in models)  # tasks on a cluster run in folders of their own
    return [
        VerifyJob(dataset.root, movie.movie_id, folders, config, min(verification_gb(dataset, movie, views), room))
        for movie in sorted(records, key=lambda movie: -movie.rows("tracks"))
    ]


def verify_one(job: VerifyJob) -> VerifiedMovie:
    """Measure one movie in the base embedding and as each model embeds it."""
    dataset = Dataset.open(job.root)
    movie = dataset.movie(job.movie_id)
    tracks = read_track_set(dataset, movie)
    named = identities_in(labels_of(dataset, movie))
    names = [named.get(int(track)) for track in tracks.track_ids]
    faces = read_face_embeddings(dataset, movie)
    mined = mine_movie(faces, tracks.cannot_link, job.config.train.mining)
    means = tracks.means.astype(np.float64)
    settings = job.config.verification, job.config.train
    measures = tuple(
        verify_movie(means, mined, tracks.cannot_link, names, model, *settings, faces)
        for model in (None, *map(load_model, job.models))
    )
    return VerifiedMovie(job.movie_id, len(names), sum(name is not None for name in names), measures)


def _cards(models: Sequence[str], records: list[MovieRecord]) -> list[ModelCard]:
    """The cards of the models, each of which must take the embeddings of every movie."""
    if twice := [model for model in models if models.count(model) > 1]:
        raise ConfigError(f"--model {twice[0]}: was given twice; name each model once")
    cards = [load_model(model).card for model in models]
    for model, card in zip(models, cards, strict=True):
        for movie in records:
            if movie.embedding_size != card.embedding_size:
                raise DatasetError(
                    f"{model}: is for {card.embedding_size}-d embeddings (pack {card.pack}), and {movie.movie_id!r} "
                    f"has {movie.embedding_size}-d ones (pack {movie.models}); "
                    "name a model that was trained on this pack, or train one on this dataset"
                )
    return cards
