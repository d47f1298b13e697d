"""Memory of a commit by the length of its film: made-up segments of a real shape are staged, then joined and committed.

    python -m tests.bench.commit_memory [--hours 0.5,2,4] [--faces 3]

Rows are as in the clip hamilton.mp4: 31 % of them detected, 14 % embedded (128-d) with a chip of 3.3 KB. Printed is the
memory that the process shares with nobody, which is what a worker is killed for: how much more than before the commit
it held at most.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from harvest.corpus import Movie
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieFacts, SourceStamp
from harvest.dataset.schema import SCHEMAS
from harvest.faces import find_pack
from harvest.movie import SegmentTables
from harvest.segments import Segment, plan_segments
from harvest.staging import stage_segment
from tests.conftest import shared
from workflows.config import load_config
from workflows.harvest.worker import HarvestWorker, Probe

FPS, SHOT, SIZE, MINUTES = 24, 144, 128, 10
"""Frames a second; of a shot; length of an embedding; of a segment."""
DETECTED, EMBEDDED, CHIP_BYTES = 0.31, 0.14, 3300


def segment_tables(segment: Segment, faces: int, context: int, frames: int) -> SegmentTables:
    """A segment with as many faces on screen at all times, each for a whole shot."""
    rng, starts = np.random.default_rng(segment.start), range(segment.start, segment.stop, SHOT)
    spans = [(start, min(start + SHOT, segment.stop)) for start in starts]
    shots: list[dict[str, Any]] = [
        {"shot_id": i, "start_frame": a, "end_frame": b, "begins": "cut", "settled_frame": a}
        for i, (a, b) in enumerate(spans)
    ]
    owners = [(shot, a, b) for shot, (a, b) in enumerate(spans) for _ in range(faces)]
    tracks: list[dict[str, Any]] = [
        {"track_id": i, "shot_id": shot, "start_frame": a, "end_frame": b, "embedding": rng.random(SIZE)}
        for i, (shot, a, b) in enumerate(owners)
    ]
    links: list[dict[str, Any]] = [
        {"track_a": first + i, "track_b": first + j, "frames_together": 40}
        for first in range(0, len(owners), faces)
        for i in range(faces)
        for j in range(i + 1, faces)
    ]
    tables = {
        name: pa.Table.from_pylist([{"movie_id": "m"} | row for row in rows], schema=SCHEMAS[name])
        for name, rows in {"shots": shots, "tracks": tracks, "links": links}.items()
    }
    tables["faces"] = pa.concat_tables([face_rows(i, a, b, rng) for i, (_, a, b) in enumerate(owners)])
    borders = [border for border in (segment.start, segment.stop) if 0 < border < frames]
    digests = {f: f.to_bytes(16) for border in borders for f in range(border - context, border + context)}
    return SegmentTables(tables, {"track: short": 1}, digests)


def face_rows(track: int, start: int, stop: int, rng: np.random.Generator) -> pa.Table:
    n, x = stop - start, rng.random() * 500
    chosen = rng.random(n)
    seen, embedded = chosen < DETECTED, chosen < EMBEDDED
    columns: dict[str, Any] = {
        "movie_id": ["m"] * n,
        "track_id": [track] * n,
        "frame": np.arange(start, stop),
        "time_s": np.arange(start, stop) / FPS,
        **{side: x + rng.random(n) for side in ("x1", "y1", "x2", "y2")},
        "landmarks": [rng.random(10) if found else None for found in seen],
        **{each: pa.array(rng.random(n), mask=~seen) for each in ("score", "sharpness", "brightness", "yaw", "pitch")},
        "detected": seen,
        "embedding": [rng.standard_normal(SIZE).astype(np.float16) if found else None for found in embedded],
        "chip": [rng.bytes(int(rng.normal(CHIP_BYTES, 400))) if found else None for found in embedded],
    }  # fmt: skip
    schema = SCHEMAS["faces"]
    return pa.table([pa.array(columns[name]).cast(schema.field(name).type) for name in schema.names], schema=schema)


def stage(root: Path, frames: int, faces: int, segments: list[Segment]) -> None:
    store, context = Dataset.create(root).store, load_config().harvest.shots.context
    for segment in segments:
        stage_segment(store, "m", "h", segment, segment_tables(segment, faces, context, frames))


def commit(root: Path, frames: int, segments: list[Segment]) -> dict[str, float | str]:
    """The commit that is measured: peak of unshared memory above what was held before it, MiB."""
    own = HarvestWorker(str(root), find_pack(str(shared("models/scrfd25_mbf"))), load_config())
    facts = MovieFacts(uri="m.mp4", fps=FPS, frames=frames, duration_s=frames / FPS)
    probe = Probe(SourceStamp(size=1, modified="1"), "c", "h", SIZE, facts)
    before, peak, ended = own.progress().memory_bytes, [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.002):
            peak[0] = max(peak[0], own.progress().memory_bytes)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    assert own.finish(Movie("m", "m.mp4"), probe, segments)
    seconds = time.monotonic() - began
    ended.set()
    watcher.join()
    record = own._dataset.record("m")
    assert record
    size = sum(shard.bytes for shard in record.shards.values()) / 2**20
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    digests = " ".join(shard.digest[:8] for shard in record.shards.values())
    grown = (peak[0] - before) / 2**20
    return {"grown": grown, "resident": resident, "size": size, "seconds": seconds, "digests": digests}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--hours", default="0.5,2,4")
    options.add_argument("--faces", type=int, default=3)
    options.add_argument("--whole", action="store_true", help="as one segment, as of a film in which seeks are wrong")
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    hours = [float(each) for each in chosen.hours.split(",")]
    films = [
        (each, plan_segments(round(each * 3600 * FPS), FPS, None if chosen.whole else MINUTES, 32)) for each in hours
    ]
    if chosen.folder:
        print(json.dumps(commit(chosen.folder, films[0][1][-1].stop, films[0][1])))
        return
    print("hours of film  shards, MiB  more memory, MiB  resident at most, MiB  seconds  shards")
    for length, segments in films:
        with tempfile.TemporaryDirectory(prefix="castmine-commit-", dir=os.environ.get("TMPDIR")) as name:
            stage(Path(name), segments[-1].stop, chosen.faces, segments)
            command = [sys.executable, "-m", "tests.bench.commit_memory", "--hours", str(length), "--folder", name]
            command += ["--whole"] if chosen.whole else []
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        ran = json.loads(said.strip().splitlines()[-1])
        print(
            f"{length:13} {ran['size']:12.0f} {ran['grown']:17.0f} {ran['resident']:22.0f} {ran['seconds']:8.1f}"
            f"  {ran['digests']}"
        )


if __name__ == "__main__":
    main()
