"""Which cast sheets are as they would be written now: each ends with a digest of all that it shows, and so does its
line of the index, so that a report writes only what has changed."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from harvest.dataset.read import Dataset
from harvest.dataset.records import DerivedRecord, MovieRecord, file_name
from workflows.labels import RUN as LABELS
from workflows.report.config import ReportConfig

INDEX = "index.html"
MADE_FROM = "<!-- made from {} -->\n"
"""Ends every sheet, and every movie's line of the index, with its `SheetSource.made_from`."""
LINE = '<li class="movie">'
"""Begins a movie's line of the index; what comes from a dataset is escaped there, so that none can pass for one."""


@dataclass(frozen=True)
class SheetSource:
    """What a movie's cast sheet is made from: records of one moment, which name the tables."""

    movie: MovieRecord
    clusters: DerivedRecord | None
    """Of one run; None: it has not clustered the movie since its last harvest."""
    labels: DerivedRecord | None
    """None: there are none on the tracks of the last harvest."""
    made_from: str
    """Digest of all that the sheet, and the movie's line of the index, is made from."""

    @property
    def page(self) -> str:
        """File name of the cast sheet."""
        return page_name(self.movie.movie_id)


def sheet_sources(dataset: Dataset, run: str | None, config: ReportConfig) -> list[SheetSource]:
    """Of every movie, by movie_id; `run`: of the clustering that is shown, None where there is none."""
    movies = dataset.records()
    clusters = _of_last_harvest(movies, dataset.derived_records("clusters", run) if run is not None else [])
    labels = _of_last_harvest(movies, dataset.derived_records(LABELS, LABELS))
    settings = [run, config.model_dump(mode="json"), _maker()]
    found = [(movie, clusters.get(movie.movie_id), labels.get(movie.movie_id)) for movie in movies]
    return [SheetSource(*records, _digest(records, settings)) for records in found]


def lines_there(folder: Path) -> dict[str, str]:
    """The movies' lines of the index in `folder`, by what they were made from."""
    index = ""
    with suppress(OSError, UnicodeDecodeError):
        index = (folder / INDEX).read_text(encoding="utf-8")
    parts = re.split(MADE_FROM.format("([0-9a-f]+)"), index)  # a pattern of the whole line takes three times as long
    lines = zip(parts[::2], parts[1::2], strict=False)
    return {made: text[text.find(LINE) :] + MADE_FROM.format(made) for text, made in lines if LINE in text}


def is_current(source: SheetSource, folder: Path, lines: Mapping[str, str]) -> bool:
    """Whether the movie's sheet lies in `folder`, whole, and shows just what it would if it was written now, and so
    does its line of the index, by `lines_there`."""
    if source.made_from not in lines:
        return False
    end = MADE_FROM.format(source.made_from).encode()
    with suppress(OSError), (folder / source.page).open("rb") as page:
        page.seek(-len(end), 2)
        return page.read() == end
    return False


def outdated(sources: Sequence[SheetSource], folder: Path) -> list[str]:
    """Ids of the movies whose sheet, or whose line of the index, is to be written."""
    lines = lines_there(folder)
    return [source.movie.movie_id for source in sources if not is_current(source, folder, lines)]


def page_name(movie_id: str) -> str:
    """File name of a movie's cast sheet: one safe path segment for any id, and never that of the index."""
    name = file_name(movie_id)
    return f"%{ord(name[0]):02X}{name[1:]}.html" if name.lower() == "index" else f"{name}.html"


def _of_last_harvest(movies: Iterable[MovieRecord], records: Iterable[DerivedRecord]) -> dict[str, DerivedRecord]:
    """By movie_id, without those of an earlier harvest, whose tracks are others."""
    harvests = {movie.movie_id: movie.harvest_id for movie in movies}
    return {record.movie_id: record for record in records if harvests.get(record.movie_id) == record.harvest_id}


def _digest(records: Iterable[MovieRecord | DerivedRecord | None], settings: object) -> str:
    taken = [*(record and record.model_dump(mode="json") for record in records), settings]
    return hashlib.blake2b(json.dumps(taken, sort_keys=True).encode(), digest_size=12).hexdigest()


@cache
def _maker(folder: Path = Path(__file__).parent) -> str:
    """Of castmine's version, which sheets name, and of this package's code and templates, which change between two."""
    files = sorted(path for path in folder.rglob("*.*") if path.suffix != ".pyc")
    return hashlib.blake2b(b"".join([version("castmine").encode(), *(path.read_bytes() for path in files)])).hexdigest()
