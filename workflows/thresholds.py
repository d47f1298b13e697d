"""The threshold at which a pack's own embeddings cluster: calibrated from the corpus's links, kept on its card."""

import hashlib
from collections.abc import Iterable
from functools import reduce
from operator import add

from harvest.dataset.cards import PackCard, get_card, put_card
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from harvest.errors import TooLittleDataError
from harvest.tracks import read_face_embeddings, read_track_set
from train.calibration import LinkDistances, equal_error_threshold
from train.config import TrainConfig
from train.mining import mine_movie
from workflows.ray_cluster import map_tasks


def pack_card(
    dataset: Dataset, root: str, movies: Iterable[MovieRecord], config: TrainConfig, in_flight: int
) -> PackCard:
    """The card of the pack that harvested these movies, calibrated on their links unless it was already.

    One Ray task a movie. Where the corpus has too few links the card says so and keeps the shipped threshold alone.
    """
    movies = sorted(movies, key=lambda movie: movie.movie_id)
    first = movies[0]
    card = get_card(dataset.store, first.models_hash) or PackCard(
        name=first.models, models_hash=first.models_hash, embedding_size=first.embedding_size
    )
    state = hashlib.blake2b(
        repr([movie.harvest_id for movie in movies] + [config]).encode(), digest_size=12
    ).hexdigest()
    if card.calibrated_on == state:
        return card
    jobs = [(root, movie.movie_id, config) for movie in movies]
    distances = [
        result for _, result in map_tasks(link_distances, jobs, in_flight) if isinstance(result, LinkDistances)
    ]
    try:
        found = equal_error_threshold(reduce(add, distances), config.calibration)
        how = (
            f"equal error {found.equal_error:.4f} between {found.positive_pairs} hard-positive pairs and "
            f"{found.negative_pairs} cannot-link pairs of {len(movies)} movies"
        )
        card = card.model_copy(update={"threshold": found.value, "calibration": how, "calibrated_on": state})
    except TooLittleDataError as error:
        card = card.model_copy(update={"threshold": None, "calibration": str(error), "calibrated_on": state})
    put_card(dataset.store, card)
    return card


def link_distances(job: tuple[str, str, TrainConfig]) -> LinkDistances:
    """Distances of a movie's hard-positive tracklets and cannot-links in the base embedding."""
    root, movie_id, config = job
    dataset = Dataset.open(root)
    movie = dataset.record(movie_id)
    assert movie is not None
    tracks = read_track_set(dataset, movie)
    mined = mine_movie(read_face_embeddings(dataset, movie), tracks.cannot_link, config.mining)
    tracklets = mined.tracklets.reshape(*mined.tracklets.shape[:2], movie.embedding_size)  # of no track: (0, M, 0)
    return LinkDistances.of(tracklets, tracks.means, tracks.cannot_link, config.calibration)
