"""A dataset small enough to work every figure out by hand: three movies, seven tracks, two clustering runs."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from harvest.dataset.commit import commit_derived, commit_movie, note_failure
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieFacts, SourceStamp
from harvest.dataset.schema import SCHEMAS

MOVIE = "it's [A]* ü/1"
"""100 s; an id with everything that a path or a quoted string could stumble over."""

IDS: dict[str, Any] = {
    "content_hash": "c",
    "config_hash": "g",
    "models": "pack",
    "models_hash": "m",
    "embedding_size": 2,
}
"""Of a harvest: what no test of a commit asks about."""

Rows = list[dict[str, Any]]

SHOTS = [(0, 0, 10, "start"), (1, 10, 30, "cut"), (2, 30, 60, "dissolve")]
TRACKS = [  # track_id, shot_id, start_s, end_s, faces, cannot_links
    (0, 0, 0, 4, 10, 1),
    (1, 0, 1, 5, 20, 1),
    (2, 1, 10, 20, 30, 2),
    (3, 1, 12, 16, 40, 1),
    (4, 1, 11, 14, 50, 1),
    (5, 2, 30, 35, 60, 0),
]
LINKS = [(0, 1), (2, 3), (2, 4)]


def rows_table(name: str, rows: Rows) -> pa.Table:
    """Rows in the schema's columns, null where a row says nothing."""
    return pa.Table.from_pylist(rows, schema=SCHEMAS[name])


def make(root: Path | str) -> Dataset:
    """Movie MOVIE with faces, `lonely` with one track, `empty` with none, `lost` a failure."""
    dataset = Dataset.create(root)
    _movie(dataset, MOVIE, "h1", SHOTS, TRACKS, LINKS, {"detection: too small": 7, "track: too short": 2})
    _movie(dataset, "lonely", "h2", [(0, 0, 20, "start")], [(0, 0, 3, 9, 70, 0)], [], {})
    _movie(dataset, "empty", "h3", [(0, 0, 5, "start")], [], [], {"detection: too small": 1})
    note_failure(dataset.store, "lost", "lost.mp4", "probe", "VideoDecodeError", "lost.mp4: not a video", 3)
    _clusters(dataset, "hac", MOVIE, "h1", [0, 1, 0, 1, 1, -1])
    _clusters(dataset, "hac", "lonely", "h2", [0])
    _clusters(dataset, "known", MOVIE, "h1", [0, 1, 0, 1, 2, 0])
    _clusters(dataset, "old", MOVIE, "an older harvest", [0, 0, 0, 0, 0, 0])
    labels = [(0, "Ann", 0), (1, "Ann", 2), (2, "Bob", 1), (3, "Cyd", None)]
    rows = [{"movie_id": MOVIE, "label_id": i, "identity": who, "track_id": t} for i, who, t in labels]
    commit_derived(dataset.store, "labels", "labels", MOVIE, "h1", rows_table("labels", rows))
    return dataset


def _movie(dataset: Dataset, movie_id: str, harvest_id: str, shots: Any, tracks: Any, links: Any, drops: Any) -> None:
    here = {"movie_id": movie_id}
    rows: dict[str, Rows] = {
        "shots": [here | {"shot_id": i, "start_s": a, "end_s": b, "begins": how} for i, a, b, how in shots],
        "tracks": [
            here
            | {"track_id": i, "shot_id": shot, "start_s": a, "end_s": b, "faces": faces, "cannot_links": partners}
            | {"frontal": i > 0, "profile": i == 0, "blurred": i < 3, "dark": None, "size_px": 40 + i, "score": 0.5}
            | {"embedding": [1.0, 0.0]}
            for i, shot, a, b, faces, partners in tracks
        ],
        "faces": [here | {"track_id": i, "frame": 25 * a, "embedding": [0.5, -2.0]} for i, _, a, *_ in tracks],
        "links": [here | {"track_a": a, "track_b": b, "frames_together": 9} for a, b in links],
    }
    facts = MovieFacts(uri=f"{movie_id}.mp4", fps=25, frames=2500, duration_s=100)
    commit_movie(
        dataset.store,
        {name: rows_table(name, table) for name, table in rows.items()},
        **IDS,
        movie_id=movie_id,
        harvest_id=harvest_id,
        facts=facts,
        stamp=SourceStamp(size=1, modified="now"),
        drops=drops,
    )


def _clusters(dataset: Dataset, run: str, movie_id: str, harvest_id: str, assigned: list[int]) -> None:
    rows = [
        {"run": run, "movie_id": movie_id, "track_id": i, "cluster_id": c, "method": "hac", "model": "base"}
        for i, c in enumerate(assigned)
    ]
    commit_derived(dataset.store, "clusters", run, movie_id, harvest_id, rows_table("clusters", rows))
