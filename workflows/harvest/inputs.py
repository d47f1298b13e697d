"""What a run works on, found and read while it holds its dataset: what another run ended with a moment ago counts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harvest.corpus import Movie, list_corpus
from harvest.dataset.read import MARKER, Dataset
from harvest.dataset.store import Store
from harvest.faces import Pack
from workflows.harvest.packs import pack_for
from workflows.lease import lease_on


@dataclass(frozen=True)
class Inputs:
    """A corpus, a dataset and the face models that bring the one into the other."""

    movies: list[Movie]
    """The whole corpus."""
    dataset: Dataset
    models: str
    """Name or folder of …"""
    pack: Pack
    """… the face models."""


@contextmanager
def find_inputs(corpus: str, dataset: str, models: str | None, wait: bool = False) -> Iterator[Inputs]:
    """Hold a dataset, made where there is none, and find what is to be worked on, for the block.

    What came while this run waited is listed: by an older listing --prune would remove what another run has harvested.

    Raises:
        CastmineError: no corpus, no models, a dataset that cannot be written or that another run holds.
    """
    if wait or not Store(dataset).exists(MARKER):  # wrong names are told before a dataset is made or waited for
        list_corpus(corpus)
        pack_for(models, dataset)
    opened = Dataset.create(dataset)
    with lease_on(opened.store, wait):
        movies = list_corpus(corpus, opened.records())
        named, pack = pack_for(models, dataset)
        yield Inputs(movies, opened, named, pack)
