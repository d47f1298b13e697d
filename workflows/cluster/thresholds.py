"""The distance at which a representation's clusters end; a pack's is calibrated on the corpus's links for its card."""

import hashlib
from collections.abc import Collection, Iterable
from functools import reduce
from itertools import groupby
from operator import add

import numpy as np

from harvest.dataset.cards import PackCard, get_card, put_card
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.errors import DatasetError, TooLittleDataError
from harvest.tracks import count_embedded, read_face_embeddings, read_track_set
from train.calibration import LinkDistances, equal_error_threshold
from train.config import TrainConfig
from train.mining import mine_movie
from train.registry import Model
from workflows.config import Config
from workflows.console import counted
from workflows.on_demand import Cores, map_here
from workflows.train.memory import PROCESS_GB

SOON_FACES = 10_000
"""Embedded faces, over all movies, whose distances are measured sooner than Ray starts: in tracks of 63 faces of 512-d
they take 0.4 s, of 250 0.9 s, of 1000 3.2 s."""
CALIBRATED_FACE_BYTES = 14
"""Per number of a face whose tracks are compared as they come: read as float32, a column of a file and then an array;
12 were measured on 704 tracks of 63 faces of 512-d (tests.bench.task_memory)."""

LinkJob = tuple[str, str, TrainConfig]
"""Dataset, movie and how to mine it."""
LinksMeasured = tuple[LinkJob, LinkDistances | BaseException]


def thresholds_for(
    dataset: Dataset,
    records: list[MovieRecord],
    method: str,
    model: Model | None,
    config: Config,
    start: Cores,
    kept: Collection[str] = (),
) -> tuple[dict[str, float], str]:
    """The threshold by models_hash, and where it comes from, in words: the config, the model's card or the pack's.

    For ball cluster it is the cosine distance that the squared radius b of config or model stands for: complete
    linkage up to τ = 4b of squared Euclidean distance is one up to 2b of cosine distance on the unit sphere. `kept`:
    the packs whose calibrated threshold stays, although the corpus has changed since.
    Raises TooLittleDataError where none of them has one.
    """
    packs = {record.models_hash for record in records if record.rows("tracks") > 1}
    if method == "ball" and (b := config.cluster.ball.squared_radius) is not None:
        return dict.fromkeys(packs, _of_radius(b)), "cluster.ball.squared_radius in the config"
    if config.cluster.threshold is not None:
        return dict.fromkeys(packs, config.cluster.threshold), "cluster.threshold in the config"
    if model:
        card = model.card
        if method == "ball" and (b := card.squared_radius) is not None:
            return dict.fromkeys(packs, _of_radius(b)), f"τ = 4b, the squared radius b = {b:.4f} of the model's card"
        if card.threshold is None:
            raise TooLittleDataError(
                f"{model.name}: its card has no threshold; give --k-from N or --set cluster.threshold=0.5"
            )
        return dict.fromkeys(packs, card.threshold), f"the model's card: {card.calibration}"
    return _pack_thresholds(dataset, packs, config, start, kept)


def _of_radius(squared_radius: float) -> float:
    return min(2 * squared_radius, 2.0)


def _pack_thresholds(
    dataset: Dataset, packs: set[str], config: Config, start: Cores, kept: Collection[str]
) -> tuple[dict[str, float], str]:
    thresholds, sources = {}, []
    everything = sorted(dataset.records(), key=lambda record: (record.models_hash, record.movie_id))
    for models_hash, movies in groupby(everything, key=lambda record: record.models_hash):
        if models_hash not in packs:
            continue
        known = get_card(dataset.store, models_hash) if models_hash in kept else None
        card, without = (known, "") if known else pack_card(dataset, movies, config, start)
        threshold = card.shipped_threshold if card.threshold is None else card.threshold
        if threshold is None:
            raise TooLittleDataError(
                f"{card.name}: no threshold is known for this pack and {card.calibration}{without}; "
                "give --k-from N, or --set cluster.threshold=0.5"
            )
        thresholds[models_hash] = threshold
        shipped = "" if card.threshold is not None else f"as shipped for {card.name}; "
        sources.append(f"{shipped}{card.calibration}{without}")
    return thresholds, "; ".join(sources)


