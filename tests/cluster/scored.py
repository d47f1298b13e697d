"""The scores of a movie in which somebody is named, and of a corpus of such movies: they are never None."""

from collections.abc import Sequence
from typing import Any

from cluster.metrics import CorpusMetrics, Metrics, score_corpus, score_movie


def scored(*movie: Any, **more: Any) -> Metrics:
    """`score_movie` where it has a score to give."""
    metrics = score_movie(*movie, **more)
    assert metrics is not None
    return metrics


def scored_corpus(movies: Sequence[Metrics]) -> CorpusMetrics:
    """`score_corpus` of at least one movie."""
    metrics = score_corpus(movies)
    assert metrics is not None
    return metrics
