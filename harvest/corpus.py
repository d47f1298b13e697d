"""What a corpus is: a video file, a folder, a glob, or a CSV/Parquet listing, on a disk or in a bucket.

Listing it reads no video.
"""

import glob
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from harvest.corpus_name import VIDEO_SUFFIXES, WILDCARD, id_folder, is_listing
from harvest.dataset.records import MovieRecord
from harvest.errors import CorpusError, NoMovieError
from harvest.movie_ids import movie_ids
from harvest.remote_corpus import remote_bytes, remote_files
from harvest.storage import is_remote

NO_TEXT = "its name is not UTF-8 text, which no record can hold; rename it"
TEXT_COLUMNS = ("movie_id", "uri", "title", "split")
"""Columns of a listing that are text whatever they look like."""
SPLITS = ("train", "validation", "test")
"""What a listing may say of a movie's part in training; test: none."""


@dataclass(frozen=True)
class Movie:
    """A movie of a corpus: who it is and where, and what its user says of it."""

    movie_id: str
    uri: str
    title: str | None = None
    year: int | None = None
    split: str | None = None
    cast_size: int | None = None
    corpus: str | None = field(default=None, compare=False)
    """The corpus that it was listed in: what a later listing of that one is compared with."""
    refused: str = ""
    """Why it cannot be harvested, whatever is in its file; the uri is then what can be shown of its place."""


def list_corpus(corpus: str, records: Iterable[MovieRecord] = ()) -> list[Movie]:
    """The movies of a corpus, by movie_id.

    Args:
        corpus: a video file, a folder (searched to any depth, links followed), a glob, or a .csv/.parquet with the
            columns `movie_id` and `uri` (relative to the listing) and optionally `title`, `year`, `split`, `cast_size`;
            any of them may be a URL (s3://…).
        records: the movies of the dataset that it is harvested into, which keep their ids (`harvest.movie_ids`).

    Raises:
        NoMovieError: nothing there, or nothing that looks like a movie.
        CorpusError: a column missing, two rows with one id, a folder that may not be read.
    """
    if is_listing(corpus) and (is_remote(corpus) or os.path.isfile(corpus)):
        movies = list(_from_listing(corpus))
    else:
        found = sorted(set(_remote(corpus) if is_remote(corpus) else _local(Path(corpus))))
        ids = movie_ids(found, {(record.movie_id, record.facts.uri) for record in records})
        movies = [_of_file(movie_id, uri) for movie_id, (_, uri) in zip(ids, found, strict=True)]
    if not movies:
        if not (is_remote(corpus) or WILDCARD.search(corpus) or os.path.exists(corpus)):
            raise NoMovieError(f"{_shown(corpus)}: no such file or folder; check the path of the corpus")
        known = " ".join(sorted(VIDEO_SUFFIXES))
        raise NoMovieError(
            f"{corpus}: no movie found; name a video file, a folder or glob with {known}, or a CSV listing"
        )
    _refuse_twins(movies)
    name = corpus.rstrip("/") if is_remote(corpus) else os.path.abspath(corpus)
    if (shown := _shown(name)) != name:
        raise CorpusError(f"{shown}: {NO_TEXT}")
    return sorted((replace(movie, corpus=name) for movie in movies), key=lambda movie: movie.movie_id)


def _local(corpus: Path) -> list[tuple[str, str]]:
    """The path of each video relative to the corpus, and its place."""
    if corpus.is_file():
        root, paths = corpus.parent, [corpus]
    elif corpus.is_dir():
        root, paths = corpus, _videos(_walk(corpus))
    else:
        root = Path(id_folder(str(corpus)))
        paths = _videos(map(Path, glob.glob(str(corpus), recursive=True)))
    return [(str(path.relative_to(root)), str(path.resolve())) for path in paths]