def pack_card(dataset: Dataset, movies: Iterable[MovieRecord], config: Config, start: Cores) -> tuple[PackCard, str]:
    """The card of the pack that harvested these movies, calibrated on their links unless it was already.

    One Ray task a movie, or here where that is done sooner than Ray starts. Where the corpus has too few links the card
    says so and keeps the shipped threshold alone. Movies whose task failed are named in the words that come with it,
    not on the card, which outlives a forgotten movie; the next run calibrates anew.
    """
    movies = sorted(movies, key=lambda movie: movie.movie_id)
    first = movies[0]
    card = get_card(dataset.store, first.models_hash) or PackCard(
        name=first.models, models_hash=first.models_hash, embedding_size=first.embedding_size
    )
    state = calibration_state(movies, config.train)
    if card.calibrated_on == state:
        return card, ""
    measured, failed = _measure(dataset, movies, config, start)
    threshold, how = _calibrated(measured, config.train)
    card = card.model_copy(
        update={"threshold": threshold, "calibration": how, "calibrated_on": "" if failed else state}
    )
    put_card(dataset.store, card)
    return card, f" (without {', '.join(sorted(failed))}: {next(iter(failed.values()))})" if failed else ""


def calibration_state(movies: Iterable[MovieRecord], config: TrainConfig) -> str:
    """Hash of all that a pack's threshold is calibrated on: its movies' harvests, and how."""
    harvests = [movie.harvest_id for movie in sorted(movies, key=lambda movie: movie.movie_id)]
    return hashlib.blake2b(repr([*harvests, config]).encode(), digest_size=12).hexdigest()


def _measure(
    dataset: Dataset, movies: list[MovieRecord], config: Config, start: Cores
) -> tuple[list[LinkDistances], dict[str, str]]:
    """The distances of the movies, and by movie_id the errors of those that have none."""
    faces, needed, measured, failed = 0, dict[str, float](), [], {}
    for movie in movies:
        try:
            embedded = count_embedded(dataset, movie)
            needed[movie.movie_id] = PROCESS_GB + embedded * movie.embedding_size * CALIBRATED_FACE_BYTES / 1e9
            faces += embedded
        except DatasetError as error:  # of a file that is lost
            failed[movie.movie_id] = str(error)
    jobs = [(dataset.root, movie_id, config.train) for movie_id in needed]
    soon = faces <= SOON_FACES
    results = map_here(link_distances, jobs) if soon else _measured_by_ray(jobs, needed, config, start)
    for (_, movie_id, _), result in results:
        if isinstance(result, LinkDistances):
            measured.append(result)
        else:
            failed[movie_id] = str(result)
    return measured, failed


def _measured_by_ray(
    jobs: list[LinkJob], needed: dict[str, float], config: Config, start: Cores
) -> Iterable[LinksMeasured]:
    in_flight, run = start(), config.run
    from workflows.ray_cluster import largest_node_gb, map_tasks

    room = largest_node_gb()
    return map_tasks(link_distances, jobs, in_flight, lambda job: min(needed[job[1]], room), run.attempts, run.losses)


def _calibrated(measured: list[LinkDistances], config: TrainConfig) -> tuple[float | None, str]:
    """The threshold and how it came about, in words; None and why where there is too little to calibrate on."""
    none = np.zeros(config.calibration.bins, np.int64)
    try:
        found = equal_error_threshold(reduce(add, measured, LinkDistances(none, none)), config.calibration)
    except TooLittleDataError as error:
        return None, str(error)
    return found.value, (
        f"equal error {found.equal_error:.4f} between {counted(found.positive_pairs, 'hard-positive pair')} and "
        f"{counted(found.negative_pairs, 'cannot-link pair')} of {counted(len(measured), 'movie')}"
    )


def link_distances(job: LinkJob) -> LinkDistances:
    """Distances of a movie's hard-positive tracklets and cannot-links in the base embedding."""
    root, movie_id, config = job
    dataset = Dataset.open(root)
    movie = dataset.movie(movie_id)
    tracks = read_track_set(dataset, movie)
    mined = mine_movie(read_face_embeddings(dataset, movie), tracks.cannot_link, config.mining)
    tracklets = mined.tracklets.reshape(*mined.tracklets.shape[:2], movie.embedding_size)  # of no track: (0, M, 0)
    return LinkDistances.of(tracklets, tracks.means, tracks.cannot_link, config.calibration)
