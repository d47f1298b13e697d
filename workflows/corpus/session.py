"""A scheduled run's inputs, found and read, as its stages share them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from harvest.corpus import Movie, list_corpus
from harvest.dataset.read import Dataset
from harvest.faces import Pack
from workflows.config import Config
from workflows.corpus.places import Places, find_places
from workflows.harvest.packs import pack_for
from workflows.on_demand import Cores, ray_on_demand


@dataclass
class Session:
    """What every stage works with."""

    config: Config
    places: Places
    movies: list[Movie]
    """The whole corpus."""
    models: str
    """Name or folder of …"""
    pack: Pack
    """… the face models."""
    dataset: Dataset
    address: str | None = None
    """Of a Ray cluster."""
    force: bool = False
    """Do stages also where nothing changed."""
    stack: ExitStack = field(default_factory=ExitStack)
    """What ends with the run."""
    start_ray: Cores = field(init=False)
    """One Ray for all stages of a run, from the first that has work on: each would start its own."""

    def __post_init__(self) -> None:
        self.start_ray = ray_on_demand(self.stack, self.address, self.config.run.workers)


@contextmanager
def open_session(config: Config, address: str | None = None, force: bool = False) -> Iterator[Session]:
    """Find everything; a Ray that was started for it ends with the block.

    Raises:
        CastmineError: no corpus, no models, or a dataset that cannot be written.
    """
    places = find_places(config.corpus)
    movies = list_corpus(places.movies)
    models, pack = pack_for(places.models, places.dataset)
    dataset = Dataset.create(places.dataset)
    with ExitStack() as stack:
        yield Session(config, places, movies, models, pack, dataset, address, force, stack)
