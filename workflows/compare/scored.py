"""Runs as they stand in `clusters`, scored by the labels that there are now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cluster.constraints import violations
from cluster.metrics import CorpusMetrics, Metrics, score_corpus, score_movie
from cluster.permutation import Paired
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from workflows.labels import flags_in, identities_in, labels_of

TRACK_FLAGS = ("frontal", "profile", "blurred", "dark")
"""Quality flags that a harvest gives."""


@dataclass(frozen=True)
class Truth:
    """What is known of a movie's n tracks beside any clustering, by track_id."""

    movie_id: str
    names: list[str | None]
    frames: NDArray[np.int64]
    cannot_link: NDArray[np.int64]
    flags: dict[str, NDArray[np.bool_]]
    """(n,) by flag."""

    @property
    def named(self) -> NDArray[np.bool_]:
        """(n,)"""
        return np.array([name is not None for name in self.names], dtype=bool)


@dataclass(frozen=True)
class ScoredMovie:
    """One movie of one run."""

    movie_id: str
    tracks: int
    clusters: int
    violations: int
    seconds: float
    metrics: Metrics | None
    labels: NDArray[np.int64]
    """(n,) by track_id."""
    right: NDArray[np.bool_]
    """(n,) named tracks whose identity is the commonest of their cluster."""
    curve: dict[str, Any] | None
    seen_in_training: bool = False
    """The model of the run was trained on this movie."""
    labels_used: bool = False
    """K was taken from labels, or the model learned from some."""


@dataclass(frozen=True)
class ScoredRun:
    """One run over the movies compared."""

    name: str
    method: str
    model: str
    k_from: str
    movies: tuple[ScoredMovie, ...]
    overall: CorpusMetrics | None = field(init=False)

    def __post_init__(self) -> None:
        scored = [movie.metrics for movie in self.movies if movie.metrics]
        object.__setattr__(self, "overall", score_corpus(scored))

    @property
    def clusters(self) -> int:
        """K found, over all movies."""
        return sum(movie.clusters for movie in self.movies)

    @property
    def violations(self) -> int:
        return sum(movie.violations for movie in self.movies)

    @property
    def seconds(self) -> float:
        return sum(movie.seconds for movie in self.movies)


def read_truth(dataset: Dataset, movie: MovieRecord, small_px: float) -> Truth:
    """Labels, links, lengths and flags of a movie's tracks."""
    wanted = ["track_id", "start_frame", "end_frame", "size_px", *TRACK_FLAGS]
    tracks = dataset.read_shard(movie.shards["tracks"], wanted)
    links = dataset.read_shard(movie.shards["links"], ["track_a", "track_b"])
    ids = tracks["track_id"].to_numpy()
    pairs = np.stack([links["track_a"].to_numpy(), links["track_b"].to_numpy()], axis=1)
    flags = {name: np.array(tracks[name].to_pylist(), dtype=bool) for name in TRACK_FLAGS}
    flags["small"] = np.array([size is not None and size < small_px for size in tracks["size_px"].to_pylist()], bool)
    labels = labels_of(dataset, movie)
    for track, words in flags_in(labels).items():
        for word in words:
            flags.setdefault(word, np.zeros(len(ids), dtype=bool))[np.searchsorted(ids, track)] = True
    known = identities_in(labels)
    return Truth(
        movie.movie_id,
        [known.get(int(track)) for track in ids],
        (tracks["end_frame"].to_numpy() - tracks["start_frame"].to_numpy()).astype(np.int64),
        np.searchsorted(ids, pairs).astype(np.int64).reshape(-1, 2),
        flags,
    )


def score_movie_of_run(truth: Truth, table: pa.Table, notes: dict[str, Any]) -> ScoredMovie:
    """One movie's assignments against what is known."""
    labels = table["cluster_id"].to_numpy().astype(np.int64)
    return ScoredMovie(
        movie_id=truth.movie_id,
        tracks=len(labels),
        clusters=len(np.unique(labels[labels >= 0])),
        violations=violations(labels, truth.cannot_link),
        seconds=float(notes.get("seconds", 0.0)),
        metrics=score_movie(labels, truth.names, truth.cannot_link, truth.frames),
        labels=labels,
        right=right_tracks(labels, truth.names),
        curve=notes.get("k_curve"),
        seen_in_training=bool(notes.get("seen_in_training")),
        labels_used=bool(notes.get("labels_used")),
    )


def right_tracks(labels: NDArray[np.int64], names: Sequence[str | None]) -> NDArray[np.bool_]:
    """(n,) whether a named track's identity is the commonest of its cluster, ties going to the one met first; their
    share of the named tracks is WCP."""
    counts: dict[int, dict[str, int]] = {}
    for label, name in zip(labels.tolist(), names, strict=True):
        if label >= 0 and name is not None:
            of_cluster = counts.setdefault(label, {})
            of_cluster[name] = of_cluster.get(name, 0) + 1
    commonest = {label: max(of_cluster, key=of_cluster.__getitem__) for label, of_cluster in counts.items()}
    pairs = zip(labels.tolist(), names, strict=True)
    return np.array([name is not None and commonest.get(label) == name for label, name in pairs], dtype=bool)


def paired(truth: Truth, first: ScoredMovie, second: ScoredMovie) -> Paired:
    """The named tracks of a movie in two runs."""
    named = truth.named
    _, true = np.unique([name for name in truth.names if name is not None], return_inverse=True)
    return Paired(true.astype(np.int64), first.labels[named], second.labels[named])
