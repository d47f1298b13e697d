"""The figures of a scheduled run, as its table shows them and report.json keeps them."""

import platform
import resource
import socket
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from workflows.config import Config
from workflows.corpus.outcome import CorpusSummary
from workflows.corpus.session import Session
from workflows.harvest.gone import gone_json
from workflows.journal.records import Journal

PACKAGES = (
    *("castmine", "ray", "torch", "onnxruntime", "onnxruntime-gpu", "insightface", "decord", "av", "boxmot"),
    *("opencv-python", "numpy", "scipy", "scikit-learn", "pyarrow", "duckdb"),
)
"""Whose versions a report names: those that decide what comes out."""
WAITING = "waiting"
"""Worker seconds in no stage: later workers' start, and waiting for work."""


def stage_shares(journal: Journal) -> list[dict[str, Any]]:
    """Worker seconds and their share by stage of a harvest, the longest first; what is left over was waiting."""
    held = journal.usage.worker_s
    seconds = dict(journal.stages)
    waiting = max(held - sum(seconds.values()), 0.0)
    rows = sorted((seconds | {WAITING: waiting}).items(), key=lambda row: -row[1])
    total = sum(seconds.values()) + waiting or 1.0
    return [{"stage": name, "seconds": round(spent, 3), "share": round(spent / total, 4)} for name, spent in rows]


def harvest_figures(journal: Journal) -> dict[str, Any]:
    """What the harvest of a run did and held; empty where no worker was at it."""
    if not journal.usage.worker_s:
        return {}
    hours = sum(movie.own_s() for movie in journal.movies.values() if movie.state == "done") / 3600
    wall, usage = journal.work_s, journal.usage
    frames = journal.frames - sum(movie.earlier for movie in journal.movies.values())
    return {
        "movie_hours": round(hours, 4),
        "start_s": journal.start_s,
        "wall_s": round(wall, 3),
        "movie_hours_per_wall_hour": round(hours * 3600 / wall, 3) if wall else None,
        "frames": round(frames),
        "frames_per_s": round(frames / wall, 2) if wall else None,
        "workers": usage.workers,
        "worker_s": round(usage.worker_s, 3),
        "gpu_s": round(usage.gpu_s, 3),
        "peak_bytes": usage.peak_bytes,
        "driver_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "stages": stage_shares(journal),
    }


def report_json(summary: CorpusSummary, session: Session) -> dict[str, Any]:
    """All that is to be known of a run later, when nobody remembers it."""
    journal, counts = summary.journal, summary.journal.counts
    return {
        "run_id": journal.run_id,
        "outcome": journal.outcome,
        "started_at": journal.started_at,
        "ended_at": journal.ended_at,
        "seconds": round(summary.seconds, 3),
        "host": socket.gethostname(),
        "movies": {
            "in_corpus": len(session.movies),
            "done": counts.get("done", 0),
            "unchanged": counts.get("unchanged", 0),
            "failed": counts.get("failed", 0),
            "left_for_later": list(summary.later),
            **gone_json(summary.gone),
            "pruned": list(summary.pruned),
        },
        "stages": [
            {"stage": stage.stage, "state": stage.state, "said": stage.said, "seconds": round(stage.seconds, 3)}
            | ({"failed": stage.failed} if stage.failed else {})
            | stage.figures
            for stage in summary.stages
        ],
        "harvest": harvest_figures(journal),
        "models": {"name": session.pack.name, "hash": session.pack.hash, "threshold": session.pack.threshold},
        "config": resolved(session.config),
        "python": platform.python_version(),
        "packages": versions(),
    }


def resolved(config: Config) -> dict[str, Any]:
    """The configuration with every default filled in."""
    return config.model_dump(mode="json")


def versions() -> dict[str, str]:
    """Version of every installed package that decides what comes out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