def _walk(folder: Path) -> Iterator[Path]:
    """Every file in a folder, to any depth, links to folders followed. Raises CorpusError where some may not be read.

    Links come after all that lies in the folder itself, in the order of their names, and lead nowhere twice: a cycle
    ends, and what a link adds changes no id of the movies beside it.
    """

    def refuse(error: OSError) -> None:
        raise CorpusError(f"{error.filename}: cannot be listed ({error.strerror}); check its permissions") from error

    seen, waiting = set[str](), deque([str(folder)])
    while waiting:
        for parent, folders, names in os.walk(waiting.popleft(), onerror=refuse):
            folders.sort()
            if (place := os.path.realpath(parent)) in seen:
                folders.clear()
                continue
            seen.add(place)
            waiting += [link for name in folders if os.path.islink(link := os.path.join(parent, name))]
            yield from (Path(parent, name) for name in names)


def _videos(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()]


def _remote(corpus: str) -> list[tuple[str, str]]:
    uris, root = remote_files(corpus)
    videos = (uri for uri in uris if uri == corpus or os.path.splitext(uri)[1].lower() in VIDEO_SUFFIXES)
    return [(uri.removeprefix(f"{root}/"), uri) for uri in videos]


def _of_file(movie_id: str, uri: str) -> Movie:
    shown = _shown(uri)
    return Movie(movie_id, shown, refused="" if shown == uri else f"{shown}: {NO_TEXT}")


def _shown(path: str) -> str:
    """A path as text; bytes that are none as \\x…."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _from_listing(listing: str) -> Iterator[Movie]:
    try:
        as_text = pa.csv.ConvertOptions(column_types=dict.fromkeys(TEXT_COLUMNS, pa.string()))  # 007 is not 7
        source = pa.BufferReader(remote_bytes(listing)) if is_remote(listing) else listing
        is_csv = listing.lower().endswith(".csv")
        table = pa.csv.read_csv(source, convert_options=as_text) if is_csv else pq.read_table(source)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorpusError(f"{listing}: cannot be read as a listing of movies ({error})") from error
    missing = {"movie_id", "uri"} - set(table.column_names)
    if missing:
        raise CorpusError(
            f"{listing}: has no column {' and '.join(sorted(missing))}; a listing needs movie_id and uri, "
            "and may have title, year, split and cast_size"
        )
    yield from (_from_row(row, listing) for row in table.to_pylist())


def _from_row(row: dict[str, Any], listing: str) -> Movie:
    if row["movie_id"] in (None, "") or row["uri"] in (None, ""):
        raise CorpusError(f"{listing}: a row without movie_id or uri: {row}")

    def text(name: str) -> str | None:
        return None if row.get(name) in (None, "") else str(row[name])

    def number(name: str) -> int | None:
        try:
            return None if row.get(name) in (None, "") else int(row[name])
        except ValueError as error:
            raise CorpusError(f"{listing}: {name} of {row['movie_id']!r} is not a number: {row[name]!r}") from error

    split = text("split")
    if split and split not in SPLITS:  # a typo would leave the movie out of training, and nobody would hear of it
        raise CorpusError(
            f"{listing}: split of {row['movie_id']!r} is {split!r}; it may be {', '.join(SPLITS)} (test: no part in "
            "training), or empty"
        )
    uri = _absolute(str(row["uri"]), listing)
    return Movie(str(row["movie_id"]), uri, text("title"), number("year"), split, number("cast_size"))


def _absolute(uri: str, listing: str) -> str:
    """A listing's uri, which may be relative to the listing."""
    if is_remote(uri):
        return uri
    if is_remote(listing) and not os.path.isabs(uri):
        return f"{listing.rpartition('/')[0]}/{uri}"
    return str((Path(listing).parent / uri.removeprefix("file://")).resolve())


def _refuse_twins(movies: list[Movie]) -> None:
    counted = Counter(movie.movie_id for movie in movies)
    twins = [movie for movie in movies if counted[movie.movie_id] > 1]
    if twins:
        same = [movie.uri for movie in twins if movie.movie_id == twins[0].movie_id]
        raise CorpusError(
            f"two movies with one id {twins[0].movie_id!r}: {', '.join(same)}; "
            "give each an id of its own in a CSV with the columns movie_id, uri"
        )
