"""What a harvest is to do, decided before anything is loaded: Ray, torch and the decoders are imported after this."""

from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from harvest.corpus import Movie
from harvest.corpus_name import besides
from harvest.dataset.commit import note_failure, put_movie_record
from harvest.dataset.read import Dataset
from harvest.dataset.records import FailureRecord, MovieRecord, SourceStamp, failure_record_path
from harvest.errors import VideoDecodeError
from harvest.faces import Pack
from harvest.identity import config_hash, harvest_id, source_stamp
from harvest.storage import is_remote
from workflows.config import Config
from workflows.harvest.quarantine import settings_digest, tried_with, why_left_out

AT_ONCE = 16
"""Movies of a bucket that are looked at together: each takes some answers of 20 to 50 ms."""
SHORTEST_MINUTES = 1.0
"""Of a segment, unless a shorter one is asked for: what a worker decodes besides, up to a shot, stays a few percent."""


@dataclass
class MovieState:
    """How a movie of this run stands."""

    movie: Movie
    state: str = "todo"
    """todo, skipped (nothing changed), done or failed."""
    seconds: Counter[str] = field(default_factory=Counter)
    """Worker seconds by stage."""
    frames: int = 0
    """Source frames that workers have done."""
    earlier: int = 0
    """Source frames that an earlier run has done, and need not be done again."""
    other_pack: str = ""
    """The models that it was harvested with, where it is to be done again with others."""
    total: int = 0
    """Source frames of the movie; 0: not opened in this run."""
    duration_s: float = 0
    rows: dict[str, int] = field(default_factory=dict)
    drops: dict[str, int] = field(default_factory=dict)
    seekable: bool = True
    message: str = ""
    tried_with: str = ""
    """Digest of its file and settings as planned: a file that changes under a worker that fails on it is another."""


@dataclass(frozen=True)
class Selection:
    """Which of a corpus's movies a run takes on."""

    retry_failed: bool = False
    """Only the movies that failed before."""
    limit: int | None = None
    """At most so many of those that there is something to do for, in the order of their ids, earlier failures last."""
    force: bool = False
    """Also those that have not changed."""


@dataclass(frozen=True)
class HarvestPlan:
    """What a harvest is to do."""

    states: dict[str, MovieState]
    """By movie_id."""
    later: tuple[str, ...] = ()
    """Movies to be done that are beyond the limit."""
    force: bool = False
    """What is committed is done again."""

    @property
    def todo(self) -> list[MovieState]:
        """Movies to be done now."""
        return [state for state in self.states.values() if state.state == "todo"]


def plan_harvest(
    movies: list[Movie], dataset: Dataset, pack: Pack, config: Config, selection: Selection, settle: bool = True
) -> HarvestPlan:
    """What is to be done of a corpus's movies. `settle`: take over into the dataset what needs no harvest."""
    failed = {failure.movie_id: failure for failure in dataset.failures() if failure.kind == "harvest"}
    if selection.retry_failed:
        movies = [movie for movie in movies if movie.movie_id in failed]
    settings = settings_digest(pack, config)
    records = {} if selection.force else {record.movie_id: record for record in dataset.records()}

    def plan(movie: Movie) -> MovieState:
        if movie.refused:
            return _refused(dataset, movie, failed.get(movie.movie_id), settle)
        record, failure, stamp = records.get(movie.movie_id), failed.get(movie.movie_id), _stamp(movie)
        if record and is_current(record, movie, stamp, pack, config):
            return _settled(dataset, record, failure, movie) if settle else _unchanged(record, movie)
        tried = tried_with(movie, stamp, settings)
        asked = selection.retry_failed or selection.force
        if not asked and (left_out := why_left_out(failure, tried, config.run.attempts)):
            return MovieState(movie, "failed", message=left_out)
        other_pack = record.models if record and record.models_hash != pack.hash else ""
        return MovieState(movie, other_pack=other_pack, tried_with=tried)

    remote = not dataset.store.is_local or any(is_remote(movie.uri) for movie in movies)
    with ThreadPoolExecutor(AT_ONCE if remote else 1) as pool:
        states = {movie.movie_id: state for movie, state in zip(movies, pool.map(plan, movies), strict=True)}
    return within_limit(states, selection, failed)


def within_limit(states: dict[str, MovieState], selection: Selection, failed: Collection[str] = ()) -> HarvestPlan:
    """The plan without the movies that are beyond the limit."""
    todo = [name for name, state in states.items() if state.state == "todo"]
    todo.sort(key=lambda name: name in failed)  # a few bad movies at every turn must not use up its limit
    later = todo[selection.limit :] if selection.limit is not None else []
    chosen = {name: state for name, state in states.items() if name not in set(later)}
    return HarvestPlan(chosen, tuple(later), selection.force)


def segment_minutes(duration_s: float, movies: int, workers: int, longest: float) -> float:
    """Length of a movie's segments. Of a few movies each is spread over several workers, or most would be idle."""
    share = duration_s / 60 * movies / workers
    return min(longest, max(share, SHORTEST_MINUTES))


def is_current(record: MovieRecord, movie: Movie, stamp: SourceStamp | None, pack: Pack, config: Config) -> bool:
    """Whether a movie need not be harvested. A file whose size and time are as recorded is not read again."""
    wanted = harvest_id(record.content_hash, config_hash(config.harvest), pack.hash, pack.threshold)
    return (record.facts.uri, record.stamp, record.harvest_id) == (movie.uri, stamp, wanted)


def _stamp(movie: Movie) -> SourceStamp | None:
    """None where the file cannot be looked at: the worker finds that again, and it becomes a failure of this movie."""
    try:
        return source_stamp(movie.uri)
    except VideoDecodeError:
        return None


def _unchanged(record: MovieRecord, movie: Movie) -> MovieState:
    return MovieState(movie, "skipped", rows={name: shard.rows for name, shard in record.shards.items()})


def _settled(dataset: Dataset, record: MovieRecord, failure: FailureRecord | None, movie: Movie) -> MovieState:
    """Of a movie that failed and whose file is again the one that was harvested, or whose commit was cut short, that
    is forgotten."""
    _refresh(dataset, record, movie)
    if failure:
        dataset.store.delete(failure_record_path(movie.movie_id, "harvest"))
    return _unchanged(record, movie)


def _refused(dataset: Dataset, movie: Movie, failure: FailureRecord | None, settle: bool) -> MovieState:
    """Of a movie that cannot even be asked for: a failure of its own, which no worker needs to find."""
    if settle and (failure is None or failure.message != movie.refused):
        note_failure(dataset.store, movie.movie_id, movie.uri, "probe", "CorpusError", movie.refused, 1)
    return MovieState(movie, "failed", message=movie.refused)


def _refresh(dataset: Dataset, record: MovieRecord, movie: Movie) -> None:
    """Take over what the user's listing now says of a movie whose tables need no change."""
    said = {name: getattr(movie, name) for name in ("title", "year", "split", "cast_size", "corpus")}
    others = besides(record.facts.corpora, movie.corpus)
    facts = record.facts.model_copy(update=said | {"other_corpora": others})
    if facts != record.facts:
        put_movie_record(dataset.store, record.model_copy(update={"facts": facts}))
