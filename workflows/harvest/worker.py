"""A harvest worker: the actor that opens movies, harvests their segments and commits them. Frames never leave it."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property

import cv2

from harvest.corpus import Movie
from harvest.corpus_name import besides
from harvest.dataset.commit import commit_movie, put_movie_record
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieFacts, MovieRecord, SourceStamp
from harvest.errors import DatasetError
from harvest.faces import FaceModels, Pack, load_models
from harvest.identity import config_hash, content_hash, harvest_id, refuse_namesake, source_stamp
from harvest.local_copy import LocalCopy, sweep
from harvest.movie import harvest_segment
from harvest.segments import Segment, borders_agree
from harvest.staging import is_staged, stage_segment, staged_segments, unstage
from harvest.video import VideoReader, open_video
from harvest.whole_movie import join_segments, total_drops
from workflows.config import Config
from workflows.harvest.vitals import Vitals, peak_bytes
from workflows.metrics import count_movie, count_segment, count_stages
from workflows.pool import Pulse


@dataclass(frozen=True)
class Probe:
    """What a worker found of a movie before harvesting it."""

    stamp: SourceStamp
    content_hash: str
    harvest_id: str
    embedding_size: int
    facts: MovieFacts
    seconds: dict[str, float] = field(default_factory=dict)
    """By stage."""


@dataclass(frozen=True)
class SegmentReport:
    """Counts of a harvested segment: all that the driver hears of it."""

    frames: int
    seconds: dict[str, float]
    """By stage."""
    peak_bytes: int
    """Largest resident memory of the worker so far."""
    earlier: int = 0
    """Frames whose rows were there: an earlier run's, or those of a worker of this one that was lost before it told."""


@dataclass(frozen=True)
class MovieReport:
    """Counts of a committed movie."""

    rows: dict[str, int]
    drops: dict[str, int]
    seekable: bool
    seconds: dict[str, float]
    """By stage."""


