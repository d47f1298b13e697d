"""`castmine import tracks`: precomputed tracks become movies of a dataset, with their identities as labels."""

from dataclasses import dataclass
from pathlib import Path

from harvest.dataset.commit import commit_movie
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieFacts, SourceStamp
from harvest.identity import harvest_id, refuse_namesake, source_stamp
from harvest.labels import Label
from harvest.track_import import ImportedMovie, read_tracks
from workflows.labels import put_labels

MODELS = "imported"
"""What stands for the pack of face models of imported tracks; with the embedding size behind it."""


@dataclass(frozen=True)
class ImportedCounts:
    """What was imported of one movie."""

    movie_id: str
    tracks: int
    links: int
    labels: int


def import_tracks(file: Path, root: str) -> list[ImportedCounts]:
    """Import a Parquet file of tracks (see `harvest.track_import.read_tracks`), movie by movie.

    Raises CorpusError where the file is not such a file or the dataset holds another movie of one of its ids,
    DatasetError where the dataset cannot be written.
    """
    dataset = Dataset.create(root)
    stamp = source_stamp(str(file))
    return [_commit(dataset, movie, str(file.resolve()), stamp) for movie in read_tracks(file)]


def _commit(dataset: Dataset, movie: ImportedMovie, uri: str, stamp: SourceStamp) -> ImportedCounts:
    refuse_namesake(dataset.record(movie.movie_id), uri, movie.content_hash)
    models = f"{MODELS}-{movie.embedding_size}"
    record = commit_movie(
        dataset.store,
        movie.tables,
        movie_id=movie.movie_id,
        facts=MovieFacts(uri=uri, fps=movie.fps, frames=movie.frames, duration_s=movie.frames / movie.fps),
        stamp=stamp,
        content_hash=movie.content_hash,
        harvest_id=harvest_id(movie.content_hash, "", models, None),
        config_hash="",
        models=models,
        models_hash=models,
        embedding_size=movie.embedding_size,
    )
    labels = [Label(identity, (), track_id=track) for track, identity in movie.identities.items()]
    if labels:
        put_labels(dataset, record, labels)
    return ImportedCounts(movie.movie_id, record.rows("tracks"), record.rows("links"), len(labels))
