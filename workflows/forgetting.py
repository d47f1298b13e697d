"""Forgetting a movie everywhere: in the tables, and in what runs have written of themselves."""

from harvest.dataset.forget import Remains, forget
from harvest.dataset.read import Dataset
from workflows.corpus.notes import strike_from_notes
from workflows.journal.records import strike_from_journals


def forget_movie(dataset: Dataset, movie_id: str) -> Remains:
    """Remove every row and file of a movie, its lines in journals and what stages noted of it. Raises DatasetError."""
    found = forget(dataset, movie_id)
    strike_from_journals(dataset.store, movie_id)
    strike_from_notes(dataset.store, movie_id)
    return found
