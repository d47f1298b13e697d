"""The clustering stages, one for each clustering that is kept: only movies whose tracks or model changed are done."""

import time
from importlib.metadata import version
from typing import Any

from harvest.dataset.read import Dataset
from harvest.errors import CastmineError
from workflows.config import Config
from workflows.console import counted
from workflows.corpus.config import ClusteringConfig
from workflows.corpus.notes import Inputs, StageNote, digest, put_note, read_note
from workflows.corpus.outcome import StageOutcome
from workflows.corpus.packs import kept_threshold, left_out, note_threshold, of_pack
from workflows.corpus.session import Session
from workflows.corpus.training import model_folder, weights_digest
from workflows.labels import RUN as LABELS


def stage_name(clustering: ClusteringConfig) -> str:
    """What the stage of a clustering is called."""
    return f"cluster {clustering.name}"


def cluster_stage(session: Session, clustering: ClusteringConfig) -> StageOutcome:
    """Bring one clustering up to date; what goes wrong is in the outcome.

    Which movies are to be done again is decided movie by movie in workflows/cluster; here, only whether to ask at all.
    """
    began, name = time.monotonic(), stage_name(clustering)
    dataset, config, force = session.dataset, session.config, session.force
    model = model_folder(dataset, session.places, config, session.pack.hash) if clustering.model else None
    weights = weights_digest(session.places) if model else ""
    taken, movies = _taken(dataset), of_pack(dataset, session.pack.hash)  # as they are before the work
    through = [record.movie_id for record in movies] if model else []
    if model and not through:
        return StageOutcome(name, "left out", f"no movie was harvested with the models of {model}")
    inputs = _inputs(dataset, clustering, config, weights, taken)
    if inputs.note and not force and not inputs.changes():
        return StageOutcome(name, "unchanged", inputs.note.said)
    from workflows.cluster.request import ClusterRequest
    from workflows.cluster.run import cluster

    asked = ClusterRequest(
        clustering.method,
        model,
        clustering.adapt,
        clustering.k_from,
        clustering.name,
        through,
        force,
        kept_threshold(session),
    )
    try:
        summary = cluster(dataset.root, asked, config, start=session.start_ray)
    except CastmineError as error:
        return StageOutcome(name, "failed", str(error), time.monotonic() - began)
    again = [movie.movie_id for movie in summary.movies if not movie.unchanged]
    characters = sum(movie.clusters for movie in summary.movies)
    said = f"{counted(len(summary.movies), 'movie')}, {counted(characters, 'character')}"
    said += left_out(dataset, session.pack.hash) if model else ""
    note_threshold(session, movies)
    if not summary.failed:
        note = StageNote(
            fingerprint=inputs.fingerprint,
            movies=_with_results(dataset, clustering, taken),
            outcome="done",
            said=said,
            at="",
        )
        put_note(dataset.store, name, note)
    figures: dict[str, Any] = {"clustered": again, "model": summary.model, "threshold": summary.threshold_source}
    said += f"; {len(again) or 'none'} clustered anew"
    return StageOutcome(name, "done", said, time.monotonic() - began, summary.failed, figures)


def why(dataset: Dataset, clustering: ClusteringConfig, config: Config, weights: str) -> str:
    """Why to cluster, in words; empty where the clustering is of just these tracks, labels, model and settings."""
    return _inputs(dataset, clustering, config, weights, _taken(dataset)).changes()


def _inputs(
    dataset: Dataset, clustering: ClusteringConfig, config: Config, weights: str, taken: dict[str, str]
) -> Inputs:
    note = read_note(dataset.store, stage_name(clustering))
    return Inputs(note, _fingerprint(clustering, config, weights), _with_results(dataset, clustering, taken))


def _fingerprint(clustering: ClusteringConfig, config: Config, weights: str) -> str:
    sections = [section.model_dump(mode="json") for section in (clustering, config.cluster, config.train)]
    return digest([*sections, weights, version("castmine")])


def _taken(dataset: Dataset) -> dict[str, str]:
    """Of every movie: its harvest, its labels, its number of characters as the user gives it."""
    labels = {record.movie_id: record.shard.digest for record in dataset.derived_records("labels", LABELS)}
    return {
        record.movie_id: digest([record.harvest_id, labels.get(record.movie_id), record.facts.cast_size])
        for record in dataset.records()
    }


def _with_results(dataset: Dataset, clustering: ClusteringConfig, taken: dict[str, str]) -> dict[str, str]:
    """… and what lies there."""
    there = {record.movie_id: record.created_at for record in dataset.derived_records("clusters", clustering.name)}
    return {movie_id: f"{inputs} {there.get(movie_id, '')}".strip() for movie_id, inputs in taken.items()}
