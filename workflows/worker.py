"""A harvest worker: the actor that opens movies, harvests their segments and commits them. Frames never leave it."""

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import cv2

from harvest.corpus import Movie
from harvest.dataset.commit import commit_movie
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieFacts, SourceStamp
from harvest.faces import FaceModels, Pack, load_models
from harvest.identity import config_hash, content_hash, harvest_id, source_stamp
from harvest.movie import harvest_segment, join_segments
from harvest.staging import is_staged, stage_segment, staged_segments, unstage
from harvest.video import Segment, VideoReader, borders_agree, open_video
from workflows.config import Config


@dataclass(frozen=True)
class Probe:
    """What a worker found of a movie before harvesting it."""

    stamp: SourceStamp
    content_hash: str
    harvest_id: str
    embedding_size: int
    facts: MovieFacts


@dataclass(frozen=True)
class SegmentReport:
    """Counts of a harvested segment: all that the driver hears of it."""

    frames: int
    seconds: dict[str, float]
    """By stage."""


@dataclass(frozen=True)
class MovieReport:
    """Counts of a committed movie."""

    rows: dict[str, int]
    drops: dict[str, int]
    seekable: bool


class HarvestWorker:
    """One process, one core (and a share of a GPU): its libraries' threads are capped to match."""

    def __init__(self, dataset: str, pack: Pack, config: Config) -> None:
        cv2.setNumThreads(1)
        self._dataset, self._pack, self._config = Dataset.open(dataset), pack, config
        self._units = 0.0
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @cached_property
    def _models(self) -> FaceModels:
        run = self._config.run
        return load_models(self._pack, self._config.harvest.detect, run.device, run.batch)

    def process_id(self) -> int:
        """The operating system's number of this process."""
        return os.getpid()

    def progress(self) -> float:
        """A number that grows while work goes on: frames decoded, in a segment."""
        return self._units

    def probe(self, movie: Movie) -> Probe:
        """Read a movie once for its hash, open it for its facts. Raises VideoDecodeError, ModelsError."""
        embedding_size = self._models.embedding_size  # first of all: models that cannot run end the whole run
        stamp, content = source_stamp(movie.uri), content_hash(movie.uri)
        facts = self._open(movie).facts
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
                fps=facts.fps,
                frames=facts.frames,
                duration_s=float(facts.times_s[-1]),
                width=facts.width,
                height=facts.height,
                seekable=facts.seekable,
            ),
        )

    def harvest(self, movie: Movie, probe: Probe, segment: Segment) -> SegmentReport:
        """Harvest one segment and stage it, unless an interrupted run has. Raises VideoDecodeError."""
        if is_staged(self._dataset.store, movie.movie_id, probe.harvest_id, segment):
            return SegmentReport(0, {})
        self._units, self._seconds = 0.0, defaultdict(float)
        config = self._config
        result = harvest_segment(
            movie.movie_id,
            self._open(movie),
            segment,
            self._models,
            config.harvest,
            self._pack.threshold,
            config.run.batch,
            self._stage,
            self._alive,
        )
        with self._stage("write"):
            stage_segment(self._dataset.store, movie.movie_id, probe.harvest_id, segment, result)
        return SegmentReport(int(self._units), dict(self._seconds))

    def finish(self, movie: Movie, probe: Probe, segments: Sequence[Segment]) -> MovieReport | None:
        """Join a movie's staged segments and commit it; None where their borders do not fit (design rule 4)."""
        staged = staged_segments(self._dataset.store, movie.movie_id, probe.harvest_id, segments)
        context = self._config.harvest.shots.context
        if not borders_agree([segment.digests for segment in staged], segments, context):
            unstage(self._dataset.store, movie.movie_id)
            return None
        tables, drops = join_segments(staged)
        record = commit_movie(
            self._dataset.store,
            tables,
            movie_id=movie.movie_id,
            facts=probe.facts,
            stamp=probe.stamp,
            content_hash=probe.content_hash,
            harvest_id=probe.harvest_id,
            config_hash=config_hash(self._config.harvest),
            models=self._pack.name,
            models_hash=self._pack.hash,
            embedding_size=probe.embedding_size,
            drops=drops,
        )
        unstage(self._dataset.store, movie.movie_id)
        return MovieReport({name: shard.rows for name, shard in record.shards.items()}, drops, probe.facts.seekable)

    def _open(self, movie: Movie) -> VideoReader:
        return open_video(movie.uri, self._config.decode.device)

    def _alive(self, frame: int) -> None:
        self._units += 1

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._seconds[name] += time.perf_counter() - began
