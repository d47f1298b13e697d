"""A scheduled run's inputs, found and read, as its stages share them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from harvest.corpus import Movie
from harvest.dataset.read import Dataset
from harvest.faces import Pack
from workflows.config import Config
from workflows.corpus.places import Places, find_places
from workflows.harvest.inputs import find_inputs
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
def open_session(
    config: Config, address: str | None = None, force: bool = False, wait: bool = False
) -> Iterator[Session]:
    """Find everything and hold the dataset; a Ray that was started for it ends with the block.

    Raises:
        CastmineError: no corpus, no models, or a dataset that cannot be written or that another run holds.
    """
    places = find_places(config.corpus)
    with find_inputs(places.movies, places.dataset, places.models, wait) as found, ExitStack() as stack:
        known = (found.movies, found.models, found.pack, found.dataset)
        yield Session(config, places, *known, address, force, stack)
