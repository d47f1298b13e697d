"""What a clustering task is told, what it answers, and the memory that it takes."""

from dataclasses import dataclass

from cluster.config import KFrom
from cluster.methods import METHODS
from cluster.metrics import Metrics
from harvest.dataset.records import MovieRecord
from workflows.config import Config
from workflows.train.memory import PROCESS_GB

BASE = "base"
"""The model's name where there is none."""

CLUSTERED_FACE_BYTES = 24
"""Per number of a face that is clustered: read as float32, normalised to float64 or so through a model, and once more
by the method; 22 were measured on 704 tracks of 63 faces of 512-d (tests.bench.task_memory)."""
ADAPT_GB = 0.7
"""What fitting to a movie takes beside its faces: torch, the network, and SSiam's 3,000² distances."""
NETWORK_GB = 1.5
"""What training a recognition network takes more: the activations of 48 crops of 112 px."""
CARRY_MATRICES = 4
"""(n, n) float64 matrices while a threshold is carried over: cosines, indices of the pairs, their distances, sorted."""
ADAPTED_NUMBERS = 512
"""Numbers of an adapted face, in student and teacher together, beside those it came with."""


@dataclass(frozen=True)
class ClusterJob:
    """All that a task needs to know."""

    root: str
    movie_id: str
    method: str
    model: str | None
    k_from: KFrom
    threshold: float | None
    """Used where k_from is threshold."""
    run: str
    config: Config
    model_digest: str = ""
    """SHA-256 of the model's weights; empty: no model."""
    force: bool = False
    """Cluster anew what an earlier run of this name has clustered just so."""
    adapt: str | None = None
    """The adaptation that comes first, if any."""
    model_name: str = BASE
    """The model's own, without the adaptation."""
    model_takes_faces: bool = False
    """It weighs each face itself, where others take the mean of a track."""


@dataclass(frozen=True)
class ClusteredMovie:
    """What a task did."""

    movie_id: str
    tracks: int
    clusters: int
    asked: int | None
    threshold: float | None
    violations: int
    seconds: float
    metrics: Metrics | None
    adapt_seconds: float = 0.0
    """Of a core, spent on fitting to the movie when that was done."""
    seen_in_training: bool = False
    """The model was trained on this movie, so that the scores say little of new ones."""
    labels_used: bool = False
    """K was taken from labels, or the model learned from some."""
    unknown: int = 0
    """Tracks that no character took."""
    unchanged: bool = False
    """An earlier run of this name had clustered it just so; only the scores may be new."""


def source_of_k(method: str, k_from: KFrom) -> str:
    """Where K came from, as it is noted beside a result."""
    return "method" if METHODS[method].finds_k else str(k_from)


def run_name(method: str, model: str | None, adapt: str | None, k_from: KFrom) -> str:
    """What a run is called where nobody says: K known and K found stand side by side."""
    known = None if k_from == "threshold" else str(k_from)
    return "-".join(filter(None, (method, model, adapt, known)))


def adapted_name(model: str, adapt: str | None) -> str:
    """What a representation is called: the model, and what was fitted to each movie on top of it."""
    return f"{model}+{adapt}" if adapt else model


def reads_faces(job: ClusterJob) -> bool:
    """Whether the task looks at faces, not at track means alone."""
    return METHODS[job.method].needs_faces or job.adapt is not None or job.model_takes_faces


def memory_gb(job: ClusterJob, movie: MovieRecord, embedded: int) -> float:
    """What the task of a movie takes: its (n, n) matrices, the faces it looks at, the process itself; `embedded` of the
    movie's faces have an embedding."""
    matrices = METHODS[job.method].memory_gb(movie.rows("tracks"))
    if job.adapt and job.threshold is not None:  # it is carried over before the method begins
        matrices = max(matrices, CARRY_MATRICES * 8 * movie.rows("tracks") ** 2 / 1e9)
    numbers = movie.embedding_size + (ADAPTED_NUMBERS if job.adapt else 0)
    faces = embedded * numbers * CLUSTERED_FACE_BYTES / 1e9 if reads_faces(job) else 0.0
    adapting = (ADAPT_GB if job.adapt else 0.0) + (NETWORK_GB if job.adapt == "selfdistill-network" else 0.0)
    return PROCESS_GB + adapting + faces + matrices