class HarvestWorker:
    """One process, one core (and a share of a GPU): its libraries' threads are capped to match."""

    def __init__(self, dataset: str, pack: Pack, config: Config, force: bool = False) -> None:
        cv2.setNumThreads(1)
        self._dataset, self._pack, self._config, self._force = Dataset.open(dataset), pack, config, force
        self._units = 0.0
        self._seconds: defaultdict[str, float] = defaultdict(float)
        sweep()  # what workers left that were killed here
        self._copy = LocalCopy()
        self._vitals = Vitals()

    @cached_property
    def _models(self) -> FaceModels:
        run = self._config.run
        with self._stage("load"):
            return load_models(self._pack, self._config.harvest.detect, run.device, run.batch)

    def progress(self) -> Pulse:
        """A number that grows while work goes on: frames decoded and, in its fractions, bytes read and stages begun.

        Opening a long movie indexes it, which may take longer than a stall may: reading is a sign of life.
        """
        return Pulse(self._units + self._vitals.mebibytes_read() * 2**-30, self._vitals.own_memory())

    def probe(self, movie: Movie) -> Probe:
        """Read a movie once for its hash, open it for its facts. Raises VideoDecodeError, ModelsError, CorpusError."""
        with self._job():
            embedding_size = self._models.embedding_size  # first of all: models that cannot run end the whole run
            stamp = source_stamp(movie.uri)
            with self._stage("open"), self._copy.path(movie.uri, stamp, self._moved) as path:
                content = content_hash(path, self._moved)
                record = self._dataset.record(movie.movie_id)
                refuse_namesake(record, movie.uri, content, movie.corpus)
                facts = self._open(path).facts
            stays = record and (record.facts.uri == movie.uri or record.content_hash == content)
            return Probe(
                stamp,
                content,
                harvest_id(content, config_hash(self._config.harvest), self._pack.hash, self._pack.threshold),
                embedding_size,
                MovieFacts(
                    uri=movie.uri,
                    title=movie.title,
                    year=movie.year,
                    split=movie.split,
                    cast_size=movie.cast_size,
                    corpus=movie.corpus,
                    other_corpora=besides(record.facts.corpora, movie.corpus) if record and stays else (),
                    fps=facts.fps,
                    frames=facts.frames,
                    duration_s=float(facts.times_s[-1]),
                    width=facts.width,
                    height=facts.height,
                    seekable=facts.seekable,
                ),
                dict(self._seconds),
            )

    def harvest(self, movie: Movie, probe: Probe, segment: Segment) -> SegmentReport:
        """Harvest one segment and stage it, unless an interrupted run has. Raises VideoDecodeError."""
        if is_staged(self._dataset.store, movie.movie_id, probe.harvest_id, segment):
            return SegmentReport(0, {}, peak_bytes(), earlier=segment.stop - segment.start)
        with self._job():
            config = self._config
            with self._copy.path(movie.uri, probe.stamp, self._moved) as path:
                result = harvest_segment(
                    movie.movie_id,
                    self._open(path),
                    segment,
                    self._models,
                    config.harvest,
                    self._pack.threshold,
                    config.run.batch,
                    self._stage,
                    self._alive,
                )
            with self._stage("write"):
                stage_segment(self._dataset.store, movie.movie_id, probe.harvest_id, segment, result, self._moved)
            count_segment(int(self._units), sum(result.tables["tracks"]["faces"].to_pylist()))
            return SegmentReport(int(self._units), dict(self._seconds), peak_bytes())

    def finish(self, movie: Movie, probe: Probe, segments: Sequence[Segment]) -> MovieReport | None:
        """Join a movie's staged segments and commit it; None where their borders do not fit (design rule 4).

        A movie that is committed already, by a worker that was lost just after it or before its file was touched, only
        has its file's time and place put right; unless all is to be done again by force.
        """
        with self._job():
            with self._stage("write"):
                record = self._commit(movie, probe, segments)
                with suppress(DatasetError):  # committed is committed; vacuum removes what is left
                    unstage(self._dataset.store, movie.movie_id)
            if record is None:
                return None
            count_movie()
            rows = {name: shard.rows for name, shard in record.shards.items()}
            return MovieReport(rows, record.drops, record.facts.seekable, dict(self._seconds))

    def _commit(self, movie: Movie, probe: Probe, segments: Sequence[Segment]) -> MovieRecord | None:
        record = self._dataset.record(movie.movie_id)
        if record and not self._force and record.harvest_id == probe.harvest_id:
            facts = probe.facts.model_copy(update={"seekable": record.facts.seekable})
            return put_movie_record(
                self._dataset.store, record.model_copy(update={"stamp": probe.stamp, "facts": facts})
            )
        staged = staged_segments(self._dataset.store, movie.movie_id, probe.harvest_id, segments, self._moved)
        context = self._config.harvest.shots.context
        if not borders_agree([segment.digests for segment in staged], segments, context):
            return None
        return commit_movie(
            self._dataset.store,
            join_segments(staged),
            on_put=self._moved,
            movie_id=movie.movie_id,
            facts=probe.facts,
            stamp=probe.stamp,
            content_hash=probe.content_hash,
            harvest_id=probe.harvest_id,
            config_hash=config_hash(self._config.harvest),
            models=self._pack.name,
            models_hash=self._pack.hash,
            embedding_size=probe.embedding_size,
            drops=total_drops(staged),
        )

    def _open(self, path: str) -> VideoReader:
        decode = self._config.decode
        return open_video(path, decode.device, longest_pause_s=decode.longest_pause_s)

    def _alive(self, frame: int) -> None:
        self._units += 1

    def _moved(self, size: int) -> None:
        self._units += size / 2**50  # read or put: proof of life on a slow disk, and next to nothing among frames

    @contextmanager
    def _job(self) -> Iterator[None]:
        """A piece of work: its seconds by stage are counted, also where it fails."""
        self._units, self._seconds = 0.0, defaultdict(float)
        try:
            yield
        finally:
            count_stages(self._seconds)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage, less that of the stages within it. To begin one is a sign of life."""
        self._units += 2**-30
        began, within = time.perf_counter(), sum(self._seconds.values())
        try:
            yield
        finally:
            within = sum(self._seconds.values()) - within
            self._seconds[name] += time.perf_counter() - began - within
