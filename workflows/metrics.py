"""What castmine tells Prometheus through Ray: what workers have done (counters), how the queue stands (gauges).

Ray exports them on every node beside its own, with the prefix `ray_`; counters end in `_total`.
"""

from collections.abc import Mapping
from functools import cache

from ray.util.metrics import Counter, Gauge

PREFIX = "castmine_"


@cache
def _counter(name: str, meaning: str, *tags: str) -> Counter:
    return Counter(PREFIX + name, meaning, tag_keys=tags)


@cache
def _gauge(name: str, meaning: str) -> Gauge:
    return Gauge(PREFIX + name, meaning)


def count_segment(frames: int, faces: int) -> None:
    """A worker has harvested a segment: so many source frames and detected faces."""
    _counter("segments", "Segments harvested").inc(1)
    if frames:
        _counter("frames", "Source frames harvested").inc(frames)
    if faces:
        _counter("faces", "Detected faces of tracks that were kept").inc(faces)


def count_stages(seconds: Mapping[str, float]) -> None:
    """A worker has ended a piece of work (opened a movie, harvested a segment, committed): so long in each stage."""
    for stage, spent in seconds.items():
        if spent > 0:
            _counter("stage_seconds", "Worker seconds by stage", "stage").inc(spent, {"stage": stage})


def count_movie() -> None:
    """A worker has committed a movie."""
    _counter("movies", "Movies committed").inc(1)


def count_failure(stage: str, error: str) -> None:
    """The driver has given a movie up."""
    _counter("failures", "Movies that could not be done", "stage", "error").inc(1, {"stage": stage, "error": error})


def show_queue(queued: int, running: int, workers: int) -> None:
    """The pool's state, as the driver sees it."""
    _gauge("jobs_queued", "Pieces of work that wait for a worker").set(queued)
    _gauge("jobs_running", "Pieces of work that a worker has").set(running)
    _gauge("workers", "Workers held").set(workers)
