"""The way of a movie: decode → shots → detect → track → quality → embed → links, in segments, then joined.

Any split into segments gives the same tables: a shot belongs to the segment in which it starts, and its worker reads
on to the shot's end (design rule 3).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from harvest.config import HarvestConfig
from harvest.dataset.schema import SCHEMAS
from harvest.faces import FaceModels
from harvest.links import cannot_links
from harvest.rows import face_rows, link_row, shot_row, track_row
from harvest.segments import Segment, frame_digest
from harvest.shot_tracks import OpenShot, Shot
from harvest.shots import mark_shots
from harvest.track import FaceTracker
from harvest.video import VideoReader
from harvest.workbench import Stage, Workbench, staged, unmeasured


@dataclass(frozen=True)
class SegmentTables:
    """What one segment gives: tables with ids of its own, what was dropped, digests of the frames at its borders."""

    tables: dict[str, pa.Table]
    drops: dict[str, int]
    digests: dict[int, bytes]

    def read(self, table: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """A table, in one part."""
        yield self.tables[table].select(columns or self.tables[table].column_names)


def harvest_segment(
    movie_id: str,
    reader: VideoReader,
    segment: Segment,
    models: FaceModels,
    config: HarvestConfig,
    threshold: float | None = None,
    batch: int = 1,
    stage: Stage = unmeasured,
    on_frame: Callable[[int], None] = lambda index: None,
) -> SegmentTables:
    """Harvest the shots that start in a segment.

    Args:
        threshold: cosine distance at which the models' embeddings part two people; None where nobody knows.
        on_frame: called with the number of each frame as it is decoded: for progress, and to prove life.

    Raises:
        VideoDecodeError: the video ends or breaks before its last announced frame.
    """
    fps, times_s = reader.facts.fps, reader.facts.times_s
    with stage("load"):  # once a process: torch, 2 s
        tracker = FaceTracker(fps / config.stride, config.detect.score, config.track)
    bench = Workbench(models, tracker, config, fps, times_s, threshold, batch, stage)
    digests: dict[int, bytes] = {}
    frames = _decode(reader, segment, config, digests, stage, on_frame)
    shots = _shots(frames, segment, reader.facts.frames, bench)
    return SegmentTables(_tables(movie_id, shots, reader, bench), dict(bench.drops), digests)


def _decode(
    reader: VideoReader,
    segment: Segment,
    config: HarvestConfig,
    digests: dict[int, bytes],
    stage: Stage,
    on_frame: Callable[[int], None],
) -> Iterator[tuple[int, np.ndarray]]:
    """Frames from W before the segment on; those around its borders leave their digests (design rule 4)."""
    context = config.shots.context
    borders = [border for border in (segment.start, segment.stop) if 0 < border < reader.facts.frames]
    for index, image in staged(reader.frames(max(0, segment.start - context)), "decode", stage):
        if any(border - context <= index < border + context for border in borders):
            digests[index] = frame_digest(image)
        on_frame(index)
        yield index, image


def _shots(
    frames: Iterator[tuple[int, np.ndarray]], segment: Segment, movie_frames: int, bench: Workbench
) -> Iterator[Shot]:
    """The shots that start in the segment, each followed to its end."""
    stride, shot = bench.config.stride, None
    marked = mark_shots(frames, bench.config.shots, keep=lambda index: index >= segment.start and index % stride == 0)
    for frame in staged(marked, "shots", bench.stage):
        if frame.index < segment.start:
            continue
        if frame.begins:
            if shot:
                yield shot.close(frame.index)
            shot = OpenShot(frame.index, frame.begins, bench) if frame.index < segment.stop else None
        if shot:
            shot.see(frame)
        elif frame.index >= segment.stop:
            return
    if shot:
        yield shot.close(movie_frames)


def _tables(movie_id: str, shots: Iterable[Shot], reader: VideoReader, bench: Workbench) -> dict[str, pa.Table]:
    """A shot is let go when its rows are made: it holds the chips of all its detections, ten times as many bytes."""
    times_s, config = reader.facts.times_s, bench.config
    rows: dict[str, list[dict[str, object]]] = {"shots": [], "tracks": [], "links": []}
    faces = [SCHEMAS["faces"].empty_table()]
    for shot_id, shot in enumerate(shots):
        first = len(rows["tracks"])
        track_ids = list(range(first, first + len(shot.tracks)))
        settled = [
            (track.seen.frames[track.seen.settled], track.seen.boxes[track.seen.settled]) for track in shot.tracks
        ]
        rows["shots"].append(shot_row(movie_id, shot_id, shot, times_s))
        for track_id, track in zip(track_ids, shot.tracks, strict=True):
            rows["tracks"].append(track_row(movie_id, track_id, shot_id, track, times_s, config.quality))
            faces.append(face_rows(movie_id, track_id, track, times_s))
        rows["links"] += [link_row(movie_id, track_ids, link) for link in cannot_links(settled, config.links)]
    tables = {name: pa.Table.from_pylist(found, schema=SCHEMAS[name]) for name, found in rows.items()}
    return tables | {"faces": pa.concat_tables(faces)}
