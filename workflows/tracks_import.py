"""`castmine import`: tracks that somebody else has harvested become movies of a dataset, their people its labels."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from harvest.bcl_import import read_bcl
from harvest.dataset.commit import commit_movie
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieFacts, MovieRecord
from harvest.identity import harvest_id, refuse_namesake, source_stamp
from harvest.imported import ImportedMovie
from harvest.labels import Label, from_table
from harvest.ssiam_import import read_ssiam
from harvest.track_import import read_tracks
from workflows.labels import RUN, identities, put_labels

FORMATS: dict[str, tuple[str, Callable[[Path], Iterable[ImportedMovie]]]] = {
    "tracks": ("imported", read_tracks),
    "bcl": ("bcl", read_bcl),
    "ssiam": ("ssiam", read_ssiam),
}
"""By format: what stands for the pack of face models, with the embedding size behind it, and the reader."""


@dataclass(frozen=True)
class ImportedCounts:
    """What was imported of one movie."""

    movie_id: str
    tracks: int
    links: int
    labels: int
    """Tracks with an identity."""
    carried: int = 0
    """Earlier labels on tracks that are still there and that the file does not name."""
    lost: int = 0
    """Earlier labels of tracks that are gone; they are kept, on no track."""


def import_tracks(path: Path, root: str, form: str = "tracks") -> list[ImportedCounts]:
    """Import a Parquet file of tracks (`harvest.track_import`) or a published release, movie by movie.

    Raises CorpusError where it is none or the dataset holds another movie of one of its ids, DatasetError where the
    dataset cannot be written.
    """
    models, read = FORMATS[form]
    dataset = Dataset.create(root)
    return [_commit(dataset, movie, path.resolve(), models) for movie in read(path)]


def _commit(dataset: Dataset, movie: ImportedMovie, source: Path, models: str) -> ImportedCounts:
    refuse_namesake(dataset.record(movie.movie_id), str(source), movie.content_hash)
    models = f"{models}-{movie.embedding_size}"
    record = commit_movie(
        dataset.store,
        movie.tables,
        movie_id=movie.movie_id,
        facts=MovieFacts(uri=str(source), fps=movie.fps, frames=movie.frames, duration_s=movie.frames / movie.fps),
        stamp=source_stamp(str(source)),
        content_hash=movie.content_hash,
        harvest_id=harvest_id(movie.content_hash, "", models, None),
        config_hash="",
        models=models,
        models_hash=models,
        embedding_size=movie.embedding_size,
    )
    carried, lost = _label(dataset, record, movie)
    tracks, links = record.rows("tracks"), record.rows("links")
    return ImportedCounts(movie.movie_id, tracks, links, len(identities(dataset, movie.movie_id)), carried, lost)


def _label(dataset: Dataset, record: MovieRecord, movie: ImportedMovie) -> tuple[int, int]:
    """Put the file's labels and carry over earlier ones of tracks that it does not name; how many were, and were lost.

    A track keeps its number in its file, so its label stays with the number. Where the tracks are just those that the
    labels are on already, they stay as they are: a person may have changed them since.
    """
    named = [Label(identity, (), track_id=track) for track, identity in movie.identities.items()]
    earlier = dataset.derived_record(RUN, RUN, movie.movie_id)
    if earlier and earlier.harvest_id == record.harvest_id:
        return 0, 0
    labels = from_table(dataset.read_shard(earlier.shard)) if earlier else []
    there = set(movie.tables["tracks"]["track_id"].to_pylist())
    kept = [label for label in labels if label.track_id not in movie.identities]
    carried = [label if label.track_id in there else replace(label, track_id=None) for label in kept]
    if named or carried:
        put_labels(dataset, record, [*named, *carried])
    lost = sum(label.track_id is None for label in carried)
    return len(carried) - lost, lost
