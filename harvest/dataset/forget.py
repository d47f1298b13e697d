"""Forgetting a movie: every row and file of it, what was derived from it and what was said of it."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from harvest.dataset.index import forget_kept
from harvest.dataset.read import Dataset
from harvest.dataset.records import file_name, movie_record_path, staging_folder
from harvest.dataset.store import TEMPORARY


@dataclass(frozen=True)
class Remains:
    """All files of a movie, in the order in which they go."""

    movie_id: str
    records: list[str]
    """Its commit record first: from then on no reader sees it."""
    files: list[str]
    """Shards of every harvest and run, and staged segments."""
    bytes: int


def remains(dataset: Dataset, movie_id: str) -> Remains:
    """What there is of a movie, also where an earlier forgetting was cut short. Raises DatasetError."""
    name, files = file_name(movie_id), dataset.store.files("")
    note = f"{name}.json"
    records = [path for path in files if path.startswith("records/") and _whole(PurePosixPath(path).name) == note]
    records = [path for path in records if not path.startswith("records/packs/")]
    records.sort(key=lambda path: (path != movie_record_path(movie_id), path))
    staged, shards = f"{staging_folder(movie_id)}/", f"movie_id={name}"
    rows = [path for path in files if path.startswith(staged) or path.split("/")[2:3] == [shards]]
    return Remains(movie_id, records, rows, sum(files[path].size for path in (*records, *rows)))


def _whole(name: str) -> str:
    """The name that a file which never became whole was to have."""
    return TEMPORARY.sub("", name)


def forget(dataset: Dataset, movie_id: str) -> Remains:
    """Remove everything of a movie at once, also from under a reader's query. Raises DatasetError."""
    found = left = remains(dataset, movie_id)
    while left.records or left.files:  # once more, for what a command that holds no lease has put since
        for path in (*left.records, *left.files):
            dataset.store.delete(path)
        left = remains(dataset, movie_id)
    if found.records or found.files:
        dataset.store.delete(staging_folder(movie_id))
        for table in {path.split("/")[1] for path in found.files if path.startswith("shards/")}:
            dataset.store.delete(f"shards/{table}/movie_id={file_name(movie_id)}")  # the empty folder on a disk
    forget_kept(dataset.store)
    return found
